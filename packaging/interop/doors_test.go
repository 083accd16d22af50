package interop

import "testing"

// TestDoors is what the official device SDK gets by the other ways in:
// certificates and WebSockets.
func TestDoors(t *testing.T) {
	const refused = `UnauthorizedError: mqtt.js returned Failure on first connection (Not authorized): Connection refused: Not authorized error`
	runScenario(t, "doors", []step{
		{"a certificate", `"Connected"`},
		{"the second certificate", `"Connected"`},
		{"another certificate", refused},
		{"an identity by thumbprint", `{"type":"selfSigned","symmetricKey":{"primaryKey":null,"secondaryKey":null},"known":true}`},
		{"a certificate that an authority vouches for", `"Connected"`},
		{"the same as another device", refused},
		{"a certificate that nobody vouches for", refused},
		{"an identity by authority", `{"type":"certificateAuthority","symmetricKey":{"primaryKey":null,"secondaryKey":null},
			"x509Thumbprint":{"primaryThumbprint":null,"secondaryThumbprint":null}}`},
		{"a WebSocket", `{"answer":{"status":200,"payload":"xxxxxxxxxx"},"desired":{"$version":1}}`},
		{"a WebSocket with a wrong key", refused},
		{"a WebSocket with a certificate", `"Connected"`},
	})
}
