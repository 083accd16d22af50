package store

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

// section is one section of a twin as stored: tags, desired or reported properties.
// Metadata and version are stored separately, because queries and size limits do not
// count them.
type section struct {
	text     string // JSON object with the section's members
	metadata string // JSON object with the section's $metadata
	version  int64  // the section's $version
}

// merge applies a patch to the section. If replace is true, the patch replaces the
// section instead. merge refuses a section that becomes larger than limit. It records
// the change in the metadata if stamp has a time.
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

// checkSize returns an error if the section is larger than limit. It accepts a change
// that makes the section smaller.
func (p *section) checkSize(name string, old section, limit int) error {
	// Most sections are so short that their size need not be computed. A section's size
	// is at most four times the length of its text. The worst case is a number in an
	// array, which counts 8 bytes but may take only two, such as "1,".
	if 4*len(p.text) <= limit {
		return nil
	}
	if len(p.text) > maxJSONFactor*limit && len(p.text) > len(old.text) {
		return iothub.Errorf(iothub.CodeArgumentInvalid, "%s would take %d bytes of JSON: at most %d are possible", name, len(p.text), maxJSONFactor*limit)
	}

	newSize, err := p.size()
	if err != nil || newSize <= limit {
		return err
	}
	oldSize, err := old.size()
	if err != nil || newSize <= oldSize {
		return err
	}
	return iothub.Errorf(iothub.CodeArgumentInvalid, "%s would have %d bytes: at most %d are allowed", name, newSize, limit)
}

// size returns the section's size, counted by IoT Hub's rules.
func (p section) size() (int, error) {
	o, err := iothub.ParseObject([]byte(p.text))
	return size(o), err
}

// json returns the section's JSON for a service, with $metadata and $version.
func (p section) json() json.RawMessage {
	var b bytes.Buffer
	b.WriteString(p.text[:len(p.text)-1])
	if len(p.text) > len("{}") {
		b.WriteByte(',')
	}
	b.WriteString(`"$metadata":`)
	b.WriteString(p.metadata)
	b.WriteString(`,"$version":` + strconv.FormatInt(p.version, 10) + "}")
	return b.Bytes()
}

// object returns the section as an object with $version. If withMetadata is true, the
// object also has $metadata.
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

// emptyMetadata returns the metadata of an empty section in a new twin.
func emptyMetadata(now time.Time) string { return "{" + changeStamp{time: now}.members() + "}" }

// changeStamp holds the time and the version of a property's last change, as stored in
// $metadata.
type changeStamp struct {
	time    time.Time
	version int64 // new $version of the desired properties; 0 for reported properties
}

// timeLayout is the format of $lastUpdated in IoT Hub's documentation.
const timeLayout = "2006-01-02T15:04:05.000Z"

// members returns the JSON members that are stored in $metadata for a changed property.
func (c changeStamp) members() string {
	s := `"$lastUpdated":"` + c.time.UTC().Format(timeLayout) + `"`
	if c.version != 0 {
		s += `,"$lastUpdatedVersion":` + strconv.FormatInt(c.version, 10)
	}
	return s
}

// replacementPatch returns the patch that changes old to updated. It contains all
// members of updated, and null for each member that only old has.
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

// asMap returns the members of v and true if v is a JSON object, which has one of two Go
// types.
func asMap(v any) (map[string]any, bool) {
	switch v := v.(type) {
	case map[string]any:
		return v, true
	case iothub.Object:
		return v, true
	}
	return nil, false
}
