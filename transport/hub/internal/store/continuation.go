package store

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"github.com/latchd/latchd/transport/iothub"
)

// macLength is the length of the signature in a continuation token, in bytes.
const macLength = 16

// newContinuation returns the continuation token that requests the page after a given
// row of a query or list. The token contains the row's key, and a signature of the key
// and the query. It is valid only for the same query, also after a restart of the hub.
func (s *Store) newContinuation(query string, key ...string) string {
	after := strings.Join(key, "\x00")
	return base64.URLEncoding.EncodeToString(append(s.sign(query, after), after...))
}

// parseContinuation checks a continuation token and returns the row key in it, which must
// have n parts. An empty token requests the first page; its key is nil.
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
	return nil, iothub.Errorf(iothub.CodeArgumentInvalid, "x-ms-continuation is invalid: it must be the token from the previous page of the same list")
}

// sign computes the signature of a continuation token.
func (s *Store) sign(query, after string) []byte {
	h := hmac.New(sha256.New, s.signingKey)
	h.Write([]byte(query + "\x00" + after))
	return h.Sum(nil)[:macLength]
}
