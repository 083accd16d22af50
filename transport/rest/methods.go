package rest

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

// methodSlack is how long the client waits for the hub after the timeouts of a direct
// method have passed, so that it can receive the hub's report of a timeout.
const methodSlack = 15 * time.Second

// InvokeMethod calls a direct method of a device and returns the device's answer. The
// answer can have any status: use [iothub.MethodResponse.Judge] to decide whether it is
// a success. The error has the code CodeDeviceNotOnline if the device is not connected,
// and CodeGatewayTimeout if it does not answer. The client never repeats the request. If
// [NetworkError.Sent] is true for the error, the hub may have called the device.
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
		body:   m,
		out:    &answer,
		limit:  time.Duration(m.ResponseTimeoutInSeconds+m.ConnectTimeoutInSeconds)*time.Second + methodSlack,
	})

	if err == nil && answer.Status == 0 {
		err = fmt.Errorf("hub at %s: its answer to the method has no status", c.address)
	}
	return answer, err
}
