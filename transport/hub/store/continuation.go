package store

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"github.com/latchd/latchd/transport/iothub"
)

// macLength is as much of the signature as a token carries.
const macLength = 16

// continuation makes the token with which a query goes on after a row: the
// row's key, signed together with the query's text. It stays good through a
// restart, and for this query only.
func (s *Store) continuation(query string, key ...string) string {
	after := strings.Join(key, "\x00")
	return base64.URLEncoding.EncodeToString(append(s.sign(query, after), after...))
}

// parseContinuation returns the key of n parts that the token goes on after; nil
// for the empty token.
func (s *Store) parseContinuation(query, token string, n int) ([]string, error) {
	if token == "" {
		return nil, nil
	}
	raw, err := base64.URLEncoding.DecodeString(token)
	if err == nil && len(raw) > macLength && hmac.Equal(raw[:macLength], s.sign(query, string(raw[macLength:]))) {
		if key := strings.Split(string(raw[macLength:]), "\x00"); len(key) == n {
			return key, nil
		}
	}
	return nil, iothub.Errorf(iothub.CodeArgumentInvalid, "x-ms-continuation is not one that this hub gave for this query")
}

func (s *Store) sign(query, after string) []byte {
	h := hmac.New(sha256.New, s.signing)
	h.Write([]byte(query + "\x00" + after))
	return h.Sum(nil)[:macLength]
}
