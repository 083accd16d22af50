package iothub

import (
	"fmt"
	"net/url"
	"strings"
)

// Property is one name and value of a property bag.
type Property struct{ Name, Value string }

// Bag is a property bag as it stands at the end of a topic: names and values in
// their order, decoded. System properties have names that start with "$.".
type Bag []Property

// ParseBag reads "a=b&c=d" with percent-encoding on both sides. A name without
// '=' has the empty value. The empty text is the empty bag.
func ParseBag(text string) (Bag, error) {
	var bag Bag
	for text != "" {
		var field string
		field, text, _ = strings.Cut(text, "&")
		if field == "" {
			continue
		}
		rawName, rawValue, _ := strings.Cut(field, "=")
		name, err := url.PathUnescape(rawName)
		if err != nil {
			return nil, fmt.Errorf("property bag: the name %q is not percent-encoded", rawName)
		}
		value, err := url.PathUnescape(rawValue)
		if err != nil {
			return nil, fmt.Errorf("property bag: the value of %q is not percent-encoded", name)
		}
		if name == "" {
			return nil, fmt.Errorf("property bag: a property has no name")
		}
		bag = append(bag, Property{name, value})
	}
	return bag, nil
}

// Get returns the first value of name, and whether it is there.
func (b Bag) Get(name string) (string, bool) {
	for _, p := range b {
		if p.Name == name {
			return p.Value, true
		}
	}
	return "", false
}

// Encode returns the text that ParseBag reads, with names and values encoded as
// the official SDKs do.
func (b Bag) Encode() string {
	var s strings.Builder
	for i, p := range b {
		if i > 0 {
			s.WriteByte('&')
		}
		s.WriteString(Escape(p.Name) + "=" + Escape(p.Value))
	}
	return s.String()
}

const upperHex, lowerHex = "0123456789ABCDEF", "0123456789abcdef"

// Escape percent-encodes all but ASCII letters, digits and -._~, with upper-case
// hexadecimal digits but for !'()* which the official Node SDK writes in lower
// case: a token's resource is signed as written, so the case matters.
func Escape(text string) string {
	var s strings.Builder
	for i := 0; i < len(text); i++ {
		c := text[i]
		switch {
		case c >= 'a' && c <= 'z', c >= 'A' && c <= 'Z', c >= '0' && c <= '9', strings.IndexByte("-._~", c) >= 0:
			s.WriteByte(c)
		case strings.IndexByte("!'()*", c) >= 0:
			s.Write([]byte{'%', lowerHex[c>>4], lowerHex[c&15]})
		default:
			s.Write([]byte{'%', upperHex[c>>4], upperHex[c&15]})
		}
	}
	return s.String()
}
