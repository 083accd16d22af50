package iothub

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// Property is one name and its value in a property bag, the list of properties in an
// MQTT topic.
type Property struct{ Name, Value string }

// Bag holds the properties in an MQTT topic, decoded and in the order of the topic.
// They follow the '?' or the last '/' of the topic. The names of IoT Hub's own
// properties begin with "$.".
type Bag []Property

// ParseBag decodes a property bag such as "a=b&c=d", whose names and values are
// percent-encoded. A name without '=' has an empty value. Empty text is an empty bag.
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
			return nil, errors.New("property bag: a property has no name")
		}

		bag = append(bag, Property{name, value})
	}

	return bag, nil
}

// Get returns the first value of the property with the given name. It also reports
// whether the bag has that property.
func (b Bag) Get(name string) (string, bool) {
	for _, p := range b {
		if p.Name == name {
			return p.Value, true
		}
	}

	return "", false
}

// Encode returns the properties as percent-encoded text, such as "a=b&c=d". It encodes
// names and values like the official SDKs.
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

const (
	upperHex = "0123456789ABCDEF"
	lowerHex = "0123456789abcdef"
)

// Escape percent-encodes every byte except ASCII letters, digits and -._~. Like the
// official Node SDK, it uses lower-case hexadecimal digits for !'()* and upper-case
// digits for all other bytes. The case matters because a token's signature covers the
// encoded text.
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
