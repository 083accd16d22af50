package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/latchd/latchd/transport/iothub"
)

// CreateDevice adds a device to the hub's registry and returns its registry entry. If d
// has no keys, the hub generates them. If the device already exists, the error has the
// code CodeDeviceAlreadyExists.
func (c *Client) CreateDevice(ctx context.Context, d iothub.DeviceIdentity) (iothub.DeviceIdentity, error) {
	var created iothub.DeviceIdentity
	if err := iothub.CheckDeviceID(d.DeviceID); err != nil {
		return created, err
	}

	_, err := c.once(ctx, request{method: http.MethodPut, path: devicePath(d.DeviceID), body: newDevice(d), out: &created})
	return created, err
}

// Device returns a device's registry entry, which includes its keys.
func (c *Client) Device(ctx context.Context, id string) (iothub.DeviceIdentity, error) {
	var d iothub.DeviceIdentity
	_, err := c.repeat(ctx, request{method: http.MethodGet, path: devicePath(id), out: &d})
	return d, err
}

// Devices returns up to top registry entries, which include the devices' keys. A top of
// 0 means no limit. IoT Hub returns at most 1,000 entries. Use Query to read all
// devices.
func (c *Client) Devices(ctx context.Context, top int) ([]iothub.DeviceIdentity, error) {
	r := request{method: http.MethodGet, path: "/devices/"}
	if top > 0 {
		r.query = url.Values{"top": {strconv.Itoa(top)}}
	}

	var devices []iothub.DeviceIdentity
	r.out = &devices
	_, err := c.repeat(ctx, r)
	return devices, err
}

// UpdateDevice replaces a device's registry entry and returns the new entry. The hub
// refuses the change if etag differs from the entry's current etag. An empty etag skips
// this check.
func (c *Client) UpdateDevice(ctx context.Context, d iothub.DeviceIdentity, etag string) (iothub.DeviceIdentity, error) {
	var updated iothub.DeviceIdentity
	_, err := c.once(ctx, request{method: http.MethodPut, path: devicePath(d.DeviceID), header: ifMatch(etag), body: d, out: &updated})
	return updated, err
}

// DeleteDevice removes a device from the hub's registry. The hub refuses the change if
// etag differs from the entry's current etag. An empty etag skips this check.
func (c *Client) DeleteDevice(ctx context.Context, id, etag string) error {
	_, err := c.once(ctx, request{method: http.MethodDelete, path: devicePath(id), header: ifMatch(etag)})
	return err
}

// Statistics counts the devices of a hub.
type Statistics struct {
	Total, Enabled, Disabled, Connected int
}

// Statistics returns the number of devices in the hub's registry, by state.
func (c *Client) Statistics(ctx context.Context) (Statistics, error) {
	var registry struct {
		Total    int `json:"totalDeviceCount"`
		Enabled  int `json:"enabledDeviceCount"`
		Disabled int `json:"disabledDeviceCount"`
	}
	if _, err := c.repeat(ctx, request{method: http.MethodGet, path: "/statistics/devices", out: &registry}); err != nil {
		return Statistics{}, err
	}

	var service struct {
		Connected int `json:"connectedDeviceCount"`
	}
	if _, err := c.repeat(ctx, request{method: http.MethodGet, path: "/statistics/service", out: &service}); err != nil {
		return Statistics{}, err
	}

	return Statistics{registry.Total, registry.Enabled, registry.Disabled, service.Connected}, nil
}

// maxBulk is the largest number of devices that IoT Hub accepts in one request.
const maxBulk = 100

// BulkError says why the hub refused one device in a request for many devices.
type BulkError struct {
	DeviceID string
	Code     string // name or number of the error code
	Message  string
}

// UnmarshalJSON parses the hub's JSON, in which the error code is a name or a number.
func (e *BulkError) UnmarshalJSON(text []byte) error {
	var v struct {
		DeviceID    string          `json:"deviceId"`
		ErrorCode   json.RawMessage `json:"errorCode"`
		ErrorStatus string          `json:"errorStatus"`
	}
	if err := json.Unmarshal(text, &v); err != nil {
		return err
	}

	*e = BulkError{v.DeviceID, strings.Trim(string(v.ErrorCode), `"`), v.ErrorStatus}
	return nil
}

// bulkAnswer is the hub's answer to a request for many devices. Its HTTP status is 200
// or 400.
type bulkAnswer struct {
	IsSuccessful *bool       `json:"isSuccessful"`
	Errors       []BulkError `json:"errors"`
}

// CreateDevices adds devices to the hub's registry, 100 in each request. It returns the
// devices that the hub refused. IoT Hub generates missing keys but does not return
// them, so set the keys that you need to know. An error means that a request failed;
// the devices of earlier requests have been created.
func (c *Client) CreateDevices(ctx context.Context, devices []iothub.DeviceIdentity) ([]BulkError, error) {
	return c.bulk(ctx, "create", devices)
}

