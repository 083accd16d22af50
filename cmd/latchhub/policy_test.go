package main

import (
	"bytes"
	"context"
	"strings"
	"testing"

	"github.com/latchd/latchd/transport/hub"
)

func TestPolicyCommands(t *testing.T) {
	dir := t.TempDir()
	ctx, stop := context.WithCancel(t.Context())
	err := hub.Run(ctx, hub.Options{DataDir: dir, MQTTAddr: "127.0.0.1:0", HTTPSAddr: "127.0.0.1:0", Ready: func(hub.Addresses) { stop() }})
	if err != nil {
		t.Fatal(err)
	}
	command := func(args string) (code int, stdout, stderr string) {
		var out, errs bytes.Buffer
		code = exitCode(run(t.Context(), strings.Fields("policy "+args), nil, &out, &errs), &errs)
		return code, out.String(), errs.String()
	}
	in := " --data " + dir
	_, primary, _ := command("show service" + in)
	_, secondary, _ := command("show service --secondary" + in)
	if !strings.HasPrefix(primary, "HostName=localhost;SharedAccessKeyName=service;SharedAccessKey=") || primary == secondary {
		t.Errorf("the connection strings are %q and %q", primary, secondary)
	}
	if code, _, stderr := command("roll service" + in); code != 0 {
		t.Errorf("roll: exit %d, %s", code, stderr)
	}
	if _, rolled, _ := command("show service" + in); rolled == primary {
		t.Error("the primary key has not changed")
	}
	if _, kept, _ := command("show service --secondary" + in); kept != secondary {
		t.Error("the secondary key has changed")
	}
	for args, want := range map[string]struct {
		code int
		text string
	}{
		"":                                   {2, "missing command; use show, roll, list or revoke"},
		"show service --data=":               {2, "--data is missing"},
		"show" + in:                          {2, "accepts 1 arg(s)"},
		"show nobody" + in:                   {1, "the policies are iothubowner, service, device, registryRead, registryReadWrite"},
		"roll service --data " + t.TempDir(): {1, "start the hub once"},
	} {
		if code, stdout, stderr := command(args); code != want.code || !strings.Contains(stderr, want.text) || code == 1 && stdout != "" {
			t.Errorf("policy %s: exit %d, %s", args, code, stderr)
		}
	}
}
