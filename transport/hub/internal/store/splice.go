package store

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strings"
)

// Most patches change a small part of a twin, and decoding and encoding a whole twin
// would take most of the time of a report. The functions in this file therefore change
// the JSON text and copy unchanged members as they are. The text must be valid JSON
// without spaces between tokens, as encodeValue writes it.

// spliceObject applies a patch to the JSON text of an object and returns the new text.
// Each member of the patch has one of these effects:
//
//   - null removes the member with the same name.
//   - An object is merged with the member.
//   - Any other value replaces the member.
func spliceObject(object string, patch map[string]any) (string, error) {
	p := splicer{writeLeaf: encodeValue}
	p.out.Grow(len(object) + 64)
	err := p.object(object, patch)
	return p.out.String(), err
}

// spliceMetadata updates the metadata of a section after a patch. It writes stamps, which
// are JSON members such as "$lastUpdated":"...", to each changed property and to each
// object that contains a changed property. It removes the metadata of removed properties.
func spliceMetadata(metadata string, patch map[string]any, stamps string) (string, error) {
	p := splicer{stamps: stamps, writeLeaf: func(b *strings.Builder, _ any) error {
		b.WriteByte('{')
		b.WriteString(stamps)
		b.WriteByte('}')
		return nil
	}}
	p.out.Grow(len(metadata) + 256)
	err := p.object(metadata, patch)
	return p.out.String(), err
}

// splicer applies a patch to the JSON text of an object.
type splicer struct {
	out strings.Builder

	// stamps holds JSON members that are written to every changed object. There they
	// replace all members whose names begin with '$'.
	stamps string

	// writeLeaf writes the new value of a member. It is not called for objects.
	writeLeaf func(*strings.Builder, any) error
}

// object applies the patch to the JSON text of an object and appends the result to the
// output.
func (p *splicer) object(object string, patch map[string]any) error {
	p.out.WriteByte('{')
	p.out.WriteString(p.stamps)

	seen := make(map[string]bool)
	for rest := object[1:]; rest[0] != '}'; {
		key := rest[:valueLength(rest)]
		rest = rest[len(key)+1:]
		value := rest[:valueLength(rest)]
		if rest = rest[len(value):]; rest[0] == ',' {
			rest = rest[1:]
		}

		name, err := unquote(key)
		if err != nil {
			return err
		}
		if p.stamps != "" && strings.HasPrefix(name, "$") {
			continue
		}
		v, patched := patch[name]
		if !patched {
			p.key(key)
			p.out.WriteString(value)
			continue
		}
		seen[name] = true
		if err := p.member(key, value, v); err != nil {
			return err
		}
	}

	if len(seen) < len(patch) {
		for _, name := range slices.Sorted(maps.Keys(patch)) {
			if seen[name] {
				continue
			}
			var key strings.Builder
			if err := encodeValue(&key, name); err != nil {
				return err
			}
			if err := p.member(key.String(), "", patch[name]); err != nil {
				return err
			}
		}
	}
	p.out.WriteByte('}')
	return nil
}

// member writes a member with the new value v from the patch, or nothing if v is nil. old
// is the JSON text of the previous value.
func (p *splicer) member(key, old string, v any) error {
	if v == nil {
		return nil
	}

	p.key(key)
	members, isObject := asMap(v)
	if !isObject {
		return p.writeLeaf(&p.out, v)
	}
	if !strings.HasPrefix(old, "{") {
		old = "{}"
	}
	return p.object(old, members)
}

// key writes the name of a member, after a comma if the object already has members.
func (p *splicer) key(key string) {
	if !strings.HasSuffix(p.out.String(), "{") {
		p.out.WriteByte(',')
	}
	p.out.WriteString(key)
	p.out.WriteByte(':')
}

// valueLength returns the length of the JSON value at the start of s.
func valueLength(s string) int {
	switch s[0] {
	case '"':
		return stringLength(s)
	case '{', '[':
		return containerLength(s)
	}
	return strings.IndexAny(s, ",}]")
}

// containerLength returns the length of the JSON object or array at the start of s.
func containerLength(s string) int {
	depth := 0
	for i := 0; ; i++ {
		switch s[i] {
		case '"':
			i += stringLength(s[i:]) - 1
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
}

// stringLength returns the length of the JSON string at the start of s, including its
// quotes.
func stringLength(s string) int {
	for i := 1; ; i++ {
		i += strings.IndexByte(s[i:], '"')
		backslashes := i - len(strings.TrimRight(s[:i], `\`))
		if backslashes%2 == 0 {
			return i + 1
		}
	}
}

// unquote decodes a JSON string.
func unquote(s string) (string, error) {
	if strings.IndexByte(s, '\\') < 0 {
		return s[1 : len(s)-1], nil
	}
	var text string
	err := json.Unmarshal([]byte(s), &text)
	return text, err
}

// encodeValue writes a value as JSON, without spaces between tokens and without HTML
// escapes. The database stores JSON in this form.
func encodeValue(b *strings.Builder, v any) error {
	if text, ok := v.(string); ok && isPlain(text) {
		b.WriteByte('"')
		b.WriteString(text)
		b.WriteByte('"')
		return nil
	}

	var text bytes.Buffer
	e := json.NewEncoder(&text)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return err
	}
	b.Write(bytes.TrimSuffix(text.Bytes(), []byte("\n"))) // Encode adds a line break
	return nil
}

// isPlain reports whether a string stands in JSON as it is, because it has only printable
// ASCII characters and none to escape. Most strings in twins are plain, and an encoder
// for each of them would take most of the time of a patch.
func isPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}
