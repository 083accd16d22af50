package main

import (
	"context"
	"strings"
	"testing"
)

// TestBy checks which technician latchctl names to doors: the account at Entra ID, else
// the login at this computer, in at most 64 bytes. With identify = false it names
// nobody.
func TestBy(t *testing.T) {
	account := func(name string) func(context.Context) string {
		return func(context.Context) string { return name }
	}

	for _, tt := range []struct {
		name, login string
		account     func(context.Context) string
		anonymous   bool
		want        string
	}{
		{name: "local", login: "ada@bench", want: "ada@bench"},
		{name: "Entra ID", login: "ada@bench", account: account("ada@example.org"), want: "ada@example.org"},
		{name: "a token without a name", login: "ada@bench", account: account(""), want: "ada@bench"},
		{name: "identify = false", login: "ada@bench", account: account("ada@example.org"), anonymous: true, want: ""},
		{name: "too long", login: strings.Repeat("a", 70) + "@bench", want: strings.Repeat("a", 64)},
		{name: "cut between characters", login: strings.Repeat("a", 63) + "é", want: strings.Repeat("a", 63)},
		{name: "control characters", login: "ada\x1b[2J\n@bench", want: "ada?[2J @bench"},
	} {
		a := &app{identify: !tt.anonymous, account: tt.account, login: func() string { return tt.login }}
		if got := a.by(t.Context()); got != tt.want {
			t.Errorf("%s: %q, want %q", tt.name, got, tt.want)
		}
	}

	if localLogin() == "" {
		t.Error("this process has neither a user nor a host name")
	}
}

func TestLoginOf(t *testing.T) {
	for _, tt := range []struct{ name, host, want string }{
		{"ada", "bench", "ada@bench"},
		{"ada", "", "ada"},
		{"", "bench", "bench"},
		{`BENCH\ada`, "bench", "ada@bench"},
		{`SITE\ada`, "bench", `SITE\ada@bench`},
	} {
		if got := loginOf(tt.name, tt.host); got != tt.want {
			t.Errorf("%q, %q: %q, want %q", tt.name, tt.host, got, tt.want)
		}
	}
}
