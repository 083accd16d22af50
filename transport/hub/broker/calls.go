package broker

import (
	"encoding/json"
	"strconv"
	"sync"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

// calls holds the direct methods that wait for an answer. Whoever takes a call
// out of it ends it: so it is ended once, and without a lock held.
type calls struct {
	mu      sync.Mutex
	closed  bool
	prefix  string // unlike that of any other broker, so that answers to an earlier one do not count
	last    uint64
	pending map[string]*call
}

type call struct {
	deviceID string
	done     func(iothub.MethodResponse, error)
	timer    *time.Timer
}

func newCalls(prefix string) *calls {
	return &calls{prefix: prefix, pending: make(map[string]*call)}
}

// add makes a call pending and returns its request id; false if the broker is closed.
func (c *calls) add(deviceID string, timeout time.Duration, done func(iothub.MethodResponse, error)) (rid string, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return "", false
	}
	c.last++
	rid = c.prefix + strconv.FormatUint(c.last, 16)
	c.pending[rid] = &call{deviceID: deviceID, done: done, timer: time.AfterFunc(timeout, func() {
		if call := c.take(rid, deviceID); call != nil {
			call.done(iothub.MethodResponse{}, iothub.Errorf(iothub.CodeGatewayTimeout,
				"the device %s did not answer within %v", deviceID, timeout))
		}
	})}
	return rid, true
}

// take removes a call of that device; nil if there is none.
func (c *calls) take(rid, deviceID string) *call {
	c.mu.Lock()
	defer c.mu.Unlock()
	call := c.pending[rid]
	if call == nil || call.deviceID != deviceID {
		return nil
	}
	delete(c.pending, rid)
	return call
}

// answer ends the call with the device's answer. An answer to no call, or to
// another device's, is not taken.
func (c *calls) answer(deviceID, rid string, status int, payload []byte) {
	call := c.take(rid, deviceID)
	if call == nil {
		return
	}
	call.timer.Stop()
	switch {
	case len(payload) > iothub.MaxMethodPayload:
		call.done(iothub.MethodResponse{}, iothub.Errorf(iothub.CodeInvalidResponse,
			"the answer of the device %s has %d bytes, at most %d are allowed", deviceID, len(payload), iothub.MaxMethodPayload))
	case len(payload) > 0 && !iothub.ValidJSON(payload):
		call.done(iothub.MethodResponse{}, iothub.Errorf(iothub.CodeInvalidResponse,
			"the answer of the device %s is not JSON", deviceID))
	default:
		call.done(iothub.MethodResponse{Status: status, Payload: orNull(payload)}, nil)
	}
}

// close ends all calls.
func (c *calls) close() {
	c.mu.Lock()
	c.closed = true
	pending := c.pending
	c.pending = nil
	c.mu.Unlock()
	for _, call := range pending {
		call.timer.Stop()
		call.done(iothub.MethodResponse{}, stopping())
	}
}

func orNull(payload []byte) json.RawMessage {
	if len(payload) == 0 {
		return json.RawMessage("null")
	}
	return payload
}

func stopping() *iothub.Error {
	return iothub.Errorf(iothub.CodeServiceUnavailable, "the hub is stopping, the outcome is not known")
}
