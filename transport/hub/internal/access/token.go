package access

import (
	"slices"
	"strings"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

// Checker checks shared access signatures (tokens). A valid token names the hub
// HostName, and is signed with a key of one of the Policies or of the device that logs
// in.
type Checker struct {
	HostName string
	Policies []Policy
	People   People // nil means that no person has access
}

// People knows the shared access policies of single persons, which can change at any time.
type People interface {
	// Policies returns the policies with the given name.
	Policies(name string) []Policy
}

// IsHost reports whether host is the hub's name. It ignores letter case and a port at
// the end of host.
func (c Checker) IsHost(host string) bool {
	return strings.EqualFold(withoutPort(host), c.HostName)
}

// CheckService checks the token in the Authorization header of a service API request.
// The policy that signed the token must have the given right. CheckService returns the
// name of this policy, also if the only fault is that it does not have the right.
func (c Checker) CheckService(authorization string, right Right, now time.Time) (policy string, err error) {
	if authorization == "" {
		return "", unauthorized("the request has no Authorization header, want a SharedAccessSignature")
	}
	if scheme, _, _ := strings.Cut(authorization, " "); strings.EqualFold(scheme, "Bearer") {
		return "", unauthorized("this hub does not accept bearer tokens: use the key of a shared access policy")
	}

	token, err := iothub.ParseSignature(authorization)
	if err != nil {
		return "", unauthorized("%v", err)
	}
	if token.KeyName == "" {
		return "", unauthorized("the token has no skn, want the name of a shared access policy")
	}

	signer, err := c.signer(token)
	if err != nil {
		return "", err
	}
	if err := c.checkScope(token, "", now); err != nil {
		return "", err
	}
	return signer.Name, signer.check(right)
}

// CheckDevice checks the token that a device sent as its MQTT password. The token must
// be signed with a key of the device, or with a key of a policy that has the right
// DeviceConnect. CheckDevice returns the time at which the token expires.
func (c Checker) CheckDevice(password string, identity iothub.DeviceIdentity, now time.Time) (expires time.Time, err error) {
	token, err := iothub.ParseSignature(password)
	if err != nil {
		return time.Time{}, unauthorized("%v", err)
	}
	if err := checkEnabled(identity); err != nil {
		return time.Time{}, err
	}

	if token.KeyName != "" {
		err = c.checkPolicy(token, DeviceConnect)
	} else {
		err = checkDeviceKey(token, identity)
	}
	if err == nil {
		err = c.checkScope(token, "/devices/"+identity.DeviceID, now)
	}
	return token.Expiry, err
}

// SignedByDevice reports whether a token that CheckDevice has accepted is signed with the
// device's own key, and not with the key of a policy.
func SignedByDevice(password string) bool {
	token, err := iothub.ParseSignature(password)
	return err == nil && token.KeyName == ""
}

func checkEnabled(identity iothub.DeviceIdentity) error {
	if identity.Status == iothub.Disabled {
		return unauthorized("device %s is disabled", identity.DeviceID)
	}
	return nil
}

// checkPolicy checks that the token is signed with a key of the policy that it names,
// and that this policy has the given right.
func (c Checker) checkPolicy(token iothub.Signature, right Right) error {
	signer, err := c.signer(token)
	if err != nil {
		return err
	}
	return signer.check(right)
}

// signer returns the policy that the token names. The token must be signed with a key of
// this policy.
func (c Checker) signer(token iothub.Signature) (Policy, error) {
	policies := c.named(token.KeyName)
	if len(policies) == 0 {
		return Policy{}, unauthorized("the hub has no shared access policy %q", token.KeyName)
	}

	i := slices.IndexFunc(policies, func(p Policy) bool { return slices.ContainsFunc(p.Keys, token.SignedBy) })
	if i < 0 {
		return Policy{}, unauthorized("the token is not signed with a key of policy %s", token.KeyName)
	}
	return policies[i], nil
}

// named returns the policies with the given name.
func (c Checker) named(name string) []Policy {
	if i := slices.IndexFunc(c.Policies, func(p Policy) bool { return p.Name == name }); i >= 0 {
		return c.Policies[i : i+1]
	}
	if c.People == nil {
		return nil
	}
	return c.People.Policies(name)
}

// ClaimedPolicy returns the name of the policy that a request's Authorization header
// names. Nothing is checked.
func ClaimedPolicy(authorization string) string {
	token, err := iothub.ParseSignature(authorization)
	if err != nil {
		return ""
	}
	return token.KeyName
}

// check checks that the policy has the given right.
func (p Policy) check(right Right) error {
	if missing := right &^ p.Rights; missing != 0 {
		return iothub.Errorf(iothub.CodeUnauthorizedAccess, "policy %s does not have the right %s", p.Name, missing)
	}
	return nil
}

// checkDeviceKey checks that the token is signed with one of the device's two keys.
func checkDeviceKey(token iothub.Signature, identity iothub.DeviceIdentity) error {
	auth := identity.Authentication
	if auth == nil || auth.Type != iothub.AuthSAS {
		return unauthorized("device %s does not log in with a key", identity.DeviceID)
	}

	for _, text := range []string{auth.SymmetricKey.PrimaryKey, auth.SymmetricKey.SecondaryKey} {
		if key, err := iothub.ParseKey(text); err == nil && token.SignedBy(key) {
			return nil
		}
	}
	return unauthorized("the token is not signed with a key of device %s", identity.DeviceID)
}

// checkScope checks that the token covers path on this hub and has not expired. Its
// error messages quote the token, which only the holder of the key may see. The caller
// must therefore check the signature first.
func (c Checker) checkScope(token iothub.Signature, path string, now time.Time) error {
	host, rest, _ := strings.Cut(token.Resource, "/")
	if !c.IsHost(host) {
		return unauthorized("the token is for the host %q, but this hub is %q", host, c.HostName)
	}

	token.Resource = c.HostName + "/" + rest
	if !token.Covers(c.HostName + path) {
		return unauthorized("the token's scope %q does not cover this resource", token.Resource)
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

// withoutPort removes a port, such as ":8883", from the end of host.
func withoutPort(host string) string {
	if i := strings.LastIndexByte(host, ':'); i >= 0 && strings.Trim(host[i+1:], "0123456789") == "" {
		return host[:i]
	}
	return host
}
