package iothub

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Limits of direct methods from IoT Hub's documentation. Timeouts are in seconds,
// the payload is in bytes.
const (
	MinResponseTimeout     = 5
	MaxResponseTimeout     = 300
	MaxConnectTimeout      = 300
	DefaultResponseTimeout = 30
	MaxMethodPayload       = 128 << 10
)

// MethodRequest is a request to call a direct method, alone or as part of a job, in the
// JSON form of the service API. If Payload is nil, the request has no payload, and the
// device receives an empty message. The payload null reaches the device as null.
type MethodRequest struct {
	MethodName               string          `json:"methodName"`
	Payload                  json.RawMessage `json:"payload,omitempty"`
	ResponseTimeoutInSeconds int             `json:"responseTimeoutInSeconds,omitempty"`
	ConnectTimeoutInSeconds  int             `json:"connectTimeoutInSeconds,omitempty"`
}

// Check returns an error if the request exceeds a limit of IoT Hub.
func (m MethodRequest) Check() error {
	if err := CheckMethodName(m.MethodName); err != nil {
		return err
	}

	if t := m.ResponseTimeoutInSeconds; t != 0 && (t < MinResponseTimeout || t > MaxResponseTimeout) {
		return fmt.Errorf("the response timeout is %d s; want %d to %d s", t, MinResponseTimeout, MaxResponseTimeout)
	}
	if t := m.ConnectTimeoutInSeconds; t < 0 || t > MaxConnectTimeout {
		return fmt.Errorf("the connect timeout is %d s; want 0 to %d s", t, MaxConnectTimeout)
	}
	if n := len(m.Payload); n > MaxMethodPayload {
		return fmt.Errorf("the payload has %d bytes; at most %d are allowed", n, MaxMethodPayload)
	}

	return nil
}

// CheckPayload returns an error if the request has a payload that some clients could not
// read in a list of jobs; see CheckJSON.
func (m MethodRequest) CheckPayload() error {
	if len(m.Payload) == 0 {
		return nil
	}
	if err := CheckJSON(m.Payload); err != nil {
		return fmt.Errorf("invalid payload: %w", err)
	}
	return nil
}

// CheckMethodName returns an error if name cannot be part of a method's topic.
func CheckMethodName(name string) error {
	if name == "" {
		return errors.New("the method's name is empty")
	}
	if len(name) > 100 {
		return fmt.Errorf("the method's name has %d characters; at most 100 are allowed", len(name))
	}

	for _, r := range name {
		if r <= ' ' || r > '~' || strings.ContainsRune("/#+?%&", r) {
			return fmt.Errorf("the method's name contains %q, which a topic cannot contain", r)
		}
	}

	return nil
}

// MethodResponse is a device's answer to a direct method.
type MethodResponse struct {
	Status  int             `json:"status"`
	Payload json.RawMessage `json:"payload"`
}

// Method is a direct method that a device received.
type Method struct {
	RequestID string // identifies the request on one MQTT connection
	Name      string
	Payload   []byte // JSON, or empty
}
