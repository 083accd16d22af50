// Package provisioning is the hub's device provisioning service. A device logs in
// with the hub's id scope, its registration id and a secret. The service registers
// the device with the hub and tells it the hub's name and its device id. Use [New]
// and pass the [Service] to the broker and to the API.
//
// An enrollment says which devices may register, as in Azure's service. An
// individual enrollment is for one device and contains its keys or certificates. A
// group enrollment is for many devices, whose keys are derived from the group's keys
// or whose certificates are signed by the group's authority.
//
// Guarantees:
//   - An individual enrollment takes precedence over groups. To lock out one device
//     of a group, add a disabled individual enrollment for it.
//   - A device that registers again gets the current credentials of its enrollment
//     and keeps its twin.
//   - Registration ids are compared exactly, with case.
//
// There is only one hub, so allocation policies of enrollments are not stored.
package provisioning
