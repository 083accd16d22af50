package iothub

import (
	"fmt"
	"reflect"
	"strings"
)

// DeviceStatus says whether a device may connect, or whether an enrollment may register
// devices.
type DeviceStatus string

// ConnectionState says whether a device is connected to the hub.
type ConnectionState string

// Values of DeviceStatus and ConnectionState. They are untyped, because clients also
// compare them with texts in the results of queries.
const (
	Enabled      = "enabled"
	Disabled     = "disabled"
	Connected    = "Connected"
	Disconnected = "Disconnected"
)

// AuthenticationType says how a device proves its identity to the hub.
type AuthenticationType string

// The authentication types: shared access keys, thumbprints of certificates, certificates
// of an authority, and no authentication at all.
const (
	AuthSAS        AuthenticationType = "sas"
	AuthSelfSigned AuthenticationType = "selfSigned"
	AuthAuthority  AuthenticationType = "certificateAuthority"
	AuthNone       AuthenticationType = "none"
)

// ImportMode is the operation that an entry of a bulk change requests for its device.
type ImportMode string

// AttestationType says how a device proves that it belongs to an enrollment.
type AttestationType string

// The attestation types. The embedded hub supports symmetric keys and certificates.
const (
	AttestSymmetricKey AttestationType = "symmetricKey"
	AttestX509         AttestationType = "x509"
)

// BulkOperation is the operation that a bulk change of enrollments requests.
type BulkOperation string

// The operations of a bulk change of enrollments.
const (
	BulkCreate            BulkOperation = "create"
	BulkUpdate            BulkOperation = "update"
	BulkUpdateIfMatchETag BulkOperation = "updateIfMatchETag"
	BulkDelete            BulkOperation = "delete"
)

// AllocationPolicy says how a provisioning service chooses the hub of a device.
type AllocationPolicy string

// AllocateCustom is the policy that calls a function of the user to choose the hub.
const AllocateCustom AllocationPolicy = "custom"

// KeyToRenew says which keys of a device the hub replaces.
type KeyToRenew string

// Values of KeyToRenew.
const (
	RenewPrimaryKey   KeyToRenew = "primaryKey"
	RenewSecondaryKey KeyToRenew = "secondaryKey"
	RenewBothKeys     KeyToRenew = "both"
)

// enums lists the values of each enumeration, as IoT Hub's and the provisioning
// service's REST references spell them. It includes values that the embedded hub does
// not serve, such as the job type "export".
var enums = map[reflect.Type][]string{
	reflect.TypeFor[DeviceStatus]():       {"enabled", "disabled"},
	reflect.TypeFor[ConnectionState]():    {"Connected", "Disconnected"},
	reflect.TypeFor[AuthenticationType](): {"sas", "selfSigned", "certificateAuthority", "none"},
	reflect.TypeFor[ImportMode](): {"create", "createOrUpdate", "createOrUpdateIfMatchETag", "update", "updateIfMatchETag",
		"updateTwin", "updateTwinIfMatchETag", "delete", "deleteIfMatchETag"},
	reflect.TypeFor[JobType](): {"scheduleDeviceMethod", "scheduleUpdateTwin", "unknown", "export", "import", "backup",
		"readDeviceProperties", "writeDeviceProperties", "updateDeviceConfiguration", "rebootDevice", "factoryResetDevice",
		"firmwareUpdate", "restoreFromBackup", "failoverDataCopy"},
	reflect.TypeFor[JobStatus]():        {"unknown", "enqueued", "queued", "scheduled", "running", "completed", "failed", "cancelled"},
	reflect.TypeFor[AttestationType]():  {"symmetricKey", "x509", "tpm", "none"},
	reflect.TypeFor[BulkOperation]():    {"create", "update", "updateIfMatchETag", "delete"},
	reflect.TypeFor[AllocationPolicy](): {"hashed", "geoLatency", "static", "custom"},
	reflect.TypeFor[KeyToRenew]():       {"primaryKey", "secondaryKey", "both"},
}

// parseEnum returns the value of an enumeration in the spelling of the REST reference.
// Like IoT Hub, it accepts the value in any case.
func parseEnum(values []string, text string) (string, error) {
	for _, value := range values {
		if strings.EqualFold(value, text) {
			return value, nil
		}
	}
	return "", fmt.Errorf("%q is unknown, want %s", firstLine(text), orList(values))
}

// orList joins words to a list such as "a, b or c".
func orList(words []string) string {
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}
