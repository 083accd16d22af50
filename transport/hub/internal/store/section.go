package store

import (
	"encoding/json"
	"strconv"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

// section is a stored section of a twin: tags, desired or reported properties. Metadata
// and version are stored separately, because neither queries for properties nor size
// limits include them.
type section struct {
	text     string // the properties as a JSON object
	metadata string // $metadata as a JSON object
	version  int64  // $version
}

// merge applies a patch to the section, or replaces the section if replace is true. It
// fails if the new section is larger than limit. If stamp has a time, merge also updates
// the section's metadata.
func (p *section) merge(name string, patch iothub.Object, replace bool, stamp changeStamp, limit int) (err error) {
	old := *p
	if replace {
		p.text, p.metadata = "{}", "{}"
	}

	if p.text, err = spliceObject(p.text, patch); err != nil {
		return err
	}
	if !stamp.time.IsZero() {
		if p.metadata, err = spliceMetadata(p.metadata, patch, stamp.members()); err != nil {
			return err
		}
	}
	p.version++
	return p.checkSize(name, old, limit)
}

// checkSize returns an error if the section is larger than limit, by IoT Hub's rules, or
// takes too many bytes. A section that is already too large may still become smaller.
func (p *section) checkSize(name string, old section, limit int) error {
	if n := len(p.text); n > maxJSONFactor*limit && n > len(old.text) {
		return iothub.Errorf(iothub.CodeArgumentInvalid, "%s would take %d bytes of JSON: at most %d are possible", name, n, maxJSONFactor*limit)
	}
	if n := p.stored(); n > maxStoredFactor*limit && n > old.stored() {
		return iothub.Errorf(iothub.CodeArgumentInvalid, "%s would take %d bytes with its $metadata: at most %d are possible, so use fewer properties",
			name, n, maxStoredFactor*limit)
	}

	// Skip the computation for short sections. A section's size is at most four times the
	// length of its JSON text. The worst case is a one-digit number in an array: it has 8
	// bytes by IoT Hub's rules, but takes two characters, such as "1,".
	if 4*len(p.text) <= limit {
		return nil
	}
	n := textSize(p.text)
	if n > limit && n > textSize(old.text) {
		return iothub.Errorf(iothub.CodeArgumentInvalid, "%s would have %d bytes: at most %d are allowed", name, n, limit)
	}
	return nil
}

// Limits on the bytes that the reports of one device may rewrite.
const (
	freeRewrite = 16 << 10 // size of a section that is rewritten without a pause, in bytes
	rewriteRate = 4 << 20  // bytes per second of larger sections
)

// rewritePause returns how long a device must wait after a report that rewrites the
// section.
func (p section) rewritePause() time.Duration {
	n := p.stored()
	if n <= freeRewrite {
		return 0
	}
	return time.Duration(n) * time.Second / rewriteRate
}

// stored returns the number of bytes that the section takes in the database.
func (p section) stored() int { return len(p.text) + len(p.metadata) }

// appendJSON appends the section as services see it, with $metadata and $version.
func (p section) appendJSON(b []byte) []byte {
	b = append(b, p.text[:len(p.text)-1]...)
	if len(p.text) > len("{}") {
		b = append(b, ',')
	}
	b = append(append(b, `"$metadata":`...), p.metadata...)
	b = append(b, `,"$version":`...)
	return append(strconv.AppendInt(b, p.version, 10), '}')
}

// object returns the section as a decoded object with $version and, if withMetadata is
// true, with $metadata.
func (p section) object(withMetadata bool) (iothub.Object, error) {
	o, err := iothub.ParseObject([]byte(p.text))
	if err != nil {
		return nil, err
	}
	if withMetadata {
		m, err := iothub.ParseObject([]byte(p.metadata))
		if err != nil {
			return nil, err
		}
		o["$metadata"] = map[string]any(m)
	}
	o["$version"] = json.Number(strconv.FormatInt(p.version, 10))
	return o, nil
}

// emptyMetadata returns the metadata for the empty sections of a new twin.
func emptyMetadata(now time.Time) string { return "{" + changeStamp{time: now}.members() + "}" }

// changeStamp is the metadata of a changed property: the time of the change and the new
// version.
type changeStamp struct {
	time    time.Time
	version int64 // new $version of the desired properties; 0 for reported properties
}

// timeLayout is the format of the time $lastUpdated, as in IoT Hub's documentation.
const timeLayout = "2006-01-02T15:04:05.000Z"

// members returns the stamp as JSON members for $metadata.
func (c changeStamp) members() string {
	s := `"$lastUpdated":"` + c.time.UTC().Format(timeLayout) + `"`
	if c.version != 0 {
		s += `,"$lastUpdatedVersion":` + strconv.FormatInt(c.version, 10)
	}
	return s
}

// replacementPatch returns a patch that turns the object old into the object updated. It
// sets all members of updated, and removes the other members of old with null.
func replacementPatch(old, updated map[string]any) map[string]any {
	patch := make(map[string]any, len(updated))
	for k, v := range updated {
		oldMembers, oldIsObject := asMap(old[k])
		newMembers, newIsObject := asMap(v)
		if oldIsObject && newIsObject {
			v = replacementPatch(oldMembers, newMembers)
		}
		patch[k] = v
	}

	for k := range old {
		if _, ok := updated[k]; !ok {
			patch[k] = nil
		}
	}
	return patch
}

// asMap returns v as a map. It returns false if v is not a JSON object.
func asMap(v any) (map[string]any, bool) {
	switch v := v.(type) {
	case map[string]any:
		return v, true
	case iothub.Object:
		return v, true
	}
	return nil, false
}
