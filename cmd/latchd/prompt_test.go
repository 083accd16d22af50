package main

import (
	"context"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/packaging/test/certs"
	"github.com/latchd/latchd/transport/invitation"
	"github.com/latchd/latchd/transport/iothub"
)

// A code that a mail program has wrapped is complete with its last line.
func TestAskCode(t *testing.T) {
	t.Parallel()

	code, err := invitation.Door{
		Hub: "h", RegistrationID: "front", Key: iothub.NewKey(), CA: certs.Issue(t, nil, "ca", true, time.Now()).Cert,
	}.Code()
	if err != nil {
		t.Fatal(err)
	}

	for name, typed := range map[string]string{
		"one line":        code + "\nmore",
		"wrapped":         code[:300] + "\r\n" + code[300:] + "\n",
		"no end of line":  code,
		"with empty ends": "  " + code + " \n",
	} {
		var prompts strings.Builder
		door, err := askCode(t.Context(), strings.NewReader(typed), &prompts)
		if err != nil || door.RegistrationID != "front" {
			t.Errorf("%s: %+v, %v", name, door, err)
		}
		if strings.Contains(prompts.String(), code[20:60]) {
			t.Errorf("%s: the prompts show the code: %s", name, &prompts)
		}
	}
}

// Ctrl-C ends the prompt, so that the terminal shows input again.
func TestAskCodeEndsWithTheContext(t *testing.T) {
	t.Parallel()

	ctx, stop := context.WithCancel(t.Context())
	stop()
	typed, never := io.Pipe()
	defer never.Close()
	if _, err := askCode(ctx, typed, io.Discard); err == nil || !strings.Contains(err.Error(), "no code") {
		t.Errorf("got %v", err)
	}
}
