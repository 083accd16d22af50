package iothub

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"time"
)

// Object is a JSON object with the tags or properties of a twin, or a patch of them.
// Object stores numbers as json.Number, so that marshalling writes them unchanged.
type Object map[string]any

// ParseObject parses a JSON object. It refuses null, and refuses text that follows the
// object.
func ParseObject(text []byte) (Object, error) {
	var o Object
	// Call UnmarshalJSON directly, because json.Unmarshal would scan the text twice.
	if err := o.UnmarshalJSON(text); err != nil {
		return nil, err
	}
	if o == nil {
		return nil, errors.New("want a JSON object")
	}

	return o, nil
}

// UnmarshalJSON parses a JSON object. The JSON text null becomes a nil Object.
func (o *Object) UnmarshalJSON(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()

	var m map[string]any
	err := d.Decode(&m)
	if _, wrongKind := errors.AsType[*json.UnmarshalTypeError](err); wrongKind {
		return unexpected(bytes.TrimSpace(text), "an object")
	}
	if err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("unexpected text after the JSON object")
	}

	*o = m
	return nil
}

// Version returns the object's $version, or 0 if it has none.
func (o Object) Version() int64 {
	switch v := o["$version"].(type) {
	case json.Number:
		n, _ := v.Int64()
		return n
	case int64:
		return v
	}

	return 0
}

// Merge returns a copy of the object with patch applied. Both originals stay unchanged.
// The value of a field in patch decides what happens to the field of the same name:
//
//   - null removes the field.
//   - An object is merged into the field.
//   - Any other value replaces the field.
func (o Object) Merge(patch Object) Object {
	return merge(o, patch)
}

func merge(base, patch map[string]any) map[string]any {
	merged := make(map[string]any, len(base)+len(patch))
	for k, v := range base {
		merged[k] = v
	}

	for k, v := range patch {
		switch v := v.(type) {
		case nil:
			delete(merged, k)
		case map[string]any:
			old, _ := merged[k].(map[string]any)
			merged[k] = merge(old, v)
		case Object:
			old, _ := merged[k].(map[string]any)
			merged[k] = merge(old, v)
		default:
			merged[k] = v
		}
	}

	return merged
}

// MinInteger and MaxInteger bound an integer in a twin (IoT Hub documentation,
// "Understand and use device twins in IoT Hub", section "Tags and properties format").
// They do not bound a number with a decimal point or an exponent.
const (
	MinInteger = -4503599627370496
	MaxInteger = 4503599627370495
)

// DeviceTwin is a twin in the form that a device receives over MQTT, without tags and
// metadata.
type DeviceTwin struct {
	Desired  Object `json:"desired"`
	Reported Object `json:"reported"`
}

// Twin is a device's twin in the JSON form of the service API. Its desired and reported
// properties include $metadata and $version.
type Twin struct {
	DeviceID                  string             `json:"deviceId"`
	ETag                      string             `json:"etag,omitempty"`
	DeviceETag                string             `json:"deviceEtag,omitempty"`
	Status                    DeviceStatus       `json:"status,omitempty"`
	StatusReason              *string            `json:"statusReason,omitempty"`
	StatusUpdateTime          time.Time          `json:"statusUpdateTime"`
	ConnectionState           ConnectionState    `json:"connectionState,omitempty"`
	LastActivityTime          time.Time          `json:"lastActivityTime"`
	CloudToDeviceMessageCount int                `json:"cloudToDeviceMessageCount"`
	AuthenticationType        AuthenticationType `json:"authenticationType,omitempty"`
	X509Thumbprint            X509Thumbprint     `json:"x509Thumbprint"`
	ModelID                   string             `json:"modelId"`
	Capabilities              Capabilities       `json:"capabilities"`
	Version                   int64              `json:"version,omitempty"`
	Tags                      Object             `json:"tags,omitempty"`
	Properties                TwinProperties     `json:"properties"`
}

// TwinProperties holds the desired and the reported properties of a twin.
type TwinProperties struct {
	Desired  Object `json:"desired"`
	Reported Object `json:"reported"`
}

// TwinPatch is a change that a service makes to a twin's tags or desired properties. A
// null removes a tag or property.
type TwinPatch struct {
	ETag       string               `json:"etag,omitempty"`
	Tags       Object               `json:"tags,omitempty"`
	Properties *TwinPatchProperties `json:"properties,omitempty"`
}

// TwinPatchProperties holds the change of a twin's desired properties. A service cannot
// change the reported properties.
type TwinPatchProperties struct {
	Desired Object `json:"desired"`
}

// UnmarshalJSON parses a twin patch. It also accepts the form of early IoT Hub
// tutorials, which have "desired" at the top level instead of under "properties".
func (p *TwinPatch) UnmarshalJSON(text []byte) error {
	var v struct {
		ETag       string               `json:"etag"`
		Tags       Object               `json:"tags"`
		Properties *TwinPatchProperties `json:"properties"`
		Desired    Object               `json:"desired"`
	}
	if err := ReadJSON(text, &v); err != nil {
		return err
	}

	*p = TwinPatch{ETag: v.ETag, Tags: v.Tags, Properties: v.Properties}
	if v.Desired != nil {
		if p.Properties != nil && p.Properties.Desired != nil {
			return errors.New("desired is given twice: at the top level and under properties")
		}
		p.Properties = &TwinPatchProperties{Desired: v.Desired}
	}

	return nil
}
