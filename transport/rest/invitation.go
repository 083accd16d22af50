package rest

import (
	"context"
	"fmt"
	"net/http"

	"github.com/latchd/latchd/transport/iothub"
)

// Redeem exchanges the key of an invitation, with which the client signs its requests, for
// the key of the policy with the given name. Only latchhub has invitations. It accepts the
// key of the invitation again until the first request with the new key.
func (c *Client) Redeem(ctx context.Context, policy string) (iothub.Key, error) {
	var answer struct{ Key string }
	_, err := c.once(ctx, request{method: http.MethodPost, path: "/invitations/people/" + component(policy) + "/redeem", out: &answer})
	if err != nil {
		return nil, err
	}

	key, err := iothub.ParseKey(answer.Key)
	if err != nil || len(key) < 16 {
		return nil, fmt.Errorf("hub at %s: its answer to the invitation has no key", c.address)
	}
	return key, nil
}