// UpdateDevices replaces registry entries, 100 in each request. It returns the devices
// that the hub refused. If a device's ETag is set, it must be the entry's current etag;
// otherwise the hub refuses the device.
func (c *Client) UpdateDevices(ctx context.Context, devices []iothub.DeviceIdentity) ([]BulkError, error) {
	return c.bulk(ctx, "Update", devices)
}

// bulkDevice is one device in a request for many devices.
type bulkDevice struct {
	ETag           string              `json:"etag,omitempty"`
	ID             string              `json:"id"`
	ImportMode     string              `json:"importMode"`
	Status         iothub.DeviceStatus `json:"status,omitempty"`
	StatusReason   *string             `json:"statusReason,omitempty"`
	Authentication deviceProof         `json:"authentication"`
	Capabilities   *newCapabilities    `json:"capabilities,omitempty"`
}

// bulk sends devices to the hub, at most maxBulk in each request. mode names the
// operation, such as create.
func (c *Client) bulk(ctx context.Context, mode string, devices []iothub.DeviceIdentity) ([]BulkError, error) {
	var refusals []BulkError
	for start := 0; start < len(devices); start += maxBulk {
		chunk := devices[start:min(start+maxBulk, len(devices))]
		answer, err := c.bulkRequest(ctx, mode, chunk)
		if err == nil {
			refusals = append(refusals, answer.Errors...)
			if (answer.IsSuccessful == nil || !*answer.IsSuccessful) && len(answer.Errors) == 0 {
				err = errors.New("the hub refused the devices without a reason")
			}
		}

		if err != nil {
			return refusals, fmt.Errorf("devices %d to %d of %d: %w", start+1, start+len(chunk), len(devices), err)
		}
	}

	return refusals, nil
}

// bulkRequest sends one request for at most maxBulk devices.
func (c *Client) bulkRequest(ctx context.Context, mode string, devices []iothub.DeviceIdentity) (bulkAnswer, error) {
	body := make([]bulkDevice, len(devices))
	for i, d := range devices {
		n := newDevice(d)
		body[i] = bulkDevice{
			ETag:           d.ETag,
			ID:             d.DeviceID,
			ImportMode:     mode,
			Status:         n.Status,
			StatusReason:   n.StatusReason,
			Authentication: n.Authentication,
			Capabilities:   n.Capabilities,
		}
		if mode == "Update" && d.ETag != "" {
			body[i].ImportMode = "UpdateIfMatchETag"
		}
	}

	var answer bulkAnswer
	r := request{method: http.MethodPost, path: "/devices", body: body, out: &answer}
	r.acceptRefusal = func(text []byte) bool { return json.Unmarshal(text, &answer) == nil && answer.IsSuccessful != nil }
	_, err := c.once(ctx, r)
	return answer, err
}

// identityBody is a new device's registry entry in the form that the official SDK
// sends. It lacks the fields that only the hub sets.
type identityBody struct {
	DeviceID       string              `json:"deviceId"`
	Status         iothub.DeviceStatus `json:"status,omitempty"`
	StatusReason   *string             `json:"statusReason,omitempty"`
	Authentication deviceProof         `json:"authentication"`
	Capabilities   *newCapabilities    `json:"capabilities,omitempty"`
}

// newCapabilities says that a new device is an IoT Edge device.
type newCapabilities struct {
	IotEdge bool `json:"iotEdge"`
}

// deviceProof says how a new device will prove its identity to the hub.
type deviceProof struct {
	Type           iothub.AuthenticationType `json:"type"`
	SymmetricKey   *iothub.SymmetricKey      `json:"symmetricKey,omitempty"`
	X509Thumbprint *iothub.X509Thumbprint    `json:"x509Thumbprint,omitempty"`
}

// newDevice returns the body of the request that creates a device. Like the official SDK,
// it asks the hub to generate keys if the device has no authentication.
func newDevice(d iothub.DeviceIdentity) identityBody {
	b := identityBody{DeviceID: d.DeviceID, Status: d.Status, StatusReason: d.StatusReason}
	if d.Capabilities.IotEdge {
		b.Capabilities = &newCapabilities{IotEdge: true}
	}

	auth := d.Authentication
	if auth == nil {
		auth = &iothub.Authentication{}
	}

	switch auth.Type {
	case "", "sas":
		b.Authentication = deviceProof{Type: "sas", SymmetricKey: &auth.SymmetricKey}
	case "selfSigned":
		b.Authentication = deviceProof{Type: auth.Type, X509Thumbprint: &auth.X509Thumbprint}
	default:
		b.Authentication = deviceProof{Type: auth.Type}
	}

	return b
}

func devicePath(id string) string { return "/devices/" + component(id) }
