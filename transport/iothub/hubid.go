package iothub

import (
	"fmt"
	"strings"
)

// HubIDHeader is the HTTP header that carries a [HubID]. latchhub sends its own id with
// each answer. In a request, the header names the hub that the request is for: every
// other latchhub refuses the request. Azure IoT Hub does not know the header.
const HubIDHeader = "Latchhub-Id"

// HubID identifies a hub. A latchhub creates its id at its first start, because its host
// name is often just localhost. The id of an Azure IoT Hub is its host name.
//
// A latchhub that was restored from a backup is the same hub with an older state. Its id
// then has a suffix: a plus sign and a mark, which each restore replaces.
type HubID string

// maxHubID is the maximum length of a HubID, in bytes.
const maxHubID = 128

// CheckHubID returns an error if text cannot be the id of a hub.
func CheckHubID(text string) error {
	if text == "" || len(text) > maxHubID {
		return fmt.Errorf("the hub id has %d characters; want 1 to %d", len(text), maxHubID)
	}
	for _, r := range text {
		alnum := r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9'
		if !alnum && r != '-' && r != '.' && r != '+' {
			return fmt.Errorf("the hub id contains %q; allowed are ASCII letters, digits, -, . and +", r)
		}
	}
	return nil
}

// Restored returns the id that the hub has after a restore with the given mark.
func (id HubID) Restored(mark string) HubID { return id.withoutMark() + HubID("+"+mark) }

// SameHub reports whether two ids belong to the same hub. A restored hub and the hub
// whose backup it restored count as the same.
func (id HubID) SameHub(other HubID) bool {
	return strings.EqualFold(string(id.withoutMark()), string(other.withoutMark()))
}

func (id HubID) withoutMark() HubID {
	hub, _, _ := strings.Cut(string(id), "+")
	return HubID(hub)
}

// AzureHubID returns the id of an Azure IoT Hub, which is its host name. It returns "" for
// a host name that is not in Azure's domains: such a hub has no id unless it sends one.
func AzureHubID(hostName string) HubID {
	if strings.Contains(strings.ToLower(hostName), ".azure-devices.") {
		return HubID(strings.ToLower(hostName))
	}
	return ""
}
