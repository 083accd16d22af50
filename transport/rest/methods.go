package rest

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

// methodSlack is what a direct method's request may take beyond its own
// timeouts, so that the hub's answer that nothing came is still heard.
const methodSlack = 15 * time.Second

// InvokeMethod calls a direct method of a device and returns the device's
// answer, whatever its status: [iothub.MethodResponse.Judge] says whether it is
// a success. A device that is not connected is CodeDeviceNotOnline, one that
// does not answer CodeGatewayTimeout. The request is sent once: after an error
// for which [NetworkError.Sent] is true the device may have been called.
func (c *Client) InvokeMethod(ctx context.Context, deviceID string, m iothub.MethodRequest) (iothub.MethodResponse, error) {
	if err := m.Check(); err != nil {
		return iothub.MethodResponse{}, err
	}
	if m.ResponseTimeoutInSeconds == 0 {
		m.ResponseTimeoutInSeconds = iothub.DefaultResponseTimeout
	}
	limit := time.Duration(m.ResponseTimeoutInSeconds+m.ConnectTimeoutInSeconds)*time.Second + methodSlack
	var answer iothub.MethodResponse
	_, err := c.once(ctx, request{method: http.MethodPost, path: twinPath(deviceID) + "/methods", body: m, out: &answer, limit: limit})
	if err == nil && answer.Status == 0 {
		err = fmt.Errorf("hub at %s: its answer to the method has no status", c.address)
	}
	return answer, err
}
