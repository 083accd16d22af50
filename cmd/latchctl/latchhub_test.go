//go:build !windows

package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/latchd/latchd/transport/hub"
	"github.com/rogpeppe/go-internal/testscript"
)

// latchhubCommand implements the scripts' command "latchhub". Like the hubs of most
// users, those of a script have the host name localhost.
func latchhubCommand(ts *testscript.TestScript, neg bool, args []string) {
	dir := ts.MkAbs(args[0])
	ctx, stop := context.WithCancel(context.Background())
	ready := make(chan hub.Addresses, 1)
	ended := make(chan error, 1)
	go func() {
		ended <- hub.Run(ctx, hub.Options{DataDir: dir, MQTTAddr: "127.0.0.1:0", HTTPSAddr: "127.0.0.1:0",
			Ready: func(a hub.Addresses) { ready <- a }})
	}()

	var at hub.Addresses
	select {
	case at = <-ready:
	case err := <-ended:
		stop()
		ts.Fatalf("latchhub %s: %v", args[0], err)
	}
	ts.Defer(func() {
		stop()
		ts.Check(<-ended)
	})

	config := filepath.Join(ts.Getenv("HOME"), ".config", "latchctl", "config.toml")
	ts.Check(os.MkdirAll(filepath.Dir(config), 0o700))
	f, err := os.OpenFile(config, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	ts.Check(err)
	_, err = fmt.Fprintf(f, "[hubs.%s]\nconnection_string_file = %q\nendpoint = %q\nca_file = %q\n", args[0],
		filepath.Join(dir, "service.connection-string"), "https://"+at.HTTPS.String(), filepath.Join(dir, "ca.pem"))
	ts.Check(err)
	ts.Check(f.Close())
}
