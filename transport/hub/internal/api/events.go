package api

import (
	"net/http"

	"github.com/latchd/latchd/transport/iothub"
)

// events streams the hub's events to the client until the client's token expires. The
// function guard has already checked the token.
func (a *api) events(w http.ResponseWriter, r *http.Request) error {
	token, err := iothub.ParseSignature(r.Header.Get("Authorization"))
	if err != nil {
		return err
	}
	return a.Feed.Serve(w, r, token.Expiry)
}
