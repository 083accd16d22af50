package iothub

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// APIVersion is the protocol date that this project's clients send, the one of
// the official SDKs. The hub accepts any date.
const APIVersion = "2021-04-12"

// UserName is what a device says of itself in the user name of its CONNECT.
type UserName struct {
	HostName   string // the hub's, never a gateway's
	DeviceID   string
	ModuleID   string
	APIVersion string
	ModelID    string // Plug and Play model
	ClientType string // DeviceClientType: the SDK's user agent
}

// ClientID returns the MQTT client id that belongs to the user name.
func (u UserName) ClientID() string {
	if u.ModuleID != "" {
		return u.DeviceID + "/" + u.ModuleID
	}
	return u.DeviceID
}

// String returns the user name as it goes on the wire:
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

// ParseUserName reads both forms that are in use: HOST/CLIENTID/?api-version=...
// and the older HOST/CLIENTID/api-version=...
func ParseUserName(text string) (UserName, error) {
	parts := strings.SplitN(text, "/", 4)
	if len(parts) < 3 || parts[0] == "" || parts[1] == "" {
		return UserName{}, errors.New("user name: want HOST/DEVICE/?api-version=DATE")
	}
	u := UserName{HostName: parts[0], DeviceID: parts[1]}
	query := parts[2]
	if len(parts) == 4 {
		// A slash may also stand inside a value, unencoded.
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

func isQuery(s string) bool {
	return strings.HasPrefix(s, "?") || strings.HasPrefix(s, "api-version=")
}
