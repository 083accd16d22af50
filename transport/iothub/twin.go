package iothub

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"time"
)

// Object is a JSON object: a twin's tags or properties, or a patch of them.
// Numbers in it are json.Number, so that they leave as they came.
type Object map[string]any

// ParseObject reads one JSON object and nothing else.
func ParseObject(text []byte) (Object, error) {
	var o Object
	if err := o.UnmarshalJSON(text); err != nil { // json.Unmarshal would scan the text twice
		return nil, err
	}
	if o == nil {
		return nil, errors.New("want a JSON object")
	}
	return o, nil
}

// UnmarshalJSON reads an object; null leaves it nil.
func (o *Object) UnmarshalJSON(text []byte) error {
	d := json.NewDecoder(bytes.NewReader(text))
	d.UseNumber()
	var m map[string]any
	if err := d.Decode(&m); err != nil {
		return err
	}
	if _, err := d.Token(); err != io.EOF {
		return errors.New("text after the JSON object")
	}
	*o = m
	return nil
}

// Version returns the object's $version, or 0.
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

// Merge returns o with patch laid over it: members of objects are merged, null
// removes a member, everything else replaces. Neither argument is changed.
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

// DeviceTwin is the twin as a device sees it over MQTT: no tags, no metadata.
type DeviceTwin struct {
	Desired  Object `json:"desired"`
	Reported Object `json:"reported"`
}

// Twin is the twin as the service API has it. The property objects carry
// $metadata and $version members.
type Twin struct {
	DeviceID                  string         `json:"deviceId"`
	ETag                      string         `json:"etag,omitempty"`
	DeviceETag                string         `json:"deviceEtag,omitempty"`
	Status                    string         `json:"status,omitempty"`
	StatusReason              *string        `json:"statusReason,omitempty"`
	StatusUpdateTime          time.Time      `json:"statusUpdateTime"`
	ConnectionState           string         `json:"connectionState,omitempty"`
	LastActivityTime          time.Time      `json:"lastActivityTime"`
	CloudToDeviceMessageCount int            `json:"cloudToDeviceMessageCount"`
	AuthenticationType        string         `json:"authenticationType,omitempty"`
	X509Thumbprint            X509Thumbprint `json:"x509Thumbprint"`
	ModelID                   string         `json:"modelId"`
	Capabilities              Capabilities   `json:"capabilities"`
	Version                   int64          `json:"version,omitempty"`
	Tags                      Object         `json:"tags,omitempty"`
	Properties                TwinProperties `json:"properties"`
}

// TwinProperties are the two halves of a twin.
type TwinProperties struct {
	Desired  Object `json:"desired"`
	Reported Object `json:"reported"`
}

// TwinPatch is a change of a twin by the service: of its tags, of its desired
// properties, or of both. Null removes.
type TwinPatch struct {
	ETag       string               `json:"etag,omitempty"`
	Tags       Object               `json:"tags,omitempty"`
	Properties *TwinPatchProperties `json:"properties,omitempty"`
}

// TwinPatchProperties holds the desired half; the service cannot write the other.
type TwinPatchProperties struct {
	Desired Object `json:"desired"`
}

// UnmarshalJSON also takes the form of early tutorials, with "desired" at the
// top instead of under "properties".
func (p *TwinPatch) UnmarshalJSON(text []byte) error {
	type plain TwinPatch
	var v struct {
		plain
		Desired Object `json:"desired"`
	}
	if err := json.Unmarshal(text, &v); err != nil {
		return err
	}
	*p = TwinPatch(v.plain)
	if v.Desired != nil {
		if p.Properties != nil && p.Properties.Desired != nil {
			return errors.New("desired stands both at the top and under properties")
		}
		p.Properties = &TwinPatchProperties{Desired: v.Desired}
	}
	return nil
}
