// Package access decides who may use the hub: it checks shared access
// signatures against the hub's shared access policies and the devices' keys, and
// the certificates of devices that log in by one against their thumbprints or the
// hub's certificate authorities.
//
// Everything here is a value or a pure function. A refusal is an *iothub.Error
// with a message for the person who holds the token: it tells an expired token,
// a wrong key, a foreign host and an unknown policy apart, and never repeats a
// key or a signature.
package access

import (
	"slices"
	"strings"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

// Right is a set of things that a policy allows, as IoT Hub names them.
type Right uint8

// The rights that a shared access policy can have.
const (
	RegistryRead   Right = 1 << iota // read identities
	RegistryWrite                    // change identities
	ServiceConnect                   // twins, methods, queries, jobs
	DeviceConnect                    // log in as any device
)

var rightNames = []struct {
	right Right
	name  string
}{
	{RegistryRead, "RegistryRead"}, {RegistryWrite, "RegistryWrite"},
	{ServiceConnect, "ServiceConnect"}, {DeviceConnect, "DeviceConnect"},
}

// String lists the rights in the set, as IoT Hub names them.
func (r Right) String() string {
	var names []string
	for _, n := range rightNames {
		if r&n.right != 0 {
			names = append(names, n.name)
		}
	}
	return strings.Join(names, ", ")
}

// EveryRight is what the owner has.
const EveryRight = RegistryRead | RegistryWrite | ServiceConnect | DeviceConnect

// OwnerPolicy is the name of the policy that has every right.
const OwnerPolicy = "iothubowner"

// Policy is a shared access policy: whoever holds one of its keys has its rights.
type Policy struct {
	Name   string
	Keys   []iothub.Key
	Rights Right
}

// Hub is what tokens are checked against: the hub's name, which they must be
// for, and its policies.
type Hub struct {
	HostName string
	Policies []Policy
}

// Named reports whether host names this hub, in any case, with or without a port.
func (h Hub) Named(host string) bool {
	return strings.EqualFold(withoutPort(host), h.HostName)
}

// Service checks the Authorization header of a request to the service API. The
// request needs right.
func (h Hub) Service(authorization string, right Right, now time.Time) error {
	if authorization == "" {
		return unauthorized("the request has no Authorization header, want a SharedAccessSignature")
	}
	if scheme, _, _ := strings.Cut(authorization, " "); strings.EqualFold(scheme, "Bearer") {
		return unauthorized("this hub takes no bearer tokens, use a shared access policy's key")
	}
	token, err := iothub.ParseSignature(authorization)
	if err != nil {
		return unauthorized("%v", err)
	}
	if token.KeyName == "" {
		return unauthorized("token: skn, the shared access policy's name, is missing")
	}
	if err := h.checkPolicy(token, right); err != nil {
		return err
	}
	return h.checkScope(token, "", now)
}

// Device checks the token that a device gives as its MQTT password: by one of
// its own keys, or by a policy with the right to log devices in. It returns when
// the token runs out.
func (h Hub) Device(password string, identity iothub.DeviceIdentity, now time.Time) (expires time.Time, err error) {
	token, err := iothub.ParseSignature(password)
	if err != nil {
		return time.Time{}, unauthorized("%v", err)
	}
	if err := checkEnabled(identity); err != nil {
		return time.Time{}, err
	}
	if token.KeyName != "" {
		err = h.checkPolicy(token, DeviceConnect)
	} else {
		err = checkDeviceKey(token, identity)
	}
	if err == nil {
		err = h.checkScope(token, "/devices/"+identity.DeviceID, now)
	}
	return token.Expiry, err
}

func checkEnabled(identity iothub.DeviceIdentity) error {
	if identity.Status == iothub.Disabled {
		return unauthorized("device %s is disabled", identity.DeviceID)
	}
	return nil
}

func (h Hub) checkPolicy(token iothub.Signature, right Right) error {
	i := slices.IndexFunc(h.Policies, func(p Policy) bool { return p.Name == token.KeyName })
	if i < 0 {
		return unauthorized("the hub has no shared access policy %q", token.KeyName)
	}
	policy := h.Policies[i]
	if !slices.ContainsFunc(policy.Keys, token.SignedBy) {
		return unauthorized("the token is not signed with a key of policy %s", policy.Name)
	}
	if missing := right &^ policy.Rights; missing != 0 {
		return iothub.Errorf(iothub.CodeUnauthorizedAccess, "policy %s does not have the right %s", policy.Name, missing)
	}
	return nil
}

func checkDeviceKey(token iothub.Signature, identity iothub.DeviceIdentity) error {
	auth := identity.Authentication
	if auth == nil || auth.Type != "sas" {
		return unauthorized("device %s does not log in with a key", identity.DeviceID)
	}
	for _, text := range []string{auth.SymmetricKey.PrimaryKey, auth.SymmetricKey.SecondaryKey} {
		if key, err := iothub.ParseKey(text); err == nil && token.SignedBy(key) {
			return nil
		}
	}
	return unauthorized("the token is not signed with a key of device %s", identity.DeviceID)
}

// checkScope is for tokens whose signature is right: only their holder learns
// what else is wrong with them.
func (h Hub) checkScope(token iothub.Signature, path string, now time.Time) error {
	host, rest, _ := strings.Cut(token.Resource, "/")
	if !h.Named(host) {
		return unauthorized("the token is for the host %q, this hub is %q", host, h.HostName)
	}
	token.Resource = h.HostName + "/" + rest
	if !token.Covers(h.HostName + path) {
		return unauthorized("the token's scope %q does not cover this", token.Resource)
	}
	if !now.Before(token.Expiry) {
		return unauthorized("the token expired at %s, the hub's clock says %s",
			token.Expiry.UTC().Format(time.RFC3339), now.UTC().Format(time.RFC3339))
	}
	return nil
}

func unauthorized(format string, args ...any) *iothub.Error {
	return iothub.Errorf(iothub.CodeUnauthorized, format, args...)
}

func withoutPort(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && strings.Trim(host[i+1:], "0123456789") == "" {
		return host[:i]
	}
	return host
}
