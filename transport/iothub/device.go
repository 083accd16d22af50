package iothub

import "time"

// Connection states and statuses of an identity.
const (
	Connected    = "Connected"
	Disconnected = "Disconnected"
	Enabled      = "enabled"
	Disabled     = "disabled"
)

// DeviceIdentity is an entry of the hub's registry, as the service API has it.
type DeviceIdentity struct {
	DeviceID                   string          `json:"deviceId"`
	GenerationID               string          `json:"generationId,omitempty"`
	ETag                       string          `json:"etag,omitempty"`
	ConnectionState            string          `json:"connectionState,omitempty"`
	Status                     string          `json:"status,omitempty"`
	StatusReason               *string         `json:"statusReason"`
	ConnectionStateUpdatedTime time.Time       `json:"connectionStateUpdatedTime"`
	StatusUpdatedTime          time.Time       `json:"statusUpdatedTime"`
	LastActivityTime           time.Time       `json:"lastActivityTime"`
	CloudToDeviceMessageCount  int             `json:"cloudToDeviceMessageCount"`
	Authentication             *Authentication `json:"authentication,omitempty"`
	Capabilities               Capabilities    `json:"capabilities"`
}

// Authentication is how a device proves who it is. Type is sas, selfSigned,
// certificateAuthority or none.
type Authentication struct {
	Type           string         `json:"type,omitempty"`
	SymmetricKey   SymmetricKey   `json:"symmetricKey"`
	X509Thumbprint X509Thumbprint `json:"x509Thumbprint"`
}

// SymmetricKey holds a device's two keys in base64. Empty keys ask the hub to
// make them.
type SymmetricKey struct {
	PrimaryKey   string `json:"primaryKey"`
	SecondaryKey string `json:"secondaryKey"`
}

// X509Thumbprint holds the thumbprints of a device's two certificates.
type X509Thumbprint struct {
	PrimaryThumbprint   *string `json:"primaryThumbprint"`
	SecondaryThumbprint *string `json:"secondaryThumbprint"`
}

// Capabilities of a device.
type Capabilities struct {
	IotEdge bool `json:"iotEdge"`
}
