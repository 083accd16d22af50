package store

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// A patch touches little of a twin, so it is not worth taking the whole apart and
// putting it together again: most of a report's cost would be that. The functions
// here copy the members that a patch does not name as they stand. They rely on
// their text being what encodeValue wrote: valid, and without blanks between tokens.

// spliceObject gives object with patch laid over it, as Object.Merge does: null
// removes a member, objects are merged, everything else replaces.
func spliceObject(object string, patch map[string]any) (string, error) {
	var b bytes.Buffer
	b.Grow(len(object) + 64)
	err := splice(&b, object, patch, "", func(b *bytes.Buffer, v any) error { return encodeValue(b, v) })
	return b.String(), err
}

// spliceMetadata gives metadata after the patch: every property that it sets, and
// every object on the way to one that it sets or removes, gets the stamps; a
// property that it removes loses its metadata. stamps are members, such as
// "$lastUpdated":"...".
func spliceMetadata(metadata string, patch map[string]any, stamps string) (string, error) {
	var b bytes.Buffer
	b.Grow(len(metadata) + 256)
	err := splice(&b, metadata, patch, stamps, func(b *bytes.Buffer, _ any) error {
		_, err := b.WriteString("{" + stamps + "}")
		return err
	})
	return b.String(), err
}

// splice writes object with patch laid over it. stamps go in front of every
// object on the way, in place of what members with '$' it had; leaf writes a value
// that is no object.
func splice(b *bytes.Buffer, object string, patch map[string]any, stamps string, leaf func(*bytes.Buffer, any) error) error {
	b.WriteByte('{')
	b.WriteString(stamps)
	first := stamps == ""
	separate := func() {
		if !first {
			b.WriteByte(',')
		}
		first = false
	}
	put := func(key, old string, v any) error {
		members, isObject := asMap(v)
		if v == nil {
			return nil
		}
		separate()
		b.WriteString(key)
		b.WriteByte(':')
		if !isObject {
			return leaf(b, v)
		}
		if !strings.HasPrefix(old, "{") {
			old = "{}"
		}
		return splice(b, old, members, stamps, leaf)
	}
	seen := make(map[string]bool, len(patch))
	for rest := object[1:]; rest[0] != '}'; {
		key := rest[:skip(rest)]
		rest = rest[len(key)+1:]
		old := rest[:skip(rest)]
		if rest = rest[len(old):]; rest[0] == ',' {
			rest = rest[1:]
		}
		name, err := unquote(key)
		if err != nil {
			return err
		}
		if stamps != "" && strings.HasPrefix(name, "$") {
			continue
		}
		if v, ok := patch[name]; ok {
			seen[name] = true
			if err := put(key, old, v); err != nil {
				return err
			}
			continue
		}
		separate()
		b.WriteString(key)
		b.WriteByte(':')
		b.WriteString(old)
	}
	if len(seen) == len(patch) {
		b.WriteByte('}')
		return nil
	}
	for _, name := range slices.Sorted(maps.Keys(patch)) {
		if seen[name] {
			continue
		}
		var key bytes.Buffer
		if err := encodeValue(&key, name); err != nil {
			return err
		}
		if err := put(key.String(), "", patch[name]); err != nil {
			return err
		}
	}
	b.WriteByte('}')
	return nil
}

// skip returns the length of the value at the start of s.
func skip(s string) int {
	switch s[0] {
	case '"':
		for i := 1; ; i++ {
			switch s[i] {
			case '\\':
				i++
			case '"':
				return i + 1
			}
		}
	case '{', '[':
		depth := 0
		for i := 0; ; i++ {
			switch s[i] {
			case '"':
				i += skip(s[i:]) - 1
			case '{', '[':
				depth++
			case '}', ']':
				if depth--; depth == 0 {
					return i + 1
				}
			}
		}
	}
	return strings.IndexAny(s, ",}]")
}

// unquote gives the text of a JSON string.
func unquote(s string) (string, error) {
	if strings.IndexByte(s, '\\') < 0 {
		return s[1 : len(s)-1], nil
	}
	var text string
	err := json.Unmarshal([]byte(s), &text)
	return text, err
}

// encodeValue writes a value's JSON as it is stored: without the escapes for
// HTML, so that it is as short and as plain as it came.
func encodeValue(b *bytes.Buffer, v any) error {
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	b.Truncate(b.Len() - 1) // the line's end
	return nil
}
