package store

import (
	"bytes"
	"encoding/json"
	"strconv"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

// section is one part of a twin as it is stored: its JSON, and beside it the
// metadata and the version, which are no part of what queries and sizes count.
type section struct {
	text, metadata string
	version        int64
}

// merge lays the patch over the section or, with replace, puts it in its place.
// Without a time in mark the section has no metadata.
func (p *section) merge(name string, patch iothub.Object, replace bool, at mark, limit int) (err error) {
	old := *p
	if replace {
		p.text, p.metadata = "{}", "{}"
	}
	if p.text, err = spliceObject(p.text, patch); err != nil {
		return err
	}
	if !at.at.IsZero() {
		if p.metadata, err = spliceMetadata(p.metadata, patch, at.stamps()); err != nil {
			return err
		}
	}
	p.version++
	// An element of an array that counts 8 bytes may have two in the text. Most
	// sections are so small that there is nothing to count.
	if 4*len(p.text) <= limit {
		return nil
	}
	if len(p.text) > maxSpread*limit && len(p.text) > len(old.text) {
		return iothub.Errorf(iothub.CodeArgumentInvalid, "%s would take %d bytes of JSON, at most %d are possible", name, len(p.text), maxSpread*limit)
	}
	is, err := p.size()
	if err != nil || is <= limit {
		return err
	}
	was, err := old.size()
	// A section that is too large already may still shrink.
	if err != nil || is <= was {
		return err
	}
	return iothub.Errorf(iothub.CodeArgumentInvalid, "%s would have %d bytes, at most %d are allowed", name, is, limit)
}

func (p section) size() (int, error) {
	o, err := iothub.ParseObject([]byte(p.text))
	return size(o), err
}

// json returns the section as the service sees it.
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

// object returns the section with $version, and with $metadata if it is asked for.
func (p section) object(metadata bool) (iothub.Object, error) {
	o, err := iothub.ParseObject([]byte(p.text))
	if err != nil {
		return nil, err
	}
	if metadata {
		m, err := iothub.ParseObject([]byte(p.metadata))
		if err != nil {
			return nil, err
		}
		o["$metadata"] = map[string]any(m)
	}
	o["$version"] = json.Number(strconv.FormatInt(p.version, 10))
	return o, nil
}

// firstMetadata is that of the empty sections of a new twin.
func firstMetadata(now time.Time) string {
	return `{"$lastUpdated":"` + now.UTC().Format(timeLayout) + `"}`
}

// mark is what metadata says of a change.
type mark struct {
	at      time.Time
	version int64 // of the desired properties; 0 for the reported ones
}

// timeLayout is that of $lastUpdated in IoT Hub's documentation.
const timeLayout = "2006-01-02T15:04:05.000Z"

// stamps gives the members that a changed property's metadata has.
func (m mark) stamps() string {
	s := `"$lastUpdated":"` + m.at.UTC().Format(timeLayout) + `"`
	if m.version != 0 {
		s += `,"$lastUpdatedVersion":` + strconv.FormatInt(m.version, 10)
	}
	return s
}

// replacement is the patch that makes updated of old: updated itself, and null for
// what it does not have any more.
func replacement(old, updated map[string]any) map[string]any {
	patch := make(map[string]any, len(updated))
	for k, v := range updated {
		was, wasObject := asMap(old[k])
		is, isObject := asMap(v)
		if wasObject && isObject {
			v = replacement(was, is)
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

func asMap(v any) (map[string]any, bool) {
	switch v := v.(type) {
	case map[string]any:
		return v, true
	case iothub.Object:
		return v, true
	}
	return nil, false
}
