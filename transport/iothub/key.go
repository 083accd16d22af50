package iothub

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
)

// Key is a shared access key. Formatting or marshalling a Key yields "[key]", so that
// no log shows the key by accident. Use Base64 to get the key itself.
type Key []byte

// ParseKey decodes a key from base64.
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

// NewKey returns a key of 32 random bytes, the length that IoT Hub uses.
func NewKey() Key {
	key := make(Key, 32)
	rand.Read(key)
	return key
}

// Base64 returns the key in base64, as connection strings contain it.
func (k Key) Base64() string { return base64.StdEncoding.EncodeToString(k) }

// String returns "[key]" instead of the key.
func (k Key) String() string { return "[key]" }

// Format writes "[key]" instead of the key, for every verb of package fmt.
func (k Key) Format(f fmt.State, _ rune) { io.WriteString(f, k.String()) }

// MarshalText returns "[key]" instead of the key, for example in structured logs.
func (k Key) MarshalText() ([]byte, error) { return []byte(k.String()), nil }
