package provisioning_test

import (
	"crypto/x509"
	"encoding/json"
	"errors"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchd/latchd/packaging/test/certs"
	"github.com/latchd/latchd/transport/hub/internal/access"
	"github.com/latchd/latchd/transport/hub/internal/broker"
	"github.com/latchd/latchd/transport/hub/internal/provisioning"
	"github.com/latchd/latchd/transport/hub/internal/store"
	"github.com/latchd/latchd/transport/iothub"
)

var now = time.Date(2026, 11, 24, 12, 0, 0, 0, time.UTC)

// fixture is a provisioning service with a real store.
type fixture struct {
	*provisioning.Service
	store *store.Store

	mu           sync.Mutex
	disconnected []string // ids of the devices that were disconnected
}

func start(t *testing.T) *fixture {
	t.Helper()
	return startAt(t, filepath.Join(t.TempDir(), "hub.db"))
}

// startAt starts a provisioning service with the database file at path.
func startAt(t *testing.T, path string) *fixture {
	t.Helper()
	s, err := store.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	f := &fixture{store: s}
	f.Service = provisioning.New(provisioning.Options{
		Store: s, Now: func() time.Time { return now },
		Hub: func(webSocket bool) string {
			if webSocket {
				return "hub.test:8443"
			}
			return "hub.test"
		},
		Disconnect: func(id string) {
			f.mu.Lock()
			defer f.mu.Unlock()
			f.disconnected = append(f.disconnected, id)
		},
	})
	return f
}

func (f *fixture) put(t *testing.T, e provisioning.Enrollment, ifMatch string) provisioning.Enrollment {
	t.Helper()
	stored, err := f.Put(t.Context(), e, ifMatch)
	if err != nil {
		t.Fatal(err)
	}
	return stored
}

func keys(primary, secondary iothub.Key) provisioning.Attestation {
	return provisioning.Attestation{Type: "symmetricKey", SymmetricKey: &iothub.SymmetricKey{
		PrimaryKey: primary.Base64(), SecondaryKey: secondary.Base64()}}
}

// issue returns a certificate that parent has signed. If parent is nil, the certificate
// is self-signed.
func issue(t *testing.T, parent *certs.Pair, name string, isCA bool) *certs.Pair {
	t.Helper()
	return certs.Issue(t, parent, name, isCA, now)
}

func asText(p *certs.Pair) *provisioning.Certificate {
	return &provisioning.Certificate{Text: string(p.PEM())}
}

