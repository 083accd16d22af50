package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestUsage(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	busy, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	for name, test := range map[string]struct {
		args   string
		code   int
		stdout string // expected part of standard output
		stderr string // expected part of standard error
	}{
		"nothing":              {"", 2, "", "missing command; use serve, invite, backup, restore, ca, enrollment, policy or version"},
		"help":                 {"--help", 0, "latchhub serve --data /var/lib/latchhub", ""},
		"version":              {"version", 0, "latchhub ", ""},
		"unknown command":      {"bogus", 2, "", `unknown command "bogus"`},
		"unknown flag":         {"serve --colour", 2, "", "unknown flag: --colour"},
		"no data":              {"serve", 2, "", "--data is missing"},
		"backup without data":  {"backup x.tar", 2, "", "--data is missing"},
		"backup of nothing":    {"backup x.tar --data " + t.TempDir(), 1, "", "check --data"},
		"restore from nothing": {"restore /nonexistent --data " + t.TempDir(), 1, "", "no such file"},
		"stray argument":       {"serve --data x y", 2, "", `unknown command "y"`},
		"bad address":          {"serve --data x --mqtt 8883", 2, "", `--mqtt is "8883"; use HOST:PORT or :PORT`},
		"bad level":            {"serve --data x --log-level loud", 2, "", "debug, info, warn or error"},
		"data is a file":       {"serve --data " + file, 1, "", "choose another with --data"},
		"bad name":             {"serve --name a/b --data " + t.TempDir(), 1, "", "want a host name"},
		"no such tier":         {"serve --tier B1 --data " + t.TempDir(), 1, "", "tier \"B1\": want F1, S1, S2 or S3"},
		"units without a tier": {"serve --units 2 --data " + t.TempDir(), 1, "", "set one with --tier"},
		"port in use":          {"serve --mqtt " + busy.Addr().String() + " --data " + t.TempDir(), 1, "", "choose another port with --mqtt"},
	} {
		t.Run(name, func(t *testing.T) {
			var stdout, stderr bytes.Buffer
			code := exitCode(run(t.Context(), strings.Fields(test.args), nil, &stdout, &stderr), &stderr)
			if code != test.code || !strings.Contains(stdout.String(), test.stdout) || !strings.Contains(stderr.String(), test.stderr) {
				t.Errorf("exit %d, stdout:\n%s\nstderr:\n%s", code, &stdout, &stderr)
			}
			if test.code != 0 && stdout.Len() > 0 {
				t.Errorf("a failure writes to standard output:\n%s", &stdout)
			}
		})
	}
}

func TestServe(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	systemd, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer systemd.Close()
	t.Setenv("NOTIFY_SOCKET", socket)

	dir := t.TempDir()
	ctx, stop := context.WithCancel(t.Context())
	defer stop()
	out, stdout := io.Pipe()
	ended := make(chan int, 1)
	var stderr bytes.Buffer
	go func() {
		err := run(ctx, []string{"serve", "--data", dir, "--mqtt", "127.0.0.1:0", "--https", "127.0.0.1:0"}, nil, stdout, &stderr)
		ended <- exitCode(err, &stderr)
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	want := regexp.MustCompile(`^latchhub ready mqtt=127\.0\.0\.1:\d+ https=127\.0\.0\.1:\d+ data=` + regexp.QuoteMeta(dir) + "\n$")
	if err != nil || !want.MatchString(line) {
		t.Errorf("the ready line is %q, %v", line, err)
	}
	message := make([]byte, 1000)
	n, err := systemd.Read(message)
	if err != nil || !bytes.HasPrefix(message[:n], []byte("READY=1\nSTATUS=devices at 127.0.0.1:")) {
		t.Errorf("systemd was told %q, %v", message[:n], err)
	}
	stop()
	if n, err := systemd.Read(message); err != nil || string(message[:n]) != "STOPPING=1" {
		t.Errorf("at the end systemd was told %q, %v", message[:n], err)
	}
	if code := <-ended; code != 0 {
		t.Errorf("exit %d:\n%s", code, &stderr)
	}
	if _, err := os.Stat(filepath.Join(dir, "ca.pem")); err != nil {
		t.Error(err)
	}
}
