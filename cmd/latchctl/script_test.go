package main

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/latchd/latchd/transport/iothub"
	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"latchctl": main})
}

type hubKey struct{}

// TestScripts runs the scripts in testdata/script, which specify the commands. Each
// script has its own fake hub, a fake Entra ID at $ENTRA and an HTTP proxy at $PROXY.
// The scripts use these commands in addition to latchctl:
//
//	hub devices FILE    add the devices of a JSON file to the registry
//	hub many N          add N disconnected devices with long ids to the registry
//	hub events FILE     stream the server-sent events in FILE to each client
//	hub requests FILE   write the requests since the last "hub requests" to FILE
//	hub busy N          answer the next N requests with 429
//	hub full N          refuse the next N jobs: too many active jobs
//	hub forbid PATH     refuse paths that begin with PATH; without PATH, allow all again
//	hub slow N          answer the next N new jobs with 429
//	hub config FROM TO  copy a config file and replace $ENDPOINT in it
//	hub forget ID       remove a job
//	hub id ID           change the hub's id; without ID, the hub sends no id
//	hub stop            stop the hub
//	hub start           start the hub again, at the same address
//	latchhub NAME       start a real latchhub, and add it to the config file
//	exit N COMMAND      run a command and require the exit status N
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		Setup: func(env *testscript.Env) error {
			hub, err := newFakeHub()
			if err != nil {
				return err
			}
			env.Defer(func() { hub.server.Close() })
			env.Values[hubKey{}] = hub

			proxy := httptest.NewServer(http.HandlerFunc(hub.serveProxy))
			env.Defer(proxy.Close)
			env.Setenv("PROXY", strings.TrimPrefix(proxy.URL, "http://"))
			entra := startFakeEntra()
			env.Defer(entra.Close)
			env.Setenv("ENTRA", entra.URL)

			env.Setenv("HOME", env.WorkDir)
			env.Setenv("TZ", "UTC")
			env.Setenv("ENDPOINT", "https://"+hub.address)
			env.Setenv("ADDRESS", hub.address)
			env.Setenv("PORT", hub.address[strings.LastIndex(hub.address, ":")+1:])
			env.Setenv("LATCHCTL_ENDPOINT", "https://"+hub.address)
			env.Setenv("LATCHCTL_CA_FILE", filepath.Join(env.WorkDir, "ca.pem"))
			env.Setenv("LATCHCTL_HUB_FILE", filepath.Join(env.WorkDir, "hub.connection-string"))

			for name, text := range map[string]string{
				"ca.pem":                  string(hub.caPEM()),
				"hub.connection-string":   hub.connectionString(hub.key) + "\n",
				"wrong.connection-string": hub.connectionString(iothub.Key("another key")),
			} {
				if err := os.WriteFile(filepath.Join(env.WorkDir, name), []byte(text), 0o600); err != nil {
					return err
				}
			}

			return nil
		},
		Cmds: map[string]func(ts *testscript.TestScript, neg bool, args []string){
			"hub":      hubCommand,
			"latchhub": latchhubCommand,
			"exit":     exitCommand,
		},
	})
}

// hubCommand implements the scripts' command "hub".
func hubCommand(ts *testscript.TestScript, neg bool, args []string) {
	hub := ts.Value(hubKey{}).(*fakeHub)
	switch strings.Join(args[:1], "") {
	case "devices":
		ts.Check(hub.load([]byte(ts.ReadFile(args[1]))))
	case "many":
		n, err := strconv.Atoi(args[1])
		ts.Check(err)
		hub.mu.Lock()
		for i := range n {
			id := fmt.Sprintf("many-%03d%s", i, strings.Repeat("-", 100))
			hub.add(&fakeDevice{ID: id, Does: "offline"}, iothub.DeviceIdentity{DeviceID: id, Status: iothub.Enabled})
		}
		hub.mu.Unlock()
	case "events":
		hub.mu.Lock()
		hub.events = ts.ReadFile(args[1])
		hub.mu.Unlock()
	case "requests":
		hub.mu.Lock()
		text := strings.Join(hub.requests, "\n") + "\n"
		hub.requests = nil
		hub.mu.Unlock()
		ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text), 0o600))
	case "busy", "full", "slow":
		n, err := strconv.Atoi(args[1])
		ts.Check(err)
		hub.mu.Lock()
		*map[string]*int{"busy": &hub.busy, "full": &hub.full, "slow": &hub.slow}[args[0]] = n
		hub.mu.Unlock()
	case "forget":
		hub.mu.Lock()
		delete(hub.jobs, args[1])
		hub.mu.Unlock()
	case "id":
		hub.mu.Lock()
		hub.id = strings.Join(args[1:], "")
		hub.mu.Unlock()
	case "forbid":
		hub.mu.Lock()
		hub.forbidden = strings.Join(args[1:], "")
		hub.mu.Unlock()
	case "config":
		text := strings.ReplaceAll(ts.ReadFile(args[1]), "$ENDPOINT", ts.Getenv("ENDPOINT"))
		ts.Check(os.WriteFile(ts.MkAbs(args[2]), []byte(text), 0o600))
	case "stop":
		hub.server.Close()
	case "start":
		ts.Check(hub.restart())
	default:
		ts.Fatalf("hub: unknown %q", args)
	}
}

// exitCommand implements the scripts' command "exit".
func exitCommand(ts *testscript.TestScript, neg bool, args []string) {
	err := ts.Exec(args[1], args[2:]...)
	status := "0"
	if err != nil {
		status = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if status != args[0] {
		ts.Fatalf("%s: status %s, want %s", strings.Join(args[1:], " "), status, args[0])
	}
}