func TestAdmit(t *testing.T) {
	t.Parallel()

	f := start(t)
	primary, secondary := iothub.NewKey(), iothub.NewKey()
	group, old := iothub.NewKey(), iothub.NewKey()
	f.put(t, provisioning.Enrollment{RegistrationID: "one", Attestation: keys(primary, secondary)}, "")
	f.put(t, provisioning.Enrollment{RegistrationID: "kept-out", Status: iothub.Disabled, Attestation: keys(primary, secondary)}, "")
	f.put(t, provisioning.Enrollment{GroupID: "site", Attestation: keys(group, old)}, "")
	f.put(t, provisioning.Enrollment{GroupID: "closed", Status: iothub.Disabled, Attestation: keys(primary, primary)}, "")

	root := issue(t, nil, "root", true)
	between := issue(t, root, "between", true)
	device := issue(t, between, "by-authority", false)
	own, strange := issue(t, nil, "by-certificate", false), issue(t, nil, "by-certificate", false)
	f.put(t, provisioning.Enrollment{GroupID: "authority", Attestation: provisioning.Attestation{Type: "x509",
		X509: &provisioning.X509{Signing: &provisioning.Certificates{Primary: asText(root)}}}}, "")
	f.put(t, provisioning.Enrollment{RegistrationID: "by-certificate", Attestation: provisioning.Attestation{Type: "x509",
		X509: &provisioning.X509{Client: &provisioning.Certificates{Primary: asText(issue(t, nil, "x", false)), Secondary: asText(own)}}}}, "")

	scope := f.store.IDScope()
	sign := func(id string, key iothub.Key) string {
		return iothub.Sign(scope+"/registrations/"+id, key, "registration", now.Add(time.Hour))
	}
	chain := []*x509.Certificate{between.Cert}
	for name, test := range map[string]struct {
		login broker.RegistrationLogin
		want  string // text in the refusal; empty if the device is admitted
	}{
		"primary key":         {login: broker.RegistrationLogin{RegistrationID: "one", Password: sign("one", primary)}},
		"secondary key":       {login: broker.RegistrationLogin{RegistrationID: "one", Password: sign("one", secondary)}},
		"derived key":         {login: broker.RegistrationLogin{RegistrationID: "two", Password: sign("two", provisioning.DeriveKey(group, "two"))}},
		"second derived key":  {login: broker.RegistrationLogin{RegistrationID: "two", Password: sign("two", provisioning.DeriveKey(old, "two"))}},
		"own certificate":     {login: broker.RegistrationLogin{RegistrationID: "by-certificate", Chain: access.Chain{Leaf: own.Cert}}},
		"group's certificate": {login: broker.RegistrationLogin{RegistrationID: "by-authority", Chain: access.Chain{Leaf: device.Cert, Intermediates: chain}}},
		"scope, encoded": {login: broker.RegistrationLogin{RegistrationID: "one",
			Password: iothub.Sign(iothub.Escape(scope+"/registrations/one"), primary, "registration", now.Add(time.Hour))}},

		"wrong key": {broker.RegistrationLogin{RegistrationID: "one", Password: sign("one", group)}, "not signed with a key of the enrollment one"},
		"the group's key, but the device has an individual enrollment": {
			broker.RegistrationLogin{RegistrationID: "one", Password: sign("one", provisioning.DeriveKey(group, "one"))}, "not signed with a key of the enrollment one"},
		"no password":          {broker.RegistrationLogin{RegistrationID: "one"}, "does not start with SharedAccessSignature"},
		"kept out":             {broker.RegistrationLogin{RegistrationID: "kept-out", Password: sign("kept-out", primary)}, "the enrollment kept-out is disabled"},
		"kept out, by a group": {broker.RegistrationLogin{RegistrationID: "kept-out", Password: sign("kept-out", provisioning.DeriveKey(group, "kept-out"))}, "disabled"},
		"a disabled group": {broker.RegistrationLogin{RegistrationID: "two", Password: sign("two", provisioning.DeriveKey(primary, "two"))},
			"no enrollment admits the registration id \"two\""},
		"another's derived key": {broker.RegistrationLogin{RegistrationID: "two", Password: sign("two", provisioning.DeriveKey(group, "three"))}, "no enrollment admits"},
		"another's token":       {broker.RegistrationLogin{RegistrationID: "one", Password: sign("two", primary)}, "the token is for"},
		"another policy": {broker.RegistrationLogin{RegistrationID: "one",
			Password: iothub.Sign(scope+"/registrations/one", primary, "owner", now.Add(time.Hour))}, "want registration"},
		"expired":           {broker.RegistrationLogin{RegistrationID: "one", Password: iothub.Sign(scope+"/registrations/one", primary, "registration", now)}, "expired"},
		"another scope":     {broker.RegistrationLogin{IDScope: "0ne0", RegistrationID: "one", Password: sign("one", primary)}, "id scope"},
		"no registration":   {broker.RegistrationLogin{RegistrationID: "."}, "the id contains '.'"},
		"no certificate":    {broker.RegistrationLogin{RegistrationID: "by-certificate", Password: sign("by-certificate", primary)}, "the device sent none"},
		"stranger":          {broker.RegistrationLogin{RegistrationID: "by-certificate", Chain: access.Chain{Leaf: strange.Cert}}, "does not match the enrollment"},
		"chain has a gap":   {broker.RegistrationLogin{RegistrationID: "by-authority", Chain: access.Chain{Leaf: device.Cert}}, "no enrollment admits"},
		"another's name":    {broker.RegistrationLogin{RegistrationID: "by-other", Chain: access.Chain{Leaf: device.Cert, Intermediates: chain}}, "no enrollment admits"},
		"signed by oneself": {broker.RegistrationLogin{RegistrationID: "by-authority", Chain: access.Chain{Leaf: issue(t, nil, "by-authority", true).Cert}}, "no enrollment admits"},
	} {
		t.Run(name, func(t *testing.T) {
			if test.login.IDScope == "" {
				test.login.IDScope = scope
			}
			_, expires, err := f.Admit(t.Context(), test.login)
			switch {
			case test.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case test.want == "" && !expires.Equal(now.Add(time.Hour)):
				t.Errorf("the login expires at %v", expires)
			case test.want != "" && (!errors.Is(err, &iothub.Error{Code: iothub.CodeUnauthorized}) || !strings.Contains(err.Error(), test.want)):
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// admit logs a device in to the service with a key.
func (f *fixture) admit(t *testing.T, id string, key iothub.Key) broker.Registration {
	t.Helper()
	r, _, err := f.Admit(t.Context(), broker.RegistrationLogin{IDScope: f.store.IDScope(), RegistrationID: id,
		Password: iothub.Sign(f.store.IDScope()+"/registrations/"+id, key, "registration", now.Add(time.Hour))})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// answered checks the status of an answer and returns the answer's body.
func answered(t *testing.T, a broker.RegistrationAnswer, status int) map[string]any {
	t.Helper()
	var body map[string]any
	if err := json.Unmarshal(a.Body, &body); err != nil || a.Status != status {
		t.Fatalf("the answer is %d %s, want %d", a.Status, a.Body, status)
	}
	return body
}

func TestRegister(t *testing.T) {
	t.Parallel()

	f := start(t)
	key := iothub.NewKey()
	e := f.put(t, provisioning.Enrollment{RegistrationID: "one", DeviceID: "door", Attestation: keys(key, iothub.NewKey())}, "")
	r := f.admit(t, "one", key)

	first := r.Register(t.Context(), []byte(`{"registrationId":"one","payload":{"any":1}}`))
	operation, _ := answered(t, first, 202)["operationId"].(string)
	if first.RetryAfter != time.Second || operation == "" {
		t.Errorf("the answer to Register is %+v", first)
	}
	done := answered(t, r.Operation(t.Context(), operation), 200)
	state, _ := done["registrationState"].(map[string]any)
	if done["status"] != "assigned" || state["deviceId"] != "door" || state["assignedHub"] != "hub.test" {
		t.Errorf("the answer to Operation is %v", done)
	}
	device, err := f.store.Device(t.Context(), "door")
	if err != nil || device.Authentication.SymmetricKey.PrimaryKey != key.Base64() {
		t.Errorf("the device is %+v, %v", device, err)
	}
	answered(t, r.Register(t.Context(), []byte(`{"registrationId":"one"}`)), 202)
	if len(f.disconnected) != 0 {
		t.Errorf("devices with unchanged credentials were disconnected: %v", f.disconnected)
	}

	for name, refused := range map[string]struct {
		answer broker.RegistrationAnswer
		status int
	}{
		"another's id":         {r.Register(t.Context(), []byte(`{"registrationId":"two"}`)), 400},
		"no JSON":              {r.Register(t.Context(), []byte(`{`)), 400},
		"an unknown operation": {r.Operation(t.Context(), "5.x"), 404},
		"an old operation":     {r.Operation(t.Context(), operation), 404},
	} {
		if body := answered(t, refused.answer, refused.status); body["errorCode"] == nil || refused.answer.Err == nil {
			t.Errorf("%s: the answer is %v", name, body)
		}
	}

	// A service disables the device. Then the key of the enrollment is changed.
	device.Status = iothub.Disabled
	if _, err := f.store.UpdateDevice(t.Context(), device, "*"); err != nil {
		t.Fatal(err)
	}
	next := iothub.NewKey()
	e.Attestation = keys(next, iothub.NewKey())
	f.put(t, e, e.ETag)
	answered(t, r.Register(t.Context(), []byte(`{}`)), 401) // the enrollment has changed since the device logged in
	answered(t, f.admit(t, "one", next).Register(t.Context(), []byte(`{}`)), 202)
	device, err = f.store.Device(t.Context(), "door")
	if err != nil || device.Authentication.SymmetricKey.PrimaryKey != next.Base64() || device.Status != iothub.Disabled {
		t.Errorf("the device is %+v, %v, want a disabled device with the new key", device, err)
	}
	if len(f.disconnected) != 1 || f.disconnected[0] != "door" {
		t.Errorf("disconnected devices: %v", f.disconnected)
	}
}

func TestInvalidEnrollments(t *testing.T) {
	t.Parallel()

	f := start(t)
	good := provisioning.Attestation{Type: "symmetricKey"}
	for name, test := range map[string]struct {
		enrollment provisioning.Enrollment
		want       string
	}{
		"an id with a slash":     {provisioning.Enrollment{RegistrationID: "a/b", Attestation: good}, "the id contains '/'"},
		"an id that ends in dot": {provisioning.Enrollment{RegistrationID: "a.", Attestation: good}, "the id contains '.'"},
		"an id too long":         {provisioning.Enrollment{GroupID: strings.Repeat("a", 129), Attestation: good}, "129 characters"},
		"a status":               {provisioning.Enrollment{RegistrationID: "a", Status: "off", Attestation: good}, "provisioningStatus"},
		"a device for a group":   {provisioning.Enrollment{GroupID: "a", DeviceID: "d", Attestation: good}, "deviceId"},
		"no attestation":         {provisioning.Enrollment{RegistrationID: "a"}, "attestation.type"},
		"a short key":            {provisioning.Enrollment{RegistrationID: "a", Attestation: keys(iothub.Key("short"), iothub.NewKey())}, "16 to 64 bytes"},
		"no certificate":         {provisioning.Enrollment{RegistrationID: "a", Attestation: provisioning.Attestation{Type: "x509"}}, "want at least one certificate"},
		"a group's certificate for a device": {provisioning.Enrollment{RegistrationID: "a", Attestation: provisioning.Attestation{Type: "x509",
			X509: &provisioning.X509{Signing: &provisioning.Certificates{}}}}, "want clientCertificates"},
		"no certificate but text": {provisioning.Enrollment{RegistrationID: "a", Attestation: provisioning.Attestation{Type: "x509",
			X509: &provisioning.X509{Client: &provisioning.Certificates{Primary: &provisioning.Certificate{Text: "AAAA"}}}}}, "cannot parse the certificate"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := f.Put(t.Context(), test.enrollment, "")
			if !errors.Is(err, &iothub.Error{Code: iothub.CodeArgumentInvalid}) || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

// FuzzEnrollment sends random enrollments. If an enrollment is accepted, the service
// must be able to read it again, and must not admit a device without its secret.
func FuzzEnrollment(f *testing.F) {
	f.Add(`{"registrationId":"a","attestation":{"type":"symmetricKey","symmetricKey":{"primaryKey":"","secondaryKey":""}}}`)
	f.Add(`{"enrollmentGroupId":"a","attestation":{"type":"x509","x509":{"signingCertificates":{"primary":{"certificate":"AAAA"}}}}}`)
	f.Add(`{"registrationId":"a","initialTwin":{"tags":{"a":1},"properties":{"desired":null}},"attestation":{"type":"symmetricKey"}}`)
	s, err := store.Open(filepath.Join(f.TempDir(), "hub.db"))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { s.Close() })
	service := provisioning.New(provisioning.Options{Store: s, Now: func() time.Time { return now }})
	f.Fuzz(func(t *testing.T, text string) {
		var e provisioning.Enrollment
		if json.Unmarshal([]byte(text), &e) != nil || e.RegistrationID != "" && e.GroupID != "" {
			t.Skip()
		}
		stored, err := service.Put(t.Context(), e, "")
		if err != nil {
			return
		}
		group, id := stored.GroupID != "", stored.RegistrationID+stored.GroupID
		if _, err := service.Get(t.Context(), group, id); err != nil {
			t.Errorf("%s: %v", text, err)
		}
		login := broker.RegistrationLogin{IDScope: s.IDScope(), RegistrationID: id, Password: "SharedAccessSignature sr=a&sig=AAAA&se=1"}
		if _, _, err := service.Admit(t.Context(), login); !errors.Is(err, &iothub.Error{Code: iothub.CodeUnauthorized}) {
			t.Errorf("%s: a device without its secret: %v", text, err)
		}
		if err := service.Delete(t.Context(), group, id, ""); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	})
}
