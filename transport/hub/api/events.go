package api

import (
	"net/http"

	"github.com/latchd/latchd/transport/iothub"
)

// events answers with what happens in the hub from now on, until the token runs out.
func (a *api) events(w http.ResponseWriter, r *http.Request) error {
	token, err := iothub.ParseSignature(r.Header.Get("Authorization")) // it was found good before
	if err != nil {
		return err
	}
	return a.Feed.Serve(w, r, token.Expiry)
}
