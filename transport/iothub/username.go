package iothub

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// APIVersion is the protocol version that the project's clients send. The official
// SDKs send the same. The embedded hub accepts any version.
const APIVersion = "2021-04-12"

// UserName holds the contents of the MQTT user name that a device sends when it
// connects.
type UserName struct {
	HostName   string // the hub's name, never a gateway's
	DeviceID   string
	ModuleID   string // empty for a device
	APIVersion string // date of the protocol version; String defaults to APIVersion
	ModelID    string // id of the device's IoT Plug and Play model
	ClientType string // DeviceClientType: name and version of the client's software
}

// ClientID returns the MQTT client id that the device must send with the user name.
func (u UserName) ClientID() string {
	if u.ModuleID != "" {
		return u.DeviceID + "/" + u.ModuleID
	}

	return u.DeviceID
}

// String returns the user name in the form that the device sends:
// HOST/CLIENTID/?api-version=...[&model-id=...]&DeviceClientType=...
func (u UserName) String() string {
	version := u.APIVersion
	if version == "" {
		version = APIVersion
	}

	s := u.HostName + "/" + u.ClientID() + "/?api-version=" + version
	if u.ModelID != "" {
		s += "&model-id=" + u.ModelID
	}
	if u.ClientType != "" {
		s += "&DeviceClientType=" + Escape(u.ClientType)
	}

	return s
}

// ParseUserName parses the form HOST/CLIENTID/?api-version=... and the older form
// HOST/CLIENTID/api-version=...
func ParseUserName(text string) (UserName, error) {
	parts := strings.SplitN(text, "/", 4)
	if len(parts) < 3 || parts[0] == "" || parts[1] == "" {
		return UserName{}, errors.New("user name: want HOST/DEVICE/?api-version=DATE")
	}

	u := UserName{HostName: parts[0], DeviceID: parts[1]}
	query := parts[2]
	if len(parts) == 4 {
		// The third slash separates the module id, or belongs to an unencoded value.
		if isQuery(parts[2]) {
			query = parts[2] + "/" + parts[3]
		} else {
			u.ModuleID, query = parts[2], parts[3]
			if u.ModuleID == "" {
				return UserName{}, errors.New("user name: the module id is empty")
			}
		}
	}
	if !isQuery(query) {
		return UserName{}, errors.New("user name: it does not end in ?api-version=DATE")
	}

	for _, field := range strings.Split(strings.TrimPrefix(query, "?"), "&") {
		name, raw, _ := strings.Cut(field, "=")
		value, err := url.PathUnescape(raw)
		if err != nil {
			return UserName{}, fmt.Errorf("user name: the value of %q is not percent-encoded", name)
		}
		switch name {
		case "api-version":
			u.APIVersion = value
		case "model-id":
			u.ModelID = value
		case "DeviceClientType":
			u.ClientType = value
		}
	}

	if u.APIVersion == "" {
		return UserName{}, errors.New("user name: api-version is missing")
	}

	return u, nil
}

// isQuery reports whether s is the last part of a user name, which follows the ids.
func isQuery(s string) bool {
	return strings.HasPrefix(s, "?") || strings.HasPrefix(s, "api-version=")
}
