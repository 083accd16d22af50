package main

import (
	"context"
	"encoding/json"
	"os"
	"os/user"
	"strings"

	"github.com/latchd/latchd/cmd/latchctl/ui"
	"github.com/latchd/latchd/transport/iothub"
)

// maxBy is the maximum length of the member "by" of a door's command, in bytes.
const maxBy = 64

// by returns the login of the technician, for the member "by" of a door's command: the
// account at Entra ID, else user@host of this computer. It returns "" if the config file
// says identify = false. The login is only a claim: any client can send any text.
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

// claimOf returns a login as doors accept it: on one line, and at most maxBy bytes of whole
// characters.
func claimOf(login string) string {
	claim := ui.Clean(login)
	if len(claim) > maxBy {
		claim = strings.ToValidUTF8(claim[:maxBy], "")
	}

	return claim
}

// localLogin returns user@host of this process, or only one of both if the other is not
// known.
func localLogin() string {
	name := ""
	if u, err := user.Current(); err == nil {
		name = u.Username
	}
	host, err := os.Hostname()

	switch {
	case err != nil || host == "":
		return name
	case name == "":
		return host
	}

	return name + "@" + host
}

// identifyAgain returns the payload of an earlier command with the login of the technician
// who repeats it. It changes only a payload that names somebody.
func identifyAgain(m iothub.MethodRequest, by string) json.RawMessage {
	payload, err := iothub.ParseObject(m.Payload)
	if _, named := payload["by"]; err != nil || !named || m.MethodName != lockDoor && m.MethodName != unlockDoor {
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
