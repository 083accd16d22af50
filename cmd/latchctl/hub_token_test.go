package main

import (
	"encoding/json"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

// TestHubToken checks that a token is signed by the hub's key and expires in time. On a
// terminal, a note says that it is a secret. The key itself must not be printed.
func TestHubToken(t *testing.T) {
	hub := startFakeHub(t, threeDoors)
	a, out, errOut := terminalApp(t, hub, 80, strings.NewReader(""))
	if got := run(t.Context(), a, []string{"hub", "token", "--lifetime", "5m"}); got != exitOK {
		t.Fatalf("status %d: %s", got, errOut)
	}

	s, err := iothub.ParseSignature(strings.TrimSpace(out.String()))
	if left := time.Until(s.Expiry); err != nil || !s.SignedBy(hub.key) || s.Resource != fakeHost || left > 5*time.Minute+time.Second || left < 4*time.Minute {
		t.Errorf("%s: %+v, %v", out, s, err)
	}
	if !strings.HasPrefix(errOut.String(), "latchctl: note: this token is a secret: until ") {
		t.Errorf("said %q", errOut)
	}
	if strings.Contains(out.String()+errOut.String(), string(hub.key.Base64())) {
		t.Error("the key is printed")
	}

	// A pipe needs no note.
	a, _, errOut = terminalApp(t, hub, 80, strings.NewReader(""))
	a.outTerminal = false
	if run(t.Context(), a, []string{"hub", "token"}); errOut.Len() > 0 {
		t.Errorf("said %q to a pipe", errOut)
	}
}

// TestMethods checks that methods lists the commands of the model that latchd publishes.
func TestMethods(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../agent/DoorLock.json")
	if err != nil {
		t.Fatal(err)
	}
	var model struct {
		Contents []struct {
			Type string `json:"@type"`
			Name string `json:"name"`
		} `json:"contents"`
	}
	if err := json.Unmarshal(text, &model); err != nil {
		t.Fatal(err)
	}

	var want []string
	for _, c := range model.Contents {
		if c.Type == "Command" {
			want = append(want, c.Name)
		}
	}
	if got := slices.Sorted(slices.Values(methods)); !slices.Equal(got, slices.Sorted(slices.Values(want))) {
		t.Errorf("methods are %q, the model has %q", got, want)
	}
}
