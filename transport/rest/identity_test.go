package rest

import (
	"errors"
	"net/http"
	"testing"

	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/trust"
)

const (
	northID = iothub.HubID("5f0c1a52-6a3e-4b53-8f8e-0e6d6f1d2a11")
	southID = iothub.HubID("77aa0c33-0d10-4e0f-9a45-3a1f8e2b9c20")
)

// answersWith starts a hub that sends each id once, with a refusal of the given code
// unless the code is empty, and then the last id again and again.
func answersWith(t *testing.T, code iothub.Code, ids ...iothub.HubID) *recorder {
	n := 0
	return startHub(t, func(w http.ResponseWriter, r *http.Request) {
		if id := ids[min(n, len(ids)-1)]; id != "" {
			w.Header().Set(iothub.HubIDHeader, string(id))
		}
		n++
		if code != "" {
			refuse(w, code, "refused")
			return
		}
		respond(w, 200, `{"status":200}`)
	})
}

// A client that must reach a certain hub sends no change to another one. The table lists
// the ids that the hub sends, and whether the hub may get the change.
func TestChangeIsForOneHub(t *testing.T) {
	t.Parallel()

	for name, tt := range map[string]struct {
		want    iothub.HubID // id in the client's options
		code    iothub.Code  // the hub refuses everything with this code
		answers []iothub.HubID
		other   bool // the error is an OtherHubError
		asked   int  // number of requests before the change
		sent    bool // the change was sent
	}{
		"any hub":                       {answers: []iothub.HubID{northID}, sent: true},
		"any hub without an id":         {answers: []iothub.HubID{""}, sent: true},
		"the right hub":                 {want: northID, answers: []iothub.HubID{northID}, asked: 1, sent: true},
		"the right hub, restored":       {want: northID, answers: []iothub.HubID{northID + "+1a2b"}, asked: 1, sent: true},
		"the right hub, restored again": {want: northID + "+1a2b", answers: []iothub.HubID{northID + "+3c4d"}, asked: 1, sent: true},
		"another hub":                   {want: northID, answers: []iothub.HubID{southID}, asked: 1, other: true},
		"another hub refuses":           {want: northID, code: iothub.CodeUnauthorized, answers: []iothub.HubID{southID}, asked: 1, other: true},
		"a hub without an id":           {want: northID, answers: []iothub.HubID{""}, asked: 1, other: true},
		"a proxy refuses":               {want: northID, code: iothub.CodeUnauthorized, answers: []iothub.HubID{""}, asked: 1},
		"no valid id":                   {want: northID, answers: []iothub.HubID{"a b"}, asked: 1, other: true},
	} {
		t.Run(name, func(t *testing.T) {
			hub := answersWith(t, tt.code, tt.answers...)
			c, _ := hub.client(t, func(o *Options) { o.HubID = tt.want })
			_, err := c.InvokeMethod(t.Context(), "door", iothub.MethodRequest{MethodName: "unlockDoor"})

			_, other := errors.AsType[*OtherHubError](err)
			if other != tt.other || (err == nil) != tt.sent {
				t.Errorf("error %v", err)
			}
			calls := hub.recorded()
			if want := tt.asked; tt.sent {
				want++
				if last := calls[len(calls)-1]; last.Method != http.MethodPost {
					t.Errorf("the last request is %s %s", last.Method, last.URI)
				}
				if len(calls) != want {
					t.Errorf("%d requests, want %d", len(calls), want)
				}
				return
			}
			for _, call := range calls {
				if call.Method != http.MethodGet {
					t.Errorf("the other hub got %s %s", call.Method, call.URI)
				}
			}
		})
	}
}

// While a client runs, another hub can take over the address. The client names its hub in
// each request, so that the other hub refuses the request, and accepts no answer.
func TestHubBehindTheAddressChanges(t *testing.T) {
	t.Parallel()

	for name, tt := range map[string]struct {
		answers []iothub.HubID
		header  string // the id in the second request
		other   bool

		restored bool
	}{
		"the same hub":                    {[]iothub.HubID{northID, northID}, string(northID), false, false},
		"another hub":                     {[]iothub.HubID{northID, southID}, string(northID), true, false},
		"the same hub, restored":          {[]iothub.HubID{northID, northID + "+1a2b"}, string(northID), true, true},
		"the id is gone":                  {[]iothub.HubID{northID, ""}, string(northID), true, false},
		"the hub has learned to send ids": {[]iothub.HubID{"", northID}, "", false, false},
	} {
		t.Run(name, func(t *testing.T) {
			hub := answersWith(t, "", tt.answers...)
			c, _ := hub.client(t)
			if id, err := c.HubID(t.Context()); err != nil || id != tt.answers[0] {
				t.Fatalf("the id is %q, %v; want %q", id, err, tt.answers[0])
			}

			_, err := c.InvokeMethod(t.Context(), "door", iothub.MethodRequest{MethodName: "ping"})
			e, other := errors.AsType[*OtherHubError](err)
			if other != tt.other || err != nil != tt.other || other && e.Restored() != tt.restored {
				t.Errorf("error %v", err)
			}
			if got := hub.recorded()[1].Header.Get(iothub.HubIDHeader); got != tt.header {
				t.Errorf("the second request is for the hub %q, want %q", got, tt.header)
			}
		})
	}
}

// The id of an Azure IoT Hub is its host name, and requests to it have no extra header.
func TestAzureHubID(t *testing.T) {
	t.Parallel()

	hub := answersWith(t, "", "")
	roots := hub.Client().Transport.(*http.Transport).TLSClientConfig.RootCAs
	c := New(iothub.Service{HostName: "Doors.azure-devices.net", KeyName: "service", Key: testKey}, Options{Endpoint: hub.endpoint(t), RootCAs: trust.Pool(roots),
		HubID: "doors.azure-devices.net"})
	defer c.CloseIdleConnections()

	if id, err := c.HubID(t.Context()); err != nil || id != "doors.azure-devices.net" {
		t.Errorf("the id is %q, %v", id, err)
	}
	if _, err := c.InvokeMethod(t.Context(), "door", iothub.MethodRequest{MethodName: "ping"}); err != nil {
		t.Error(err)
	}
	for _, call := range hub.recorded() {
		if call.Header[iothub.HubIDHeader] != nil {
			t.Errorf("%s %s has the header %s", call.Method, call.URI, iothub.HubIDHeader)
		}
	}
}
