package interop

import "testing"

// TestDevice is what the official device SDK gets: logins, messages, its twin, and
// the renewal of a token, after which it does not subscribe again.
func TestDevice(t *testing.T) {
	runScenario(t, "device", []step{
		{"a good key", `"Connected"`},
		{"a wrong key",
			`UnauthorizedError: mqtt.js returned Failure on first connection (Not authorized): Connection refused: Not authorized error`},
		{"the key of another device",
			`UnauthorizedError: mqtt.js returned Failure on first connection (Not authorized): Connection refused: Not authorized error`},
		{"an unknown device",
			`UnauthorizedError: mqtt.js returned Failure on first connection (Not authorized): Connection refused: Not authorized error`},
		{"a disabled device",
			`UnauthorizedError: mqtt.js returned Failure on first connection (Not authorized): Connection refused: Not authorized error`},
		{"a good signature", `"Connected"`},
		{"a signature that has expired",
			`UnauthorizedError: mqtt.js returned Failure on first connection (Not authorized): Connection refused: Not authorized error`},
		{"the link ends with the signature", `{"how":"NotConnectedError","early":false}`},
		{"a message", `"MessageEnqueued"`},
		{"a message without anything", `"MessageEnqueued"`},
		{"a new twin", `{"reported":{"$version":1},"desired":{"$version":1}}`},
		{"the listener gets a patch", `[{"$version":2,"floor":3,"lamp":{"on":true}}]`},
		{"and a removal as null",
			`{"patch":[{"$version":3,"floor":null,"mode":"x"}],"desired":{"$version":3,"lamp":{"on":true},"mode":"x"}}`},
		{"no patch for a change of tags", `[{"$version":4,"mode":"y"}]`},
		{"a report",
			`{"reported":{"$version":2,"lock":{"position":"locked","tries":2},"mode":"x"},"metadata":{"$lastUpdated":"TIME",
			"lock":{"$lastUpdated":"TIME","position":{"$lastUpdated":"TIME"},"tries":{"$lastUpdated":"TIME"}},
			"mode":{"$lastUpdated":"TIME"}}}`},
		{"a report that removes",
			`{"reported":{"$version":3,"lock":{"position":"locked"}},"metadata":{"$lastUpdated":"TIME",
			"lock":{"$lastUpdated":"TIME","position":{"$lastUpdated":"TIME"}}}}`},
		{"the twin as the device reads it",
			`{"reported":{"$version":3,"lock":{"position":"locked"}},"desired":{"$version":4,"lamp":{"on":true},
			"mode":"y"}}`},
		{"a report that the hub refuses", `Error: reported has the name "a.b", in which '.' is not allowed`},
		{"and it has changed nothing", `3`},
		{"after a renewal all works, without a SUBSCRIBE",
			`{"answer":{"status":200,"payload":"after"},"patches":[{"$version":5,"mode":"after"}],"mode":"after",
			"subscribedAgain":[]}`},
		{"the subscriptions of its life",
			`["$iothub/methods/POST/#","$iothub/twin/res/#","$iothub/twin/PATCH/properties/desired/#"]`},
		{"close", `"Disconnected"`},
	})
}
