package access_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/transport/hub/internal/access"
	"github.com/latchd/latchd/transport/iothub"
)

var (
	now       = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	later     = now.Add(time.Hour)
	ownerKey  = iothub.Key("owner key")
	readerKey = iothub.Key("reader key")
	primary   = iothub.Key("primary key of d1")
	secondary = iothub.Key("secondary key of d1")
	wrong     = iothub.Key("wrong key")
)

func checker() access.Checker {
	return access.Checker{HostName: "hub.example", Policies: []access.Policy{
		{Name: access.OwnerPolicy, Keys: []iothub.Key{ownerKey, iothub.Key("second owner key")}, Rights: access.EveryRight},
		{Name: "registryRead", Keys: []iothub.Key{readerKey}, Rights: access.RegistryRead},
	}}
}

func TestServiceTokens(t *testing.T) {
	t.Parallel()

	const owner = "iothubowner"
	for name, test := range map[string]struct {
		header string
		right  access.Right
		want   string // text in the refusal; empty if the token is accepted
		code   iothub.Code
	}{
		"owner, scope as the Node SDK writes it": {header: iothub.Sign("hub.example", ownerKey, owner, later)},
		"owner's second key":                     {header: iothub.Sign("hub.example", iothub.Key("second owner key"), owner, later)},
		"scope in another case":                  {header: iothub.Sign("Hub.Example", ownerKey, owner, later)},
		"scope with a port, encoded":             {header: iothub.Sign("hub.example%3a8443", ownerKey, owner, later)},
		"scope with a port, raw":                 {header: iothub.Sign("hub.example:8443", ownerKey, owner, later)},
		"reader reads":                           {header: iothub.Sign("hub.example", readerKey, "registryRead", later), right: access.RegistryRead},
		"reader writes": {
			header: iothub.Sign("hub.example", readerKey, "registryRead", later), right: access.RegistryWrite,
			want: "policy registryRead does not have the right RegistryWrite", code: iothub.CodeUnauthorizedAccess},
		"no header":        {want: "no Authorization header"},
		"bearer":           {header: "Bearer abc", want: "does not accept bearer tokens"},
		"not a token":      {header: "Basic abc", want: "does not start with SharedAccessSignature"},
		"no policy":        {header: iothub.Sign("hub.example", ownerKey, "", later), want: "skn"},
		"unknown policy":   {header: iothub.Sign("hub.example", ownerKey, "nobody", later), want: `no shared access policy "nobody"`},
		"wrong key":        {header: iothub.Sign("hub.example", wrong, owner, later), want: "not signed with a key of policy iothubowner"},
		"another's key":    {header: iothub.Sign("hub.example", readerKey, owner, later), want: "not signed with a key"},
		"expired":          {header: iothub.Sign("hub.example", ownerKey, owner, now), want: "expired at 2026-11-23T12:00:00Z"},
		"another host":     {header: iothub.Sign("other.example", ownerKey, owner, later), want: `for the host "other.example"`},
		"a device's scope": {header: iothub.Sign("hub.example%2Fdevices%2Fd1", ownerKey, owner, later), want: "does not cover"},
		"expired and wrong key tells only the key": {
			header: iothub.Sign("hub.example", wrong, owner, now), want: "not signed"},
	} {
		t.Run(name, func(t *testing.T) {
			right := test.right
			if right == 0 {
				right = access.ServiceConnect
			}
			policy, err := checker().CheckService(test.header, right, now)
			check(t, err, test.want, test.code)

			// The log of changes names the policy, so the policy must have proven itself.
			proven := err == nil || test.code == iothub.CodeUnauthorizedAccess
			if named := policy != ""; named != proven || named && !strings.Contains(test.header, "skn="+policy) {
				t.Errorf("the policy is %q", policy)
			}
		})
	}
}

func TestDeviceTokens(t *testing.T) {
	t.Parallel()

	device := iothub.DeviceIdentity{DeviceID: "d1", Status: iothub.Enabled, Authentication: &iothub.Authentication{
		Type:         "sas",
		SymmetricKey: iothub.SymmetricKey{PrimaryKey: primary.Base64(), SecondaryKey: secondary.Base64()},
	}}
	disabled, byCertificate, keyless := device, device, device
	disabled.Status = iothub.Disabled
	byCertificate.Authentication = &iothub.Authentication{Type: "selfSigned", SymmetricKey: device.Authentication.SymmetricKey}
	keyless.Authentication = &iothub.Authentication{Type: "sas"}
	resource := iothub.DeviceResource("hub.example", "d1", "")
	for name, test := range map[string]struct {
		device iothub.DeviceIdentity
		token  string
		want   string
	}{
		"primary key":          {device, iothub.Sign(resource, primary, "", later), ""},
		"secondary key":        {device, iothub.Sign(resource, secondary, "", later), ""},
		"with a port":          {device, iothub.Sign(iothub.DeviceResource("HUB.example:8884", "d1", ""), primary, "", later), ""},
		"policy, whole hub":    {device, iothub.Sign("hub.example", ownerKey, "iothubowner", later), ""},
		"policy, its scope":    {device, iothub.Sign(resource, ownerKey, "iothubowner", later), ""},
		"policy without right": {device, iothub.Sign(resource, readerKey, "registryRead", later), "DeviceConnect"},
		"wrong key":            {device, iothub.Sign(resource, wrong, "", later), "not signed with a key of device d1"},
		"empty key":            {keyless, iothub.Sign(resource, iothub.Key{}, "", later), "not signed with a key"},
		"another's scope":      {device, iothub.Sign(iothub.DeviceResource("hub.example", "d10", ""), primary, "", later), "does not cover"},
		"scope of a prefix":    {device, iothub.Sign(iothub.DeviceResource("hub.example", "d", ""), primary, "", later), "does not cover"},
		"a module's scope":     {device, iothub.Sign(iothub.DeviceResource("hub.example", "d1", "m"), primary, "", later), "does not cover"},
		"another host":         {device, iothub.Sign(iothub.DeviceResource("evil.example", "d1", ""), primary, "", later), "for the host"},
		"expired":              {device, iothub.Sign(resource, primary, "", now.Add(-time.Second)), "expired"},
		"disabled":             {disabled, iothub.Sign(resource, primary, "", later), "disabled"},
		"by certificate only":  {byCertificate, iothub.Sign(resource, primary, "", later), "does not log in with a key"},
		"no token":             {device, "", "does not start"},
	} {
		t.Run(name, func(t *testing.T) {
			expires, err := checker().CheckDevice(test.token, test.device, now)
			code := iothub.CodeUnauthorized
			if name == "policy without right" {
				code = iothub.CodeUnauthorizedAccess
			}
			check(t, err, test.want, code)
			if err == nil && !expires.Equal(later) {
				t.Errorf("the login expires at %v, want %v", expires, later)
			}
		})
	}
}

// check compares err with the expected result. If want is empty, err must be nil.
// Otherwise err must be a refusal with the given code and with want in its message. An
// empty code means IotHubUnauthorized.
func check(t *testing.T, err error, want string, code iothub.Code) {
	t.Helper()
	if want == "" {
		if err != nil {
			t.Fatalf("refused: %v", err)
		}
		return
	}
	if code == "" {
		code = iothub.CodeUnauthorized
	}
	e, ok := errors.AsType[*iothub.Error](err)
	if !ok || e.Code != code || e.Status != 401 {
		t.Fatalf("got %#v, want 401 %s", err, code)
	}
	if !strings.Contains(e.Message, want) {
		t.Errorf("message %q lacks %q", e.Message, want)
	}
}
