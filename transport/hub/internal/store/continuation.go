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

// NewContinuation returns the continuation token that requests the page after the item
// with the given key, for a list that a caller divides into pages.
func (s *Store) NewContinuation(list, key string) string { return s.newContinuation(list, key) }

// ParseContinuation returns the key in a token of NewContinuation, or "" for an empty
// token, which requests the first page. A token that the hub did not issue for this list
// fails with ArgumentInvalid.
func (s *Store) ParseContinuation(list, token string) (key string, err error) {
	parts, err := s.parseContinuation(list, token, 1)
	if err != nil || parts == nil {
		return "", err
	}
	return parts[0], nil
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
