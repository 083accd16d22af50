package entra

import (
	"context"
	"encoding/base64"
	"errors"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
)

// fakeCredential issues numbered tokens that are valid for one hour, or fails with err.
type fakeCredential struct {
	now      func() time.Time
	requests []policy.TokenRequestOptions
	err      error
}

func (f *fakeCredential) GetToken(_ context.Context, opts policy.TokenRequestOptions) (azcore.AccessToken, error) {
	f.requests = append(f.requests, opts)
	return azcore.AccessToken{Token: "token-" + strings.Repeat("I", len(f.requests)), ExpiresOn: f.now().Add(time.Hour)}, f.err
}

// Login caches a token and replaces it shortly before it expires.
func TestTokenIsCached(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)
	clock := func() time.Time { return now }
	credential := &fakeCredential{now: clock}
	login := New(credential, clock)

	for _, step := range []struct {
		pass time.Duration
		want string
	}{{0, "token-I"}, {54 * time.Minute, "token-I"}, {time.Minute, "token-II"}, {0, "token-II"}, {2 * time.Hour, "token-III"}} {
		now = now.Add(step.pass)
		if got, err := login.Token(t.Context()); got != step.want || err != nil {
			t.Errorf("after %s: %s, %v; want %s", step.pass, got, err, step.want)
		}
	}

	for _, opts := range credential.requests {
		if want := []string{"https://iothubs.azure.net/.default"}; !reflect.DeepEqual(opts.Scopes, want) {
			t.Errorf("requested the scopes %q, want %q", opts.Scopes, want)
		}
	}
}

// The account comes from the claims in the token. A token that names no account, such
// as that of a service principal, gives an empty name.
func TestAccount(t *testing.T) {
	t.Parallel()
	for claims, want := range map[string]string{
		`{"upn":"ada@example.org","unique_name":"other"}`:            "ada@example.org",
		`{"preferred_username":"bob@example.org"}`:                   "bob@example.org",
		`{"unique_name":"live.com#eve@example.org"}`:                 "live.com#eve@example.org",
		`{"appid":"0b5d9b5e-8c8e-4a3a-9f5e-1c2d3e4f5a6b","oid":"x"}`: "",
		`{"upn":3}`: "", `[]`: "", `no JSON`: "",
	} {
		if got := accountOf("e30." + base64.RawURLEncoding.EncodeToString([]byte(claims)) + ".sig"); got != want {
			t.Errorf("%s: %q, want %q", claims, got, want)
		}
	}
	for _, token := range []string{"", "opaque", "a.b", "a.!.c"} {
		if got := accountOf(token); got != "" {
			t.Errorf("%q: %q, want nobody", token, got)
		}
	}

	if got := New(&fakeCredential{now: time.Now, err: errors.New("offline")}, time.Now).Account(t.Context()); got != "" {
		t.Errorf("without a token: %q, want nobody", got)
	}
}

// A login error is one line of text and is not cached. If the context is cancelled, the
// error says so instead of reporting a failed login.
func TestLoginErrors(t *testing.T) {
	t.Parallel()
	credential := &fakeCredential{now: time.Now, err: errors.New("Chain: failed.\nAttempted:\n\tCLI: not there")}
	login := New(credential, time.Now)

	if _, err := login.Token(t.Context()); err == nil || !strings.HasSuffix(err.Error(), "(Chain: failed. Attempted: CLI: not there)") {
		t.Errorf("error %v", err)
	}

	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := login.Token(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, want context.Canceled", err)
	}

	credential.err = nil
	if got, err := login.Token(t.Context()); got != "token-III" || err != nil {
		t.Errorf("%s, %v", got, err)
	}
}
