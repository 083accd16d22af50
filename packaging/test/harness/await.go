package harness

import (
	"testing"
	"time"
)

// Await calls check repeatedly until check returns nil. It fails the test after the
// time Patience. Use Await for conditions that a test can observe only by polling, such
// as a twin. The text what names the condition in the error message.
func Await(t testing.TB, what string, check func() error) {
	t.Helper()
	poll := time.NewTicker(25 * time.Millisecond)
	defer poll.Stop()
	timeout := time.After(Patience)

	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-poll.C:
		case <-timeout:
			t.Fatalf("waited %s for %s: %v", Patience, what, err)
		case <-t.Context().Done():
			t.Fatalf("waiting for %s: %v", what, err)
		}
	}
}
