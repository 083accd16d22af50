package hub

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/latchd/latchd/transport/durable"
	"github.com/latchd/latchd/transport/hub/access"
	"github.com/latchd/latchd/transport/iothub"
)

// policyRights are the shared access policies that an IoT Hub has when it is new.
var policyRights = []struct {
	name   string
	rights access.Right
}{
	{access.OwnerPolicy, access.EveryRight},
	{"service", access.ServiceConnect},
	{"device", access.DeviceConnect},
	{"registryRead", access.RegistryRead},
	{"registryReadWrite", access.RegistryRead | access.RegistryWrite},
}

// PolicyNames lists the shared access policies.
func PolicyNames() []string {
	var names []string
	for _, p := range policyRights {
		names = append(names, p.name)
	}
	return names
}

// policyKeys are a policy's keys in the file policies.json. The owner's primary
// key stands in service.connection-string instead.
type policyKeys struct {
	PrimaryKey   string `json:"primaryKey,omitempty"`
	SecondaryKey string `json:"secondaryKey"`
}

func policyFile(dir string) string { return filepath.Join(dir, "policies.json") }

// loadPolicies reads the keys of all policies, and makes those that are missing.
func loadPolicies(dir string, owner iothub.Key) ([]access.Policy, error) {
	stored, err := readPolicies(dir)
	if err != nil {
		return nil, err
	}
	changed := false
	for _, p := range policyRights {
		if _, ok := stored[p.name]; ok {
			continue
		}
		keys := policyKeys{PrimaryKey: iothub.NewKey().Base64(), SecondaryKey: iothub.NewKey().Base64()}
		if p.name == access.OwnerPolicy {
			keys.PrimaryKey = ""
		}
		stored[p.name], changed = keys, true
	}
	if changed {
		if err := writePolicies(dir, stored); err != nil {
			return nil, err
		}
	}
	var policies []access.Policy
	for _, p := range policyRights {
		policy := access.Policy{Name: p.name, Rights: p.rights}
		keys := stored[p.name]
		if p.name == access.OwnerPolicy {
			keys.PrimaryKey = owner.Base64()
		}
		for _, text := range []string{keys.PrimaryKey, keys.SecondaryKey} {
			key, err := iothub.ParseKey(text)
			if err != nil {
				return nil, fmt.Errorf("%s: policy %s: %w; correct it, or remove the policy for new keys", policyFile(dir), p.name, err)
			}
			policy.Keys = append(policy.Keys, key)
		}
		policies = append(policies, policy)
	}
	return policies, nil
}

func readPolicies(dir string) (map[string]policyKeys, error) {
	stored := make(map[string]policyKeys)
	text, err := os.ReadFile(policyFile(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return stored, nil
	}
	if err != nil {
		return nil, fmt.Errorf("the policies: %w", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&stored); err != nil {
		return nil, fmt.Errorf("%s: %w; correct it, or remove it for new keys", policyFile(dir), err)
	}
	for name := range stored {
		if !slices.Contains(PolicyNames(), name) {
			return nil, fmt.Errorf("%s: %w", policyFile(dir), noPolicy(name))
		}
	}
	return stored, nil
}

func writePolicies(dir string, stored map[string]policyKeys) error {
	text, err := json.MarshalIndent(stored, "", "  ")
	if err != nil {
		return err
	}
	return durable.Replace(policyFile(dir), append(text, '\n'), 0o600)
}

func noPolicy(name string) error {
	return fmt.Errorf("there is no policy %q, there are %s", name, strings.Join(PolicyNames(), ", "))
}

// PolicyConnectionString returns the connection string of a policy of the hub
// whose data directory is dir, with its primary or its secondary key. The hub
// must have been started once.
func PolicyConnectionString(dir, name string, secondary bool) (string, error) {
	owner, keys, err := policyOf(dir, name)
	if err != nil {
		return "", err
	}
	text := keys[name].PrimaryKey
	if name == access.OwnerPolicy {
		text = owner.Key.Base64()
	}
	if secondary {
		text = keys[name].SecondaryKey
	}
	key, err := iothub.ParseKey(text)
	if err != nil {
		return "", fmt.Errorf("%s: policy %s: %w", policyFile(dir), name, err)
	}
	return iothub.Service{HostName: owner.HostName, KeyName: name, Key: key}.ConnectionString(), nil
}

// RollPolicy puts a new key in the place of a policy's primary or secondary one.
// It counts when the hub is started the next time; the other key stays good.
func RollPolicy(dir, name string, secondary bool) error {
	owner, stored, err := policyOf(dir, name)
	if err != nil {
		return err
	}
	keys := stored[name]
	switch {
	case secondary:
		keys.SecondaryKey = iothub.NewKey().Base64()
	case name == access.OwnerPolicy:
		owner.Key = iothub.NewKey()
		return writeOwner(dir, owner)
	default:
		keys.PrimaryKey = iothub.NewKey().Base64()
	}
	stored[name] = keys
	return writePolicies(dir, stored)
}

func policyOf(dir, name string) (iothub.Service, map[string]policyKeys, error) {
	if !slices.Contains(PolicyNames(), name) {
		return iothub.Service{}, nil, noPolicy(name)
	}
	text, err := os.ReadFile(ownerFile(dir))
	if err != nil {
		return iothub.Service{}, nil, fmt.Errorf("the owner's connection string: %w; start the hub once, and run this as its user", err)
	}
	owner, err := iothub.ParseService(string(text))
	if err != nil {
		return iothub.Service{}, nil, fmt.Errorf("%s: %w", ownerFile(dir), err)
	}
	stored, err := readPolicies(dir)
	if _, ok := stored[name]; err == nil && !ok {
		err = fmt.Errorf("%s has no policy %s yet; start the hub once", policyFile(dir), name)
	}
	return owner, stored, err
}
