package interop

import "testing"

// TestDevice runs the official device SDK: logins, messages, the twin, and the renewal
// of a token. The SDK does not repeat its subscriptions after a renewal.
func TestDevice(t *testing.T) {
	runScenario(t, "device", []step{
		{"valid key", `"Connected"`},
		{"wrong key",
			`UnauthorizedError: mqtt.js returned Failure on first connection (Not authorized): Connection refused: Not authorized error`},
		{"key of another device",
			`UnauthorizedError: mqtt.js returned Failure on first connection (Not authorized): Connection refused: Not authorized error`},
		{"unknown device",
			`UnauthorizedError: mqtt.js returned Failure on first connection (Not authorized): Connection refused: Not authorized error`},
		{"disabled device",
			`UnauthorizedError: mqtt.js returned Failure on first connection (Not authorized): Connection refused: Not authorized error`},
		{"valid signature", `"Connected"`},
		{"expired signature",
			`UnauthorizedError: mqtt.js returned Failure on first connection (Not authorized): Connection refused: Not authorized error`},
		{"the connection ends when the signature expires", `{"how":"NotConnectedError","early":false}`},
		{"message", `"MessageEnqueued"`},
		{"empty message", `"MessageEnqueued"`},
		{"new twin", `{"reported":{"$version":1},"desired":{"$version":1}}`},
		{"the device receives a patch", `[{"$version":2,"floor":3,"lamp":{"on":true}}]`},
		{"a removed property arrives as null",
			`{"patch":[{"$version":3,"floor":null,"mode":"x"}],"desired":{"$version":3,"lamp":{"on":true},"mode":"x"}}`},
		{"a change of tags sends no patch", `[{"$version":4,"mode":"y"}]`},
		{"report",
			`{"reported":{"$version":2,"lock":{"position":"locked","tries":2},"mode":"x"},"metadata":{"$lastUpdated":"TIME",
			"lock":{"$lastUpdated":"TIME","position":{"$lastUpdated":"TIME"},"tries":{"$lastUpdated":"TIME"}},
			"mode":{"$lastUpdated":"TIME"}}}`},
		{"report that removes properties",
			`{"reported":{"$version":3,"lock":{"position":"locked"}},"metadata":{"$lastUpdated":"TIME",
			"lock":{"$lastUpdated":"TIME","position":{"$lastUpdated":"TIME"}}}}`},
		{"twin as the device reads it",
			`{"reported":{"$version":3,"lock":{"position":"locked"}},"desired":{"$version":4,"lamp":{"on":true},
			"mode":"y"}}`},
		{"report that the hub refuses", `Error: reported has the name "a.b": the character '.' is not allowed in names`},
		{"the refused report changed nothing", `3`},
		{"everything works after a token renewal without SUBSCRIBE",
			`{"answer":{"status":200,"payload":"after"},"patches":[{"$version":5,"mode":"after"}],"mode":"after",
			"subscribedAgain":[]}`},
		{"all subscriptions that the device made",
			`["$iothub/methods/POST/#","$iothub/twin/res/#","$iothub/twin/PATCH/properties/desired/#"]`},
		{"close", `"Disconnected"`},
	})
}
