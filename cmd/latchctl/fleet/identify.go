package fleet

import (
	"encoding/json"
	"strings"

	"github.com/latchd/latchd/transport/iothub"
)

// movesBolt reports whether a direct method moves a door's bolt. Doors accept the names
// of their methods in any case.
func movesBolt(method string) bool {
	return strings.EqualFold(method, LockDoor) || strings.EqualFold(method, UnlockDoor)
}

// Identify returns the payload of a command with the technician's login in it, as lock and
// unlock send it. It changes only the payloads of commands that move a door's bolt, and
// none that already names a person or is no JSON object.
func Identify(m iothub.MethodRequest, by string) json.RawMessage {
	if by == "" || !movesBolt(m.MethodName) {
		return m.Payload
	}

	payload := iothub.Object{}
	if len(m.Payload) > 0 && string(m.Payload) != "null" {
		var err error
		if payload, err = iothub.ParseObject(m.Payload); err != nil {
			return m.Payload
		}
	}
	if _, named := payload["by"]; named {
		return m.Payload
	}

	payload["by"] = by
	text, err := json.Marshal(payload)
	if err != nil {
		return m.Payload
	}

	return text
}

// IdentifyAgain returns the payload for a retry of an earlier command. The payload
// names the technician who retries, not the one who sent the earlier command. A payload
// without a login stays the same.
func IdentifyAgain(m iothub.MethodRequest, by string) json.RawMessage {
	payload, err := iothub.ParseObject(m.Payload)
	if _, named := payload["by"]; err != nil || !named || !movesBolt(m.MethodName) {
		return m.Payload
	}

	delete(payload, "by")
	if by != "" {
		payload["by"] = by
	}

	text, err := json.Marshal(payload)
	if err != nil {
		return m.Payload
	}

	return text
}
