package rest

import (
	"context"
	"net/http"

	"github.com/latchd/latchd/transport/iothub"
)

// Twin returns a device's twin.
func (c *Client) Twin(ctx context.Context, id string) (iothub.Twin, error) {
	var twin iothub.Twin
	_, err := c.repeat(ctx, request{method: http.MethodGet, path: twinPath(id), out: &twin})
	return twin, err
}

// UpdateTwin applies patch to a device's twin and returns the new twin. The hub refuses
// the change if etag differs from the twin's current etag. An empty etag skips this
// check.
func (c *Client) UpdateTwin(ctx context.Context, id string, patch iothub.TwinPatch, etag string) (iothub.Twin, error) {
	var twin iothub.Twin
	_, err := c.once(ctx, request{method: http.MethodPatch, path: twinPath(id), header: ifMatch(etag), body: patch, out: &twin})
	return twin, err
}

// ReplaceTwin replaces the tags and the desired properties in a device's twin by those
// in patch. It returns the new twin. The hub refuses the change if etag differs from
// the twin's current etag. An empty etag skips this check.
func (c *Client) ReplaceTwin(ctx context.Context, id string, patch iothub.TwinPatch, etag string) (iothub.Twin, error) {
	var twin iothub.Twin
	_, err := c.once(ctx, request{method: http.MethodPut, path: twinPath(id), header: ifMatch(etag), body: patch, out: &twin})
	return twin, err
}

func twinPath(id string) string { return "/twins/" + component(id) }
