// Package provisioning is the hub's device provisioning service. A device logs in with
// the hub's id scope, its registration id and a secret. The service registers the device
// with the hub and tells it the hub's name and its device id. Use [New] and pass the
// [Service] to the broker and to the API.
//
// As in Azure's service, an enrollment says which devices may register. An individual
// enrollment is for one device and contains its keys or certificates. A group enrollment
// is for many devices, whose keys are derived from the group's keys or whose
// certificates are signed by the group's authority.
//
// Guarantees:
//   - An individual enrollment takes precedence over groups. To lock out one device of a
//     group, add a disabled individual enrollment for it.
//   - A device that registers again keeps its twin and gets its enrollment's current
//     credentials.
//   - Ids of registrations and enrollments match in any case and keep their first
//     spelling. A device's key in a group derives from the id as the device spells it.
//
// In Azure, an enrollment's allocation policy selects one of several hubs. Here there is
// only one hub, so allocation policies are not stored.
package provisioning
