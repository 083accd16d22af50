package iothub

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
)

// Key is a shared access key. It prints as "[key]" wherever it is formatted or
// marshalled, so that it cannot reach a log by accident; Base64 gives its text.
type Key []byte

// ParseKey reads a key from its base64 text.
func ParseKey(text string) (Key, error) {
	key, err := base64.StdEncoding.DecodeString(text)
	if err != nil {
		return nil, errors.New("the key is not base64")
	}
	if len(key) == 0 {
		return nil, errors.New("the key is empty")
	}
	return key, nil
}

// NewKey makes a key of 32 random bytes, the length that IoT Hub generates.
func NewKey() Key {
	key := make(Key, 32)
	rand.Read(key)
	return key
}

// Base64 returns the text that stands in connection strings.
func (k Key) Base64() string { return base64.StdEncoding.EncodeToString(k) }

// String hides the key.
func (k Key) String() string { return "[key]" }

// Format hides the key from every verb.
func (k Key) Format(f fmt.State, _ rune) { io.WriteString(f, k.String()) }

// MarshalText hides the key from encoders, such as a logger's.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }
