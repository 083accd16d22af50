package broker

import (
	"encoding/json"
	"strconv"
	"sync"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

// calls holds the direct methods that wait for an answer. Code that ends a call
// first removes it with take, so a call ends only once and its done function runs
// without the mutex.
type calls struct {
	mu      sync.Mutex
	closed  bool
	prefix  string // differs from every other broker's, so answers to calls of an earlier broker are ignored
	last    uint64 // number of the newest request id
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

// add registers a call and returns its request id. It returns false if the broker
// is closed.
func (c *calls) add(deviceID string, timeout time.Duration, done func(iothub.MethodResponse, error)) (requestID string, ok bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.closed {
		return "", false
	}

	c.last++
	requestID = c.prefix + strconv.FormatUint(c.last, 16)
	c.pending[requestID] = &call{deviceID: deviceID, done: done, timer: time.AfterFunc(timeout, func() {
		if call := c.take(requestID, deviceID); call != nil {
			call.done(iothub.MethodResponse{}, iothub.Errorf(iothub.CodeGatewayTimeout,
				"device %s did not answer within %v", deviceID, timeout))
		}
	})}
	return requestID, true
}

// take removes and returns the device's call with that request id. It returns nil
// if there is no such call.
func (c *calls) take(requestID, deviceID string) *call {
	c.mu.Lock()
	defer c.mu.Unlock()
	call := c.pending[requestID]
	if call == nil || call.deviceID != deviceID {
		return nil
	}
	delete(c.pending, requestID)
	return call
}

// answer ends a call with the device's answer. It ignores an answer whose request
// id is unknown or belongs to another device.
func (c *calls) answer(deviceID, requestID string, status int, payload []byte) {
	call := c.take(requestID, deviceID)
	if call == nil {
		return
	}
	call.timer.Stop()

	switch {
	case len(payload) > iothub.MaxMethodPayload:
		call.done(iothub.MethodResponse{}, iothub.Errorf(iothub.CodeInvalidResponse,
			"the answer of device %s has %d bytes, at most %d are allowed", deviceID, len(payload), iothub.MaxMethodPayload))
	case len(payload) > 0 && !iothub.ValidJSON(payload):
		call.done(iothub.MethodResponse{}, iothub.Errorf(iothub.CodeInvalidResponse,
			"the answer of device %s is not JSON", deviceID))
	default:
		call.done(iothub.MethodResponse{Status: status, Payload: orNull(payload)}, nil)
	}
}

// close ends all pending calls and makes add refuse new ones.
func (c *calls) close() {
	c.mu.Lock()
	c.closed = true
	pending := c.pending
	c.pending = nil
	c.mu.Unlock()

	for _, call := range pending {
		call.timer.Stop()
		call.done(iothub.MethodResponse{}, errStopping())
	}
}

// orNull returns payload, or JSON's null if payload is empty.
func orNull(payload []byte) json.RawMessage {
	if len(payload) == 0 {
		return json.RawMessage("null")
	}
	return payload
}

func errStopping() *iothub.Error {
	return iothub.Errorf(iothub.CodeServiceUnavailable, "the hub is stopping, it is unknown whether the device acted")
}
