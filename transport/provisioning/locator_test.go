package provisioning

import (
	"errors"
	"testing"
	"testing/synctest"

	"github.com/latchd/latchd/transport/iothub"
)

// Locate must ask the service if the device has no assignment, and after three refusals
// by the hub. It must save the service's answers.
func TestLocator(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, assigned("one", "d1"), assigned("two", "d2"))
		var saved []Assignment
		k := &Locator{Options: s.options(), Save: func(a Assignment) error { saved = append(saved, a); return errors.New("disk full") }}
		for _, step := range []struct {
			refusals  int
			hub       string
			requested int
		}{{0, "one", 1}, {0, "one", 1}, {1, "one", 1}, {2, "one", 1}, {3, "two", 2}, {0, "two", 2}, {4, "two", 2}} {
			d, err := k.Locate(t.Context(), step.refusals)
			if err != nil || d.HostName != step.hub || string(d.Key.Base64()) != iothub.Key("secret").Base64() || d.X509 {
				t.Errorf("%d refusals: %s %s, %v", step.refusals, d.HostName, d.DeviceID, err)
			}
			if len(s.requests) != step.requested {
				t.Errorf("%d refusals: the service was asked %d times, want %d", step.refusals, len(s.requests), step.requested)
			}
		}
		if len(saved) != 2 || saved[1].Hub != "two" || saved[1].DeviceID != "d2" {
			t.Errorf("saved %+v", saved)
		}
		next := &Locator{Options: s.options(), Assignment: saved[1]} // simulate the next start of the program
		if d, err := next.Locate(t.Context(), 0); err != nil || d.HostName != "two" || len(s.requests) != 2 {
			t.Errorf("after a restart: %s, %v", d.HostName, err)
		}
		<-s.ended
		<-s.ended
	})
}

// Locate must ignore an assignment that was made for another device or by another
// service. If the service refuses, Locate must return the saved assignment.
func TestLocatorWithoutService(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t)
		s.connack = 5
		kept := Assignment{Endpoint: "service.example", IDScope: "0ne1", RegistrationID: "door-1", Hub: "one", DeviceID: "d1"}
		k := &Locator{Options: s.options(), Assignment: kept}
		if d, err := k.Locate(t.Context(), 3); err != nil || d.HostName != "one" {
			t.Errorf("the service refuses: %s, %v", d.HostName, err)
		}
		if len(s.connects) != 1 {
			t.Error("the service was not asked")
		}
		for name, change := range map[string]func(a *Assignment){
			"scope":   func(a *Assignment) { a.IDScope = "0ne2" },
			"name":    func(a *Assignment) { a.RegistrationID = "door-2" },
			"service": func(a *Assignment) { a.Endpoint = DefaultEndpoint },
			"nothing": func(a *Assignment) { *a = Assignment{} },
		} {
			k.Assignment = kept
			change(&k.Assignment)
			if d, err := k.Locate(t.Context(), 0); err == nil {
				t.Errorf("another %s: accepted the hub %s", name, d.HostName)
			}
		}
		for range 5 {
			<-s.ended
		}
	})
}
