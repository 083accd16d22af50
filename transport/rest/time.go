package rest

import (
	"context"
	"fmt"
	"net/http"
	"time"
)

// HubTime returns the hub's clock time, in whole seconds. The time comes from the Date
// header, so HubTime works even if the hub refuses the login.
func (c *Client) HubTime(ctx context.Context) (time.Time, error) {
	header, err := c.once(ctx, request{method: http.MethodGet, path: "/statistics/service"})
	if header == nil {
		return time.Time{}, err
	}

	at, err := http.ParseTime(header.Get("Date"))
	if err != nil {
		return time.Time{}, fmt.Errorf("hub at %s: its answer has no date; check that the address belongs to a hub", c.address)
	}
	return at, nil
}
