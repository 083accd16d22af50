package rest

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/latchd/latchd/transport/iothub"
)

// CreateDevice puts a device into the registry and returns it as it then is,
// with the keys that the hub made if none were given. A device that is there
// already is CodeDeviceAlreadyExists.
func (c *Client) CreateDevice(ctx context.Context, d iothub.DeviceIdentity) (iothub.DeviceIdentity, error) {
	var created iothub.DeviceIdentity
	if err := iothub.CheckDeviceID(d.DeviceID); err != nil {
		return created, err
	}
	_, err := c.once(ctx, request{method: http.MethodPut, path: devicePath(d.DeviceID), body: newDevice(d), out: &created})
	return created, err
}

// Device returns a device of the registry, with its keys.
func (c *Client) Device(ctx context.Context, id string) (iothub.DeviceIdentity, error) {
	var d iothub.DeviceIdentity
	_, err := c.repeat(ctx, request{method: http.MethodGet, path: devicePath(id), out: &d})
	return d, err
}

// Devices returns devices of the registry, with their keys: at most top of them,
// and no more than the 1,000 that IoT Hub gives. A query pages through them all.
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

// UpdateDevice replaces a device of the registry, if its etag still is etag; an
// empty etag stands for any.
func (c *Client) UpdateDevice(ctx context.Context, d iothub.DeviceIdentity, etag string) (iothub.DeviceIdentity, error) {
	var updated iothub.DeviceIdentity
	_, err := c.once(ctx, request{method: http.MethodPut, path: devicePath(d.DeviceID), header: ifMatch(etag), body: d, out: &updated})
	return updated, err
}

// DeleteDevice takes a device out of the registry, if its etag still is etag; an
// empty etag stands for any.
func (c *Client) DeleteDevice(ctx context.Context, id, etag string) error {
	_, err := c.once(ctx, request{method: http.MethodDelete, path: devicePath(id), header: ifMatch(etag)})
	return err
}

// Statistics counts the devices of a hub.
type Statistics struct {
	Total, Enabled, Disabled, Connected int
}

// Statistics asks the hub for the number of its devices.
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

// maxBulk is the number of devices that IoT Hub takes in one request.
const maxBulk = 100

// BulkError is what a hub says of one device that it refused.
type BulkError struct {
	DeviceID string
	Code     string // a code's name, or its number
	Message  string
}

// UnmarshalJSON reads the hub's form, where the code is a name or a number.
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

// bulkAnswer is the answer to a bulk request, of status 200 and 400 alike.
type bulkAnswer struct {
	IsSuccessful *bool       `json:"isSuccessful"`
	Errors       []BulkError `json:"errors"`
}

// CreateDevices puts many devices into the registry, 100 to a request. IoT Hub
// does not return the keys that it makes, so give those that are to be known.
// The devices that it refused are returned; the error says that a request
// failed, with the devices before it created.
func (c *Client) CreateDevices(ctx context.Context, devices []iothub.DeviceIdentity) ([]BulkError, error) {
	return c.bulk(ctx, "create", devices)
}

// UpdateDevices replaces many devices of the registry, as CreateDevices creates
// them. Devices with an etag are only replaced if it still is theirs.
func (c *Client) UpdateDevices(ctx context.Context, devices []iothub.DeviceIdentity) ([]BulkError, error) {
	return c.bulk(ctx, "Update", devices)
}

// bulkDevice is a device in a bulk request, where its name is "id".
type bulkDevice struct {
	ETag           string           `json:"etag,omitempty"`
	ID             string           `json:"id"`
	ImportMode     string           `json:"importMode"`
	Status         string           `json:"status,omitempty"`
	StatusReason   *string          `json:"statusReason,omitempty"`
	Authentication deviceProof      `json:"authentication"`
	Capabilities   *newCapabilities `json:"capabilities,omitempty"`
}

func (c *Client) bulk(ctx context.Context, mode string, devices []iothub.DeviceIdentity) ([]BulkError, error) {
	var refusals []BulkError
	for start := 0; start < len(devices); start += maxBulk {
		chunk := devices[start:min(start+maxBulk, len(devices))]
		body := make([]bulkDevice, len(chunk))
		for i, d := range chunk {
			n := newDevice(d)
			body[i] = bulkDevice{ETag: d.ETag, ID: d.DeviceID, ImportMode: mode,
				Status: n.Status, StatusReason: n.StatusReason, Authentication: n.Authentication, Capabilities: n.Capabilities}
			if mode == "Update" && d.ETag != "" {
				body[i].ImportMode = "UpdateIfMatchETag"
			}
		}
		var answer bulkAnswer
		r := request{method: http.MethodPost, path: "/devices", body: body, out: &answer}
		r.refusal = func(text []byte) bool { return json.Unmarshal(text, &answer) == nil && answer.IsSuccessful != nil }
		if _, err := c.once(ctx, r); err != nil {
			return refusals, fmt.Errorf("devices %d to %d of %d: %w", start+1, start+len(chunk), len(devices), err)
		}
		refusals = append(refusals, answer.Errors...)
		if (answer.IsSuccessful == nil || !*answer.IsSuccessful) && len(answer.Errors) == 0 {
			return refusals, fmt.Errorf("devices %d to %d of %d: the hub refused them without saying why", start+1, start+len(chunk), len(devices))
		}
	}
	return refusals, nil
}

// identityBody is a new device as the official SDK sends it: without the fields
// that are the hub's.
type identityBody struct {
	DeviceID       string           `json:"deviceId"`
	Status         string           `json:"status,omitempty"`
	StatusReason   *string          `json:"statusReason,omitempty"`
	Authentication deviceProof      `json:"authentication"`
	Capabilities   *newCapabilities `json:"capabilities,omitempty"`
}

type newCapabilities struct {
	IotEdge bool `json:"iotEdge"`
}

type deviceProof struct {
	Type           string                 `json:"type"`
	SymmetricKey   *iothub.SymmetricKey   `json:"symmetricKey,omitempty"`
	X509Thumbprint *iothub.X509Thumbprint `json:"x509Thumbprint,omitempty"`
}

// newDevice fills in what the official SDK does: without a proof, keys that the
// hub is to make.
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
