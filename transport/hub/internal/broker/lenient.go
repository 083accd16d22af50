package broker

import (
	"bytes"
	"encoding/json"
	"fmt"
	"unicode"
	"unicode/utf8"
)

// maxLenientLevels limits the recursion of lenientReader.
const maxLenientLevels = 64

// lenientReader converts a text to JSON. The service behind IoT Hub reads JSON with the
// library Json.NET, and devices rely on what that library accepts beyond the standard
// (Json.NET documentation, class JsonTextReader). A lenientReader accepts a part of it:
//
//   - strings in single quotes, control characters in strings, and the escape \',
//   - member names without quotes,
//   - comments, as in JavaScript,
//   - a comma after the last element or member.
//
// It does not check numbers, escapes and literals. Call json.Valid for its output.
type lenientReader struct {
	rest  []byte // the text that is still to be read
	out   bytes.Buffer
	level int // number of objects and arrays that are open
}

// normalizeJSON converts a text to JSON. If the text is too different from JSON, the
// result is not valid JSON.
func normalizeJSON(text []byte) []byte {
	r := lenientReader{rest: text}
	if !r.value() {
		return nil
	}
	if r.skip(); len(r.rest) > 0 {
		return nil
	}
	return r.out.Bytes()
}

// value converts a value and the space before it. Like the other methods, it returns
// false if the text is not readable.
func (r *lenientReader) value() bool {
	r.skip()
	switch r.peek() {
	case '"', '\'':
		return r.text()
	case '{':
		return r.container('}', r.member)
	case '[':
		return r.container(']', r.value)
	}
	return r.scalar()
}

// container converts an object or an array up to the byte end. element converts one
// member or one element.
func (r *lenientReader) container(end byte, element func() bool) bool {
	if r.level++; r.level > maxLenientLevels {
		return false
	}
	defer func() { r.level-- }()

	r.out.WriteByte(r.next())
	for first := true; ; first = false {
		if r.skip(); r.peek() == end {
			break
		}
		if !first {
			r.out.WriteByte(',')
		}
		if !element() {
			return false
		}

		if r.skip(); r.peek() == end {
			break
		}
		if r.next() != ',' {
			return false
		}
	}
	r.out.WriteByte(r.next())
	return true
}

// member converts one member of an object: a name, a colon and a value.
func (r *lenientReader) member() bool {
	named := r.name
	if c := r.peek(); c == '"' || c == '\'' {
		named = r.text
	}
	if !named() {
		return false
	}

	r.skip()
	if r.next() != ':' {
		return false
	}
	r.out.WriteByte(':')
	return r.value()
}

// name converts the name of a member that has no quotes.
func (r *lenientReader) name() bool {
	length := 0
	for length < len(r.rest) {
		c, size := utf8.DecodeRune(r.rest[length:])
		if c != '_' && c != '$' && !unicode.IsLetter(c) && !unicode.IsDigit(c) {
			break
		}
		length += size
	}

	r.out.WriteByte('"')
	r.out.Write(r.rest[:length])
	r.out.WriteByte('"')
	r.rest = r.rest[length:]
	return length > 0
}

// text converts a string in single or double quotes.
func (r *lenientReader) text() bool {
	quote := r.next()
	r.out.WriteByte('"')
	for {
		if len(r.rest) == 0 {
			return false
		}

		switch c := r.next(); {
		case c == quote:
			r.out.WriteByte('"')
			return true
		case c == '"':
			r.out.WriteString(`\"`)
		case c < ' ':
			fmt.Fprintf(&r.out, `\u%04x`, c)
		case c == '\\' && r.peek() == '\'':
			r.out.WriteByte(r.next())
		case c == '\\':
			r.out.WriteByte(c)
			r.out.WriteByte(r.next())
		default:
			r.out.WriteByte(c)
		}
	}
}

// scalar copies a number or a literal such as true.
func (r *lenientReader) scalar() bool {
	length := bytes.IndexFunc(r.rest, func(c rune) bool {
		return c != '+' && c != '-' && c != '.' && !unicode.IsLetter(c) && !unicode.IsDigit(c)
	})
	if length < 0 {
		length = len(r.rest)
	}

	r.out.Write(r.rest[:length])
	valid := json.Valid(r.rest[:length])
	r.rest = r.rest[length:]
	return valid
}

// skip skips space and comments. It stops at a comment that does not end.
func (r *lenientReader) skip() {
	for {
		r.rest = bytes.TrimLeft(r.rest, " \t\r\n")
		switch {
		case bytes.HasPrefix(r.rest, []byte("//")):
			_, after, _ := bytes.Cut(r.rest, []byte("\n"))
			r.rest = after
		case bytes.HasPrefix(r.rest, []byte("/*")):
			_, after, ended := bytes.Cut(r.rest[2:], []byte("*/"))
			if !ended {
				return
			}
			r.rest = after
		default:
			return
		}
	}
}

// peek returns the next byte without reading it, or 0 at the end of the text.
func (r *lenientReader) peek() byte {
	if len(r.rest) == 0 {
		return 0
	}
	return r.rest[0]
}

// next reads one byte. It returns 0 at the end of the text.
func (r *lenientReader) next() byte {
	c := r.peek()
	r.rest = r.rest[min(1, len(r.rest)):]
	return c
}
