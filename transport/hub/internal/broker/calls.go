package broker

import (
	"strconv"
	"sync"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

// calls holds the direct method calls that wait for a device's answer. Each call ends
// exactly once, because code must remove a call with take before it ends the call. A
// call's done function runs while the mutex is not locked.
type calls struct {
	mu      sync.Mutex
	closed  bool
	prefix  string // unique for each broker, so that answers to calls of a previous broker are ignored
	last    uint64 // number in the newest request id
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

// add registers a call and returns the call's request id. It returns false if the broker
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

// take removes the device's call with the given request id and returns it. It returns
// nil if there is no such call.
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

// answer ends a call with the device's answer. It ignores the answer if the request id
// is unknown or belongs to another device's call.
func (c *calls) answer(deviceID, requestID string, status int, payload []byte) {
	call := c.take(requestID, deviceID)
	if call == nil {
		return
	}
	call.timer.Stop()

	body, err := readAnswer(payload)
	if err != nil {
		call.done(iothub.MethodResponse{}, iothub.Errorf(iothub.CodeInvalidResponse, "the answer of device %s is refused: %v", deviceID, err))
		return
	}
	call.done(iothub.MethodResponse{Status: status, Payload: body}, nil)
}

// close ends all calls that wait for an answer. After close, add refuses new calls.
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

func errStopping() *iothub.Error {
	return iothub.Errorf(iothub.CodeServiceUnavailable, "the hub is stopping: the device may have acted, but its answer is lost")
}
