package main

import (
	"context"
	"encoding/json"
	"os"
	"os/user"
	"strings"

	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/termtext"
)

// maxBy is the maximum length, in bytes, of the technician's login that latchctl
// sends to a door.
const maxBy = 64

// by returns the technician's login, which latchctl sends to a door with each
// command: the account at Entra ID, otherwise user@host of this computer. It returns
// "" if the config file says identify = false. A door cannot verify the login,
// because a client can send any text.
func (a *app) by(ctx context.Context) string {
	if !a.identify {
		return ""
	}

	login := ""
	if a.account != nil {
		login = a.account(ctx)
	}
	if login == "" {
		login = a.login()
	}

	return claimOf(login)
}

// claimOf returns a login in the form that doors accept: one line of at most maxBy
// bytes. It does not cut a character in half.
func claimOf(login string) string {
	claim := termtext.Clean(login)
	if len(claim) > maxBy {
		claim = strings.ToValidUTF8(claim[:maxBy], "")
	}

	return claim
}

// localLogin returns the user and the host of this process as user@host. It returns
// only the host or the user if the other is not known.
func localLogin() string {
	name := ""
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()
	if err != nil {
		host = ""
	}

	return loginOf(name, host)
}

// loginOf joins a user and a host. Windows puts the host before the name of a user that
// only this computer knows, and the domain before the names of other users.
func loginOf(name, host string) string {
	if domain, user, found := strings.Cut(name, `\`); found && strings.EqualFold(domain, host) {
		name = user
	}

	switch {
	case host == "":
		return name
	case name == "":
		return host
	}
	return name + "@" + host
}

// movesBolt reports whether a direct method moves a door's bolt. Doors accept the names
// of their methods in any case.
func movesBolt(method string) bool {
	return strings.EqualFold(method, lockDoor) || strings.EqualFold(method, unlockDoor)
}

// identify returns the payload of a command with the technician's login in it, as lock and
// unlock send it. It changes only the payloads of commands that move a door's bolt, and
// none that already names a person or is no JSON object.
func identify(m iothub.MethodRequest, by string) json.RawMessage {
	if by == "" || !movesBolt(m.MethodName) {
		return m.Payload
	}

	payload := iothub.Object{}
	if len(m.Payload) > 0 && string(m.Payload) != "null" {
		var err error
		if payload, err = iothub.ParseObject(m.Payload); err != nil {
			return m.Payload
		}
	}
	if _, named := payload["by"]; named {
		return m.Payload
	}

	payload["by"] = by
	text, err := json.Marshal(payload)
	if err != nil {
		return m.Payload
	}

	return text
}

// identifyAgain returns the payload for a retry of an earlier command. The payload
// names the technician who retries, not the one who sent the earlier command. A payload
// without a login stays the same.
func identifyAgain(m iothub.MethodRequest, by string) json.RawMessage {
	payload, err := iothub.ParseObject(m.Payload)
	if _, named := payload["by"]; err != nil || !named || !movesBolt(m.MethodName) {
		return m.Payload
	}

	delete(payload, "by")
	if by != "" {
		payload["by"] = by
	}

	text, err := json.Marshal(payload)
	if err != nil {
		return m.Payload
	}

	return text
}
