// Package provisioning is the hub's device provisioning service: a device that
// knows an id scope, a name for itself (its registration id) and a secret is
// told which hub it belongs to, and is registered there.
//
// Who may come is in enrolments, as in Azure's service: one device's, which says
// its keys or its certificates, or a group's, whose devices have keys derived
// from the group's or certificates of the group's authority. An enrolment of one
// device goes before a group, so that a disabled one keeps a device of a group
// out.
//
// There is one hub to be assigned to, so what an enrolment says of allocation is
// not kept. A device that registers again gets the credentials of its enrolment
// anew and keeps its twin. Registration ids are compared letter by letter.
package provisioning
