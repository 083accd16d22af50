package interop

import "testing"

// TestProvisioning runs the official provisioning SDKs. It makes enrollments, registers
// devices and logs a registered device in.
func TestProvisioning(t *testing.T) {
	runScenario(t, "provisioning", []step{
		{"individual enrollment",
			`{"registrationId":"one","deviceId":"front-door","attestation":{"type":"symmetricKey"},"provisioningStatus":"enabled",
			"initialTwin":{"tags":{"site":"a"},"properties":{"desired":{"floor":3}}},"createdDateTimeUtc":"TIME",
			"lastUpdatedDateTimeUtc":"TIME","etag":"ETAG"}`},
		{"keys of the enrollment", `{"type":"symmetricKey","bytes":32}`},
		{"the enrollment cannot be created again",
			`DeviceAlreadyExistsError: the enrollment one already exists: give its etag in If-Match to change it [409 DeviceAlreadyExists]`},
		{"enrollment with an unknown attestation",
			`ArgumentError: attestation.type is "tpm", want symmetricKey or x509 [400 ArgumentInvalid]`},
		{"unknown enrollment", `Error: Not found [404 NotFound]`},
		{"registration with a key, and login",
			`{"state":{"registrationId":"one","createdDateTimeUtc":"TIME","deviceId":"front-door","status":"assigned",
			"substatus":"initialAssignment","lastUpdatedDateTimeUtc":"TIME","etag":"ETAG","hubIsHere":true},
			"desired":{"$version":2,"floor":3}}`},
		{"registered device", `{"tags":{"site":"a"},"authenticationType":"sas"}`},
		{"a second registration keeps the twin", `{"substatus":"reprovisionedToInitialAssignment","tags":{"site":"b"}}`},
		{"registration over WebSocket", `"front-door"`},
		{"wrong key", `Error: Connection refused: Not authorized`},
		{"unknown device", `Error: Connection refused: Not authorized`},
		{"enrollment group",
			`{"enrollmentGroupId":"site","attestation":{"type":"symmetricKey"},"provisioningStatus":"enabled",
			"createdDateTimeUtc":"TIME","lastUpdatedDateTimeUtc":"TIME","etag":"ETAG"}`},
		{"registration with a derived key, and login",
			`{"state":{"registrationId":"back-door","createdDateTimeUtc":"TIME","deviceId":"back-door",
			"status":"assigned","substatus":"initialAssignment","lastUpdatedDateTimeUtc":"TIME","etag":"ETAG",
			"hubIsHere":true},"desired":{"$version":1}}`},
		{"the group's own key", `Error: Connection refused: Not authorized`},
		{"derived key of another device", `Error: Connection refused: Not authorized`},
		{"disabled device of the group", `Error: Connection refused: Not authorized`},
		{"enrollment with a certificate", `true`},
		{"registration with a certificate, and login",
			`{"state":{"registrationId":"by-certificate","createdDateTimeUtc":"TIME","deviceId":"by-certificate",
			"status":"assigned","substatus":"initialAssignment","lastUpdatedDateTimeUtc":"TIME","etag":"ETAG",
			"hubIsHere":true},"desired":{"$version":1}}`},
		{"key instead of a certificate", `Error: Connection refused: Not authorized`},
		{"change with the etag", `{"status":"disabled","created":true,"etag":true}`},
		{"the change keeps the key", `true`},
		{"disabled enrollment", `Error: Connection refused: Not authorized`},
		{"list in pages", `[["back-door","by-certificate"],["one"]]`},
		{"deleted enrollment", `Error: Connection refused: Not authorized`},
		{"the device of the deleted enrollment stays", `"enabled"`},
	})
}
