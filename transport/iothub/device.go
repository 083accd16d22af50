package iothub

import "time"

// DeviceIdentity is an entry of the hub's registry in the form of the service API.
type DeviceIdentity struct {
	DeviceID                   string          `json:"deviceId"`
	GenerationID               string          `json:"generationId,omitempty"`
	ETag                       string          `json:"etag,omitempty"`
	ConnectionState            ConnectionState `json:"connectionState,omitempty"`
	Status                     DeviceStatus    `json:"status,omitempty"`
	StatusReason               *string         `json:"statusReason"`
	ConnectionStateUpdatedTime time.Time       `json:"connectionStateUpdatedTime"`
	StatusUpdatedTime          time.Time       `json:"statusUpdatedTime"`
	LastActivityTime           time.Time       `json:"lastActivityTime"`
	CloudToDeviceMessageCount  int             `json:"cloudToDeviceMessageCount"`
	Authentication             *Authentication `json:"authentication,omitempty"`
	Capabilities               Capabilities    `json:"capabilities"`
	DeviceScope                string          `json:"deviceScope,omitempty"` // set for IoT Edge devices and their children
}

// Authentication says how a device proves its identity.
type Authentication struct {
	Type           AuthenticationType `json:"type,omitempty"`
	SymmetricKey   SymmetricKey       `json:"symmetricKey"`
	X509Thumbprint X509Thumbprint     `json:"x509Thumbprint"`
}

// SymmetricKey holds a device's two keys in base64. If a client creates a device
// with empty keys, the hub generates them.
type SymmetricKey struct {
	PrimaryKey   string `json:"primaryKey"`
	SecondaryKey string `json:"secondaryKey"`
}

// X509Thumbprint holds the thumbprints of a device's two certificates.
type X509Thumbprint struct {
	PrimaryThumbprint   *string `json:"primaryThumbprint"`
	SecondaryThumbprint *string `json:"secondaryThumbprint"`
}

// Capabilities says whether a device is an IoT Edge device.
type Capabilities struct {
	IotEdge bool `json:"iotEdge"`
}
