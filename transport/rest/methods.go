package rest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

// methodSlack is how long the client still waits after a direct method's timeouts have
// passed. The hub needs this time to report the timeout.
const methodSlack = 15 * time.Second

// InvokeMethod calls a direct method of a device and returns the device's answer. An
// answer can also report a failure: use [iothub.MethodResponse.Judge] to find out. The
// client never repeats the request. These errors are special:
//
//   - CodeDeviceNotOnline: the device is not connected.
//   - CodeGatewayTimeout: the device did not answer.
//   - A [NetworkError] whose Sent method returns true: the hub may have called the
//     device.
func (c *Client) InvokeMethod(ctx context.Context, deviceID string, m iothub.MethodRequest) (iothub.MethodResponse, error) {
	if err := m.Check(); err != nil {
		return iothub.MethodResponse{}, err
	}
	if m.ResponseTimeoutInSeconds == 0 {
		m.ResponseTimeoutInSeconds = iothub.DefaultResponseTimeout
	}

	var answer iothub.MethodResponse
	_, err := c.once(ctx, request{
		method: http.MethodPost,
		path:   twinPath(deviceID) + "/methods",
		body:   withPayload(m),
		out:    &answer,
		limit:  time.Duration(m.ResponseTimeoutInSeconds+m.ConnectTimeoutInSeconds)*time.Second + methodSlack,
	})

	if err == nil && answer.Status == 0 {
		err = fmt.Errorf("hub at %s: its answer to the method has no status", c.address)
	}
	return answer, err
}

// withPayload returns the request with the payload null if it has no payload. The
// official SDKs send null, too.
func withPayload(m iothub.MethodRequest) iothub.MethodRequest {
	if len(m.Payload) == 0 {
		m.Payload = json.RawMessage("null")
	}
	return m
}
