package credentials

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
	"time"

	"github.com/latchd/latchd/transport/durable"
	"github.com/latchd/latchd/transport/hub/internal/access"
	"github.com/latchd/latchd/transport/iothub"
)

// policyRights lists the shared access policies of a new IoT Hub, and the rights of each
// policy.
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

// policyKeys holds the keys of one policy, as stored in policies.json.
type policyKeys struct {
	// PrimaryKey is empty for the policy iothubowner. The primary key of this policy is
	// in service.connection-string.
	PrimaryKey   string `json:"primaryKey,omitempty"`
	SecondaryKey string `json:"secondaryKey"`
}

// PolicyNames returns the names of the shared access policies.
func PolicyNames() []string {
	var names []string
	for _, p := range policyRights {
		names = append(names, p.name)
	}
	return names
}

// PolicyConnectionString returns the connection string of a policy, with the policy's
// primary or secondary key. dir is the data directory of a hub that has been started at
// least once.
func PolicyConnectionString(dir, name string, secondary bool) (string, error) {
	owner, keys, err := readPolicy(dir, name)
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

// RollPolicyKey replaces the primary or the secondary key of a policy with a new one.
// The policy's other key remains valid. A running hub uses the new key only after a
// restart. RollPolicyKey waits until other programs have finished their changes of the
// keys.
func RollPolicyKey(dir, name string, secondary bool) error {
	unlock, err := lockKeys(dir)
	if err != nil {
		return err
	}
	defer unlock()

	owner, stored, err := readPolicy(dir, name)
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

// readPolicy checks that the policy with the given name exists. It returns the owner's
// connection string and the keys of all policies.
func readPolicy(dir, name string) (iothub.Service, map[string]policyKeys, error) {
	if !slices.Contains(PolicyNames(), name) {
		return iothub.Service{}, nil, unknownPolicy(name)
	}

	owner, err := readOwner(dir)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
		return iothub.Service{}, nil, fmt.Errorf("%w; start the hub once, and run this command as root or as the hub's user", err)
	}
	if err != nil {
		return iothub.Service{}, nil, err
	}

	stored, err := readPolicies(dir)
	if err != nil {
		return iothub.Service{}, nil, err
	}
	if _, ok := stored[name]; !ok {
		return iothub.Service{}, nil, fmt.Errorf("%s has no policy %s yet; start the hub once", policyFile(dir), name)
	}
	return owner, stored, nil
}

// loadPolicies returns all policies with their keys. It creates missing keys and
// stores them. ownerKey is the primary key of the policy iothubowner.
func loadPolicies(dir string, ownerKey iothub.Key) ([]access.Policy, error) {
	stored, err := readPolicies(dir)
	if err != nil {
		return nil, err
	}
	if createMissingKeys(stored) {
		if err := writePolicies(dir, stored); err != nil {
			return nil, err
		}
	}

	var policies []access.Policy
	for _, p := range policyRights {
		keys := stored[p.name]
		if p.name == access.OwnerPolicy {
			keys.PrimaryKey = ownerKey.Base64()
		}

		policy := access.Policy{Name: p.name, Rights: p.rights}
		for _, text := range []string{keys.PrimaryKey, keys.SecondaryKey} {
			key, err := iothub.ParseKey(text)
			if err != nil {
				return nil, fmt.Errorf("%s: policy %s: %w; correct the key, or remove the policy to get new keys", policyFile(dir), p.name, err)
			}
			policy.Keys = append(policy.Keys, key)
		}
		policies = append(policies, policy)
	}
	return policies, nil
}

// createMissingKeys creates keys for each policy that has none in stored. It reports
// whether it created any.
func createMissingKeys(stored map[string]policyKeys) bool {
	added := false
	for _, name := range PolicyNames() {
		if _, ok := stored[name]; ok {
			continue
		}

		keys := policyKeys{SecondaryKey: iothub.NewKey().Base64()}
		if name != access.OwnerPolicy {
			keys.PrimaryKey = iothub.NewKey().Base64()
		}
		stored[name] = keys
		added = true
	}
	return added
}

// lockTime is how long lockKeys waits for other programs.
const lockTime = 10 * time.Second

// lockKeys locks the keys of the policies until unlock is called. The lock is independent
// of the lock that a running hub has on its data directory.
func lockKeys(dir string) (unlock func() error, err error) {
	for deadline := time.Now().Add(lockTime); ; time.Sleep(10 * time.Millisecond) {
		unlock, err := durable.LockDir(dir)
		switch {
		case err == nil:
			return unlock, nil
		case errors.Is(err, durable.ErrLocked) && time.Now().After(deadline):
			return nil, fmt.Errorf("%s: another program has been changing the keys for %v; end it and try again", dir, lockTime)
		case errors.Is(err, fs.ErrNotExist), errors.Is(err, fs.ErrPermission):
			return nil, fmt.Errorf("%w; start the hub once, and run this command as root or as the hub's user", err)
		case !errors.Is(err, durable.ErrLocked):
			return nil, err
		}
	}
}

func policyFile(dir string) string { return filepath.Join(dir, "policies.json") }

// readPolicies reads policies.json. If the file is missing, the returned map is empty.
func readPolicies(dir string) (map[string]policyKeys, error) {
	stored := make(map[string]policyKeys)
	text, err := os.ReadFile(policyFile(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return stored, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read the shared access policies: %w", err)
	}

	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&stored); err != nil {
		return nil, fmt.Errorf("%s: %w; correct the file, or remove it to get new keys", policyFile(dir), err)
	}

	for name := range stored {
		if !slices.Contains(PolicyNames(), name) {
			return nil, fmt.Errorf("%s: %w", policyFile(dir), unknownPolicy(name))
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

func unknownPolicy(name string) error {
	return fmt.Errorf("unknown policy %q; the policies are %s", name, strings.Join(PolicyNames(), ", "))
}
