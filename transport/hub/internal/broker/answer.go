package broker

import (
	"bytes"
	"encoding/json"
	"fmt"

	"github.com/latchd/latchd/transport/iothub"
)

// readAnswer returns the payload of a device's answer to a direct method as JSON that
// every client can read; see [iothub.CheckJSON]. An empty payload is null. Like the
// service behind IoT Hub, readAnswer also reads some texts that are not JSON; see
// lenientReader.
func readAnswer(payload []byte) (json.RawMessage, error) {
	if len(payload) > iothub.MaxMethodPayload {
		return nil, fmt.Errorf("it has %d bytes, at most %d are allowed", len(payload), iothub.MaxMethodPayload)
	}
	if len(payload) == 0 {
		return json.RawMessage("null"), nil
	}

	// Some clients cannot read a page that contains invalid UTF-8.
	text := bytes.ToValidUTF8(payload, []byte("\uFFFD"))
	if !json.Valid(text) {
		text = normalizeJSON(text)
	}
	if err := iothub.CheckJSON(text); err != nil {
		return nil, err
	}
	if len(text) > iothub.MaxMethodPayload {
		return nil, fmt.Errorf("it has %d bytes as JSON, at most %d are allowed", len(text), iothub.MaxMethodPayload)
	}
	return text, nil
}
