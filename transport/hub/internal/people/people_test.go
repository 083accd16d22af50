package people_test

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"testing"
	"time"

	"github.com/latchd/latchd/packaging/test/certs"
	"github.com/latchd/latchd/transport/hub/internal/access"
	"github.com/latchd/latchd/transport/hub/internal/people"
	"github.com/latchd/latchd/transport/hub/internal/store"
	"github.com/latchd/latchd/transport/iothub"
)

type fixture struct {
	*people.People
	now time.Time
}

func start(t *testing.T) *fixture {
	t.Helper()
	s, err := store.Open(filepath.Join(t.TempDir(), "hub.db"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })

	f := &fixture{now: time.Now()}
	f.People, err = people.Open(t.Context(), people.Options{Store: s, Now: func() time.Time { return f.now },
		Hub: func() string { return "hub.test" }, CA: certs.Issue(t, nil, "ca", true, time.Now()).Cert})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func (f *fixture) rights(name string) (all access.Right) {
	for _, policy := range f.Policies(name) {
		all |= policy.Rights
	}
	return all
}

func TestCodeExpires(t *testing.T) {
	t.Parallel()

	f := start(t)
	if _, err := f.Invite(t.Context(), "anna", people.InviteRequest{Role: people.Viewer, ValidSeconds: 60}); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		after time.Duration
		want  access.Right
	}{{0, access.Redeem}, {58 * time.Second, access.Redeem}, {time.Hour, 0}} {
		f.now = f.now.Add(test.after)
		if got := f.rights("anna"); got != test.want {
			t.Errorf("%s later the rights are %q, want %q", test.after, got, test.want)
		}
	}
}

// A first use of the person's key that races with another use of the code must not end the
// code with the old key.
func TestUsedLosesToRedeem(t *testing.T) {
	t.Parallel()

	f := start(t)
	if _, err := f.Invite(t.Context(), "anna", people.InviteRequest{Role: people.Viewer}); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Redeem(t.Context(), "anna"); err != nil {
		t.Fatal(err)
	}

	ctx, end := f.Begin(t.Context(), "anna") // its token is being checked
	defer end()
	if _, err := f.Redeem(t.Context(), "anna"); err != nil {
		t.Fatal(err)
	}
	if err := f.Used(ctx, "anna"); !errors.Is(err, &iothub.Error{Code: iothub.CodeUnauthorized}) {
		t.Errorf("the request with the old key: %v", err)
	}
	if f.rights("anna")&access.Redeem == 0 {
		t.Error("the old key has ended the code")
	}
}

func TestNumberOfPersonsIsBounded(t *testing.T) {
	t.Parallel()

	f := start(t)
	for i := range people.MaxPeople {
		if _, err := f.Invite(t.Context(), fmt.Sprint("p", i), people.InviteRequest{Role: people.Viewer}); err != nil {
			t.Fatal(err)
		}
	}
	invite := func() error {
		_, err := f.Invite(t.Context(), "more", people.InviteRequest{Role: people.Viewer})
		return err
	}
	if err := invite(); !errors.Is(err, &iothub.Error{Code: iothub.CodeThrottling}) {
		t.Errorf("one person too many: %v", err)
	}
	if err := f.Revoke(t.Context(), "p7"); err != nil {
		t.Fatal(err)
	}
	if err := invite(); err != nil {
		t.Errorf("after a revocation: %v", err)
	}
}

// A revocation counts even if the disk is full.
func TestRevokeWithoutADisk(t *testing.T) {
	t.Parallel()

	f := start(t)
	if _, err := f.Invite(t.Context(), "anna", people.InviteRequest{Role: people.Viewer}); err != nil {
		t.Fatal(err)
	}
	ctx, end := f.Begin(t.Context(), "anna")
	defer end()
	broken, cancel := context.WithCancel(t.Context())
	cancel() // the store refuses a write whose context has ended
	if err := f.Revoke(broken, "anna"); err == nil {
		t.Fatal("the revocation was stored")
	}
	if f.rights("anna") != 0 || ctx.Err() == nil {
		t.Error("the person still has access")
	}
}
