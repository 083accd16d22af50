package iothub

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// Bounds of a direct method, from IoT Hub's documentation. Times are in seconds.
const (
	MinResponseTimeout     = 5
	MaxResponseTimeout     = 300
	MaxConnectTimeout      = 300
	DefaultResponseTimeout = 30
	MaxMethodPayload       = 128 << 10
)

// MethodRequest is a direct method as the service API takes it, alone or in a
// job. A nil Payload goes to the device as null.
type MethodRequest struct {
	MethodName               string          `json:"methodName"`
	Payload                  json.RawMessage `json:"payload"`
	ResponseTimeoutInSeconds int             `json:"responseTimeoutInSeconds,omitempty"`
	ConnectTimeoutInSeconds  int             `json:"connectTimeoutInSeconds,omitempty"`
}

// Check reports what is wrong with the request, if anything is.
func (m MethodRequest) Check() error {
	if err := CheckMethodName(m.MethodName); err != nil {
		return err
	}
	if t := m.ResponseTimeoutInSeconds; t != 0 && (t < MinResponseTimeout || t > MaxResponseTimeout) {
		return fmt.Errorf("the response timeout is %d s; it can be %d to %d s", t, MinResponseTimeout, MaxResponseTimeout)
	}
	if t := m.ConnectTimeoutInSeconds; t < 0 || t > MaxConnectTimeout {
		return fmt.Errorf("the connect timeout is %d s; it can be 0 to %d s", t, MaxConnectTimeout)
	}
	if n := len(m.Payload); n > MaxMethodPayload {
		return fmt.Errorf("the payload has %d bytes; at most %d are allowed", n, MaxMethodPayload)
	}
	return nil
}

// CheckMethodName reports whether name can stand in a method's topic.
func CheckMethodName(name string) error {
	if name == "" {
		return errors.New("the method's name is empty")
	}
	if len(name) > 100 {
		return fmt.Errorf("the method's name has %d characters; at most 100 are allowed", len(name))
	}
	for _, r := range name {
		if r <= ' ' || r > '~' || strings.ContainsRune("/#+?%&", r) {
			return fmt.Errorf("the method's name has %q, which cannot stand in a topic", r)
		}
	}
	return nil
}

// MethodResponse is a device's answer to a direct method.
type MethodResponse struct {
	Status  int             `json:"status"`
	Payload json.RawMessage `json:"payload"`
}

// Method is a direct method as it reaches a device. RequestID belongs to the
// link that it came by.
type Method struct {
	RequestID string
	Name      string
	Payload   []byte // JSON, or empty
}
