package access

import (
	"strings"

	"github.com/latchd/latchd/transport/iothub"
)

// Right is a set of permissions. Each permission has the name that IoT Hub gives it.
type Right uint8

// The permissions that a shared access policy can have.
const (
	RegistryRead  Right = 1 << iota // read device identities and their keys
	RegistryWrite                   // create, change and delete device identities
	DeviceConnect                   // log in as any device
	ServiceRead                     // read twins and jobs, and use queries; IoT Hub has no such permission
	serviceChange                   // the part of ServiceConnect that is not ServiceRead
	Redeem                          // exchange the key of a person's invitation for the person's own key

	ServiceConnect = ServiceRead | serviceChange // use twins, methods, queries and jobs
)

// EveryRight is the set of all permissions that a shared access policy can have.
const EveryRight = RegistryRead | RegistryWrite | ServiceConnect | DeviceConnect

var rightNames = []struct {
	right Right
	name  string
}{
	{RegistryRead, "RegistryRead"}, {RegistryWrite, "RegistryWrite"},
	{ServiceConnect, "ServiceConnect"}, {DeviceConnect, "DeviceConnect"}, {Redeem, "Redeem"},
}

// String lists the permissions in the set by their IoT Hub names.
func (r Right) String() string {
	var names []string
	for _, n := range rightNames {
		if r&n.right != 0 {
			names = append(names, n.name)
		}
	}
	return strings.Join(names, ", ")
}

// OwnerPolicy is the name of the policy that has every right.
const OwnerPolicy = "iothubowner"

// Policy is a shared access policy. A client whose token is signed with one of the
// policy's keys has the policy's rights.
type Policy struct {
	Name   string
	Keys   []iothub.Key
	Rights Right
}
