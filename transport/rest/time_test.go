package rest

import (
	"net/http"
	"testing"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

// HubTime must work even if the hub refuses the request, because a wrong clock is a
// common cause of refusals.
func TestHubTime(t *testing.T) {
	t.Parallel()

	want := time.Date(2026, 11, 23, 10, 0, 0, 0, time.UTC)
	date := want.Format(http.TimeFormat)

	hub := startHub(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Date", date)
		refuse(w, iothub.CodeUnauthorized, "expired")
	})

	c, _ := hub.client(t)
	if at, err := c.HubTime(t.Context()); err != nil || !at.Equal(want) {
		t.Errorf("%v, %v; want %v", at, err, want)
	}
	date = "yesterday"
	if at, err := c.HubTime(t.Context()); err == nil {
		t.Errorf("HubTime returned %v for the date %q", at, date)
	}

	hub.Close()
	if at, err := c.HubTime(t.Context()); err == nil {
		t.Errorf("HubTime returned %v for a hub that is stopped", at)
	}
}
