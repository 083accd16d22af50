package rest

import (
	"context"
	"net/http"

	"github.com/latchd/latchd/transport/iothub"
)

// Twin returns a device's twin.
func (c *Client) Twin(ctx context.Context, id string) (iothub.Twin, error) {
	var t iothub.Twin
	_, err := c.repeat(ctx, request{method: http.MethodGet, path: twinPath(id), out: &t})
	return t, err
}

// UpdateTwin lays patch over a device's twin, if the twin's etag still is etag;
// an empty etag stands for any. It returns the twin as it then is.
func (c *Client) UpdateTwin(ctx context.Context, id string, patch iothub.TwinPatch, etag string) (iothub.Twin, error) {
	var t iothub.Twin
	_, err := c.once(ctx, request{method: http.MethodPatch, path: twinPath(id), header: ifMatch(etag), body: patch, out: &t})
	return t, err
}

// ReplaceTwin puts the tags and desired properties of patch in place of a
// device's own, if the twin's etag still is etag; an empty etag stands for any.
func (c *Client) ReplaceTwin(ctx context.Context, id string, patch iothub.TwinPatch, etag string) (iothub.Twin, error) {
	var t iothub.Twin
	_, err := c.once(ctx, request{method: http.MethodPut, path: twinPath(id), header: ifMatch(etag), body: patch, out: &t})
	return t, err
}

func twinPath(id string) string { return "/twins/" + component(id) }
