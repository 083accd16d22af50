package harness

import (
	"testing"
	"time"
)

// Await waits until check finds nothing to complain about. It is for what only
// asking again can show, such as a twin as the service sees it.
func Await(t testing.TB, what string, check func() error) {
	t.Helper()
	again := time.NewTicker(25 * time.Millisecond)
	defer again.Stop()
	late := time.After(Patience)
	for {
		err := check()
		if err == nil {
			return
		}
		select {
		case <-again.C:
		case <-late:
			t.Fatalf("waited %s for %s: %v", Patience, what, err)
		case <-t.Context().Done():
			t.Fatalf("waiting for %s: %v", what, err)
		}
	}
}
