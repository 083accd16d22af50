package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCACommands(t *testing.T) {
	dir, address := serving(t)
	// The hub must accept its own CA certificate like any other. It must refuse its
	// server certificate, which is not a CA certificate.
	ca, server := filepath.Join(dir, "ca.pem"), filepath.Join(dir, "server.pem")
	text, err := os.ReadFile(ca)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		args, stdin string
		code        int
		stdout      string // expected part of standard output
		stderr      string // expected part of standard error
	}{
		{"list", "", 0, "NAME  UNTIL  SHA-256  SUBJECT\n", ""},
		{"add site " + ca, "", 0, "", ""},
		{"add site " + ca, "", 1, "", "remove it first"},
		{"add again -", string(text), 1, "", "the authority site already exists"},
		{"add server " + server, "", 1, "", "it may not sign other certificates"},
		{"add nothing /nonexistent", "", 1, "", "no such file"},
		{"add -x " + ca, "", 2, "", "unknown shorthand flag"},
		{"add /x " + ca, "", 1, "", "want 1 to 64 ASCII letters"},
		{"list", "", 0, "CN=latchhub CA of localhost", ""},
		{"remove site", "", 0, "", ""},
		{"remove site", "", 1, "", "there is no authority site"},
		{"add site -", string(text), 0, "", ""},
		{"add site", "", 2, "", "accepts 2 arg(s)"},
		{"", "", 2, "", "missing command; use add, list or remove"},
	} {
		t.Run(test.args, func(t *testing.T) {
			args := append([]string{"ca"}, strings.Fields(test.args)...)
			var stdout, stderr bytes.Buffer
			code := exitCode(run(t.Context(), append(args, "--data", dir, "--https", address), strings.NewReader(test.stdin), &stdout, &stderr), &stderr)
			if code != test.code || !strings.Contains(stdout.String(), test.stdout) || !strings.Contains(stderr.String(), test.stderr) {
				t.Errorf("exit %d, stdout:\n%s\nstderr:\n%s", code, &stdout, &stderr)
			}
		})
	}
}
