package interop

import "testing"

// TestTwins reads and updates twins with the official service SDK: etags, versions,
// metadata and limits.
func TestTwins(t *testing.T) {
	runScenario(t, "twins", []step{
		{"new twin",
			`{"deviceId":"d1","etag":"ETAG","deviceEtag":"ETAG","status":"enabled","statusUpdateTime":"0001-01-01T00:00:00Z",
			"connectionState":"Disconnected","lastActivityTime":"0001-01-01T00:00:00Z","cloudToDeviceMessageCount":0,
			"authenticationType":"sas","x509Thumbprint":{"primaryThumbprint":null,"secondaryThumbprint":null},
			"modelId":"","capabilities":{"iotEdge":false},"version":2,"properties":{"desired":{"$metadata":{"$lastUpdated":"TIME"},
			"$version":1},"reported":{"$metadata":{"$lastUpdated":"TIME"},"$version":1}},"tags":{}}`},
		{"update with its etag",
			`{"deviceId":"d1","etag":"ETAG","deviceEtag":"ETAG","status":"enabled","statusUpdateTime":"0001-01-01T00:00:00Z",
			"connectionState":"Disconnected","lastActivityTime":"0001-01-01T00:00:00Z","cloudToDeviceMessageCount":0,
			"authenticationType":"sas","x509Thumbprint":{"primaryThumbprint":null,"secondaryThumbprint":null},
			"modelId":"","capabilities":{"iotEdge":false},"version":3,"tags":{"building":"43","room":{"door":"a",
			"floor":3}},"properties":{"desired":{"$metadata":{"$lastUpdated":"TIME","$lastUpdatedVersion":2,
			"floor":{"$lastUpdated":"TIME","$lastUpdatedVersion":2},"lamp":{"$lastUpdated":"TIME",
			"$lastUpdatedVersion":2,"hue":{"$lastUpdated":"TIME","$lastUpdatedVersion":2},"on":{"$lastUpdated":"TIME",
			"$lastUpdatedVersion":2}}},"$version":2,"floor":3,"lamp":{"hue":7,"on":true}},"reported":{"$metadata":{"$lastUpdated":"TIME"},
			"$version":1}}}`},
		{"update with an old etag",
			`InvalidEtagError: the twin of d1 has changed: its etag is ETAG, not AAAAAAAAAAE= [412 PreconditionFailed]`},
		{"the update with an old etag changed nothing", `{"etagIsTheSame":true,"building":"43"}`},
		{"null removes a property",
			`{"deviceId":"d1","etag":"ETAG","deviceEtag":"ETAG","status":"enabled","statusUpdateTime":"0001-01-01T00:00:00Z",
			"connectionState":"Disconnected","lastActivityTime":"0001-01-01T00:00:00Z","cloudToDeviceMessageCount":0,
			"authenticationType":"sas","x509Thumbprint":{"primaryThumbprint":null,"secondaryThumbprint":null},
			"modelId":"","capabilities":{"iotEdge":false},"version":4,"tags":{"building":"43","room":{"floor":3}},
			"properties":{"desired":{"$metadata":{"$lastUpdated":"TIME","$lastUpdatedVersion":3,"lamp":{"$lastUpdated":"TIME",
			"$lastUpdatedVersion":3,"on":{"$lastUpdated":"TIME","$lastUpdatedVersion":2}}},"$version":3,
			"lamp":{"on":true}},"reported":{"$metadata":{"$lastUpdated":"TIME"},"$version":1}}}`},
		{"a change of tags keeps the desired version", `{"version":5,"desired":3}`},
		{"update with the twin object", `"46"`},
		{"quoted etag", `"47"`},
		{"a twin is read and written back",
			`{"tags":{"building":"47","room":{"floor":3}},"lamp":{"on":true},"etagIsNew":true}`},
		{"unknown device", `DeviceNotFoundError: the device none is not registered [404 DeviceNotFound]`},
		{"update of an unknown device", `DeviceNotFoundError: the device none is not registered [404 DeviceNotFound]`},
		{"tags that are not an object",
			`ArgumentError: the request's body: tags: got "x", want an object [400 ArgumentInvalid]`},
		{"name with a dot", `ArgumentError: tags has the name "a.b": the character '.' is not allowed in names [400 ArgumentInvalid]`},
		{"too large", `ArgumentError: desired would have 48011 bytes: at most 32768 are allowed [400 ArgumentInvalid]`},
	})
}
