package iothub

import (
	"errors"
	"net/url"
	"strings"
)

// APIVersion is the protocol version that the project's clients send. The official
// SDKs send the same. The embedded hub accepts any version.
const APIVersion = "2021-04-12"

// UserName holds the fields of the MQTT user name with which a device connects.
type UserName struct {
	HostName   string // the hub's name, even if the device connects through a gateway
	DeviceID   string
	ModuleID   string // empty for a device
	APIVersion string // date of the protocol version; String writes APIVersion if it is empty
	ModelID    string // id of the device's IoT Plug and Play model
	ClientType string // name and version of the client's software; called DeviceClientType in the text
}

// ClientID returns the MQTT client id with which the device must connect.
func (u UserName) ClientID() string {
	if u.ModuleID != "" {
		return u.DeviceID + "/" + u.ModuleID
	}

	return u.DeviceID
}

// String returns the user name as text:
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

// ParseUserName parses an MQTT user name: HOST/CLIENTID/?api-version=... or the older
// form HOST/CLIENTID/api-version=...
func ParseUserName(text string) (UserName, error) {
	parts := strings.SplitN(text, "/", 4)
	if len(parts) < 3 || parts[0] == "" || parts[1] == "" {
		return UserName{}, errors.New("user name: want HOST/DEVICE/?api-version=DATE")
	}

	u := UserName{HostName: parts[0], DeviceID: parts[1]}
	query := parts[2]
	if len(parts) == 4 {
		// The third slash either follows the module id or is part of a value that was
		// not percent-encoded.
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
			return UserName{}, errors.New("user name: a value is not percent-encoded")
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

// isQuery reports whether s begins with "?" or "api-version=". This distinguishes the
// last part of a user name from a device id or module id.
func isQuery(s string) bool {
	return strings.HasPrefix(s, "?") || strings.HasPrefix(s, "api-version=")
}
