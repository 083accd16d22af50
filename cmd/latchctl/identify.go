package main

import (
	"context"
	"os"
	"os/user"
	"strings"

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
