package store

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"errors"
	"fmt"
	"math/big"
	"path/filepath"
	"slices"
	"testing"

	"github.com/latchd/latchd/transport/iothub"
)

func TestAuthorities(t *testing.T) {
	t.Parallel()
	ctx := t.Context()
	path := filepath.Join(t.TempDir(), "hub.db")
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { s.Close() }()

	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	certificate := func(serial int64) *x509.Certificate {
		template := &x509.Certificate{SerialNumber: big.NewInt(serial)}
		raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
		if err != nil {
			t.Fatal(err)
		}
		cert, err := x509.ParseCertificate(raw)
		if err != nil {
			t.Fatal(err)
		}
		return cert
	}

	// want checks the result of a step. An empty code means that the step must succeed;
	// otherwise it must fail with the code.
	want := func(what string, err error, code iothub.Code) {
		t.Helper()
		if code == "" && err != nil || code != "" && !errors.Is(err, &iothub.Error{Code: code}) {
			t.Errorf("%s: %v, want %q", what, err, code)
		}
	}

	for id, kind := range map[string]iothub.AuthenticationType{"d1": "certificateAuthority", "d2": "sas", "d3": "certificateAuthority"} {
		_, err := s.CreateDevice(ctx, iothub.DeviceIdentity{DeviceID: id, Authentication: &iothub.Authentication{Type: kind}})
		want("create "+id, err, "")
	}
	for i := range maxAuthorities {
		_, err := s.AddAuthority(ctx, fmt.Sprintf("a%02d", i), certificate(int64(i)))
		want("add", err, "")
	}
	_, err = s.AddAuthority(ctx, "a00", certificate(99))
	want("add a name that exists", err, iothub.CodePreconditionFailed)
	_, err = s.AddAuthority(ctx, "b", certificate(99))
	want("add one more than the limit", err, iothub.CodeQuotaExceeded)

	devices, err := s.RemoveAuthority(ctx, "a07")
	want("remove", err, "")
	if slices.Sort(devices); !slices.Equal(devices, []string{"d1", "d3"}) {
		t.Errorf("the devices that log in with an authority are %q", devices)
	}
	_, err = s.RemoveAuthority(ctx, "a07")
	want("remove again", err, iothub.CodeNotFound)

	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	if s, err = Open(path); err != nil {
		t.Fatal(err)
	}
	list, err := s.Authorities(ctx)
	if err != nil || len(list) != maxAuthorities-1 || list[0].Name != "a00" || list[0].Created.IsZero() ||
		list[7].Name != "a08" || list[7].Certificate.SerialNumber.Int64() != 8 {
		t.Errorf("after a restart the authorities are %+v, error %v", list, err)
	}
}
