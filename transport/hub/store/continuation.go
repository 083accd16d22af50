package store

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strings"

	"github.com/latchd/latchd/transport/iothub"
)

// macLength is the number of bytes of the signature that a continuation token carries.
const macLength = 16

// newContinuation returns the token for the page after a row. The token holds the row's
// key, signed together with the query's text. It is valid only for this query, and also
// after a restart of the hub.
func (s *Store) newContinuation(query string, key ...string) string {
	after := strings.Join(key, "\x00")
	return base64.URLEncoding.EncodeToString(append(s.sign(query, after), after...))
}

// parseContinuation returns the n parts of the row's key in a continuation token. For the
// empty token, which requests the first page, it returns nil.
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
	return nil, iothub.Errorf(iothub.CodeArgumentInvalid, "x-ms-continuation is invalid: it must be the token from this query's previous page")
}

// sign returns the signature of a continuation token.
func (s *Store) sign(query, after string) []byte {
	h := hmac.New(sha256.New, s.signingKey)
	h.Write([]byte(query + "\x00" + after))
	return h.Sum(nil)[:macLength]
}
