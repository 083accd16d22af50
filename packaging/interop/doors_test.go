package interop

import "testing"

// TestDoors runs the official device SDK with certificates, and over WebSocket.
func TestDoors(t *testing.T) {
	const refused = `UnauthorizedError: mqtt.js returned Failure on first connection (Not authorized): Connection refused: Not authorized error`
	runScenario(t, "doors", []step{
		{"primary certificate", `"Connected"`},
		{"secondary certificate", `"Connected"`},
		{"wrong certificate", refused},
		{"identity with a thumbprint", `{"type":"selfSigned","symmetricKey":{"primaryKey":null,"secondaryKey":null},"known":true}`},
		{"certificate signed by a trusted CA", `"Connected"`},
		{"the same certificate for another device", refused},
		{"certificate without a trusted CA", refused},
		{"identity with a trusted CA", `{"type":"certificateAuthority","symmetricKey":{"primaryKey":null,"secondaryKey":null},
			"x509Thumbprint":{"primaryThumbprint":null,"secondaryThumbprint":null}}`},
		{"WebSocket", `{"answer":{"status":200,"payload":"xxxxxxxxxx"},"desired":{"$version":1}}`},
		{"WebSocket with a wrong key", refused},
		{"WebSocket with a certificate", `"Connected"`},
	})
}
