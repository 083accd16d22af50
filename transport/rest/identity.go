package rest

import (
	"context"
	"fmt"
	"net/http"
	"sync"

	"github.com/latchd/latchd/transport/iothub"
)

// OtherHubError means that a request reached another hub than the one that it was for.
// That hub has not carried out the request, unless it is a hub without an id.
type OtherHubError struct {
	Address string       // HOST:PORT at which the hub answered
	Want    iothub.HubID // id of the hub that the request was for
	Got     iothub.HubID // id of the hub that answered; empty if it sends none
}

// Restored reports whether the hub is the right one, but was restored from a backup while
// the client ran.
func (e *OtherHubError) Restored() bool { return e.Got.SameHub(e.Want) }

// Error names both hubs.
func (e *OtherHubError) Error() string {
	if e.Restored() {
		return fmt.Sprintf("the hub at %s was restored from a backup in the meantime", e.Address)
	}

	got := "it has no id"
	if e.Got != "" {
		got = "its id is " + string(e.Got)
	}
	return fmt.Sprintf("the hub at %s is another hub: %s, but the request is for the hub with the id %s", e.Address, got, e.Want)
}

// identity is what a client knows about the id of its hub.
type identity struct {
	hostName string // name in the connection string

	mu       sync.Mutex
	want     iothub.HubID // id that the hub must have; empty until it is known
	answered bool         // true if the hub has answered, and want is the exact id in its answer
}

// known returns the hub's id, and reports whether the hub has answered.
func (i *identity) known() (iothub.HubID, bool) {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.want, i.answered
}

// unverified reports whether the caller has named a hub that has not answered yet.
func (i *identity) unverified() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.want != "" && !i.answered
}

// header returns the value of the header with which only this hub accepts a request. It
// returns "" if the hub does not check the header.
func (i *identity) header() string {
	i.mu.Lock()
	defer i.mu.Unlock()
	if !i.answered || i.want == iothub.AzureHubID(i.hostName) {
		return ""
	}
	return string(i.want)
}

// check returns an error if the answer comes from another hub. The first answer decides
// the exact id of all later answers.
func (i *identity) check(res *http.Response, address string) error {
	got := iothub.HubID(res.Header.Get(iothub.HubIDHeader))
	if iothub.CheckHubID(string(got)) != nil {
		got = iothub.AzureHubID(i.hostName)
	}
	if got == "" && res.StatusCode >= 300 {
		return nil // perhaps the answer of a proxy, which says nothing about the hub
	}

	i.mu.Lock()
	defer i.mu.Unlock()
	same := got == i.want || i.want == ""
	if !i.answered {
		same = same || got.SameHub(i.want) // the caller may not know the mark of a restored hub
	}
	if !same {
		return &OtherHubError{Address: address, Want: i.want, Got: got}
	}

	i.want, i.answered = got, true
	return nil
}

// HubID returns the id of the hub that answers. If the hub has not answered yet, HubID
// sends a request that changes nothing. For an Azure IoT Hub the id is its host name. It
// is "" for another hub that sends no id.
//
// If another hub answers than the one in [Options], the error is an [*OtherHubError].
func (c *Client) HubID(ctx context.Context) (iothub.HubID, error) {
	if id, known := c.hub.known(); known {
		return id, nil
	}

	_, err := c.repeat(ctx, request{method: http.MethodGet, path: "/statistics/service"})
	if id, known := c.hub.known(); known {
		return id, nil // a refusal tells the id, too
	}
	return "", err
}
