package agent

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/actuator/mock"
	"github.com/latchd/latchd/transport/iothub"
)

func TestApply(t *testing.T) {
	long, wide := strings.Repeat("x", 129), strings.Repeat("é", 128)
	for name, tc := range map[string]struct {
		previous, desired string
		acks, accepted    string
		relock            int64
		ignored           int
	}{
		"nothing": {`{}`, `{"$version":4}`, `{}`, `{}`, 7, 0},
		"all": {`{}`, `{"building":"43","floor":3,"room":"","autoRelockSeconds":0,"$version":4}`,
			`{"autoRelockSeconds":{"ac":200,"av":4,"value":0},"building":{"ac":200,"av":4,"value":"43"},"floor":{"ac":200,"av":4,"value":3},"room":{"ac":200,"av":4,"value":""}}`,
			`{"autoRelockSeconds":0,"building":"43","floor":3,"room":""}`, 0, 0},
		"null deletes": {`{"autoRelockSeconds":9}`, `{"autoRelockSeconds":null,"$version":4}`, `{}`, `{}`, 7, 0},
		"refused, with an accepted value": {`{"autoRelockSeconds":9}`, `{"autoRelockSeconds":-1,"$version":4}`,
			`{"autoRelockSeconds":{"ac":400,"ad":"want 0 (off) to 86400 seconds, not -1","av":4,"value":9}}`, `{"autoRelockSeconds":9}`, 9, 0},
		"refused, with a default": {`{}`, `{"autoRelockSeconds":86401,"$version":4}`,
			`{"autoRelockSeconds":{"ac":400,"ad":"want 0 (off) to 86400 seconds, not 86401","av":4,"value":7}}`, `{}`, 7, 0},
		"refused, without any value": {`{}`, `{"room":{"a":1},"$version":4}`,
			`{"room":{"ac":400,"ad":"want a string, not an object","av":4}}`, `{}`, 7, 0},
		"accepted value is bad too": {`{"autoRelockSeconds":"9"}`, `{"autoRelockSeconds":true,"$version":4}`,
			`{"autoRelockSeconds":{"ac":400,"ad":"want a whole number, not true or false","av":4,"value":7}}`, `{}`, 7, 0},
		"whole numbers": {`{}`, `{"floor":3.0,"autoRelockSeconds":1e1,"$version":4}`,
			`{"autoRelockSeconds":{"ac":200,"av":4,"value":10},"floor":{"ac":200,"av":4,"value":3}}`, `{"autoRelockSeconds":1e1,"floor":3.0}`, 10, 0},
		"bounds": {`{}`, `{"autoRelockSeconds":86400,"building":"` + wide + `","room":"` + long + `","$version":4}`,
			`{"autoRelockSeconds":{"ac":200,"av":4,"value":86400},"building":{"ac":200,"av":4,"value":"` + wide + `"},"room":{"ac":400,"ad":"the string has 129 characters; at most 128 are allowed","av":4}}`,
			`{"autoRelockSeconds":86400,"building":"` + wide + `"}`, 86400, 0},
		"fraction for an integer": {`{}`, `{"floor":1.5,"$version":4}`, `{"floor":{"ac":400,"ad":"want a whole number","av":4}}`, `{}`, 7, 0},
		"numbers and booleans for texts": {`{}`, `{"building":43,"room":true,"$version":4}`,
			`{"building":{"ac":200,"av":4,"value":"43"},"room":{"ac":200,"av":4,"value":"true"}}`, `{"building":43,"room":true}`, 7, 0},
		"properties of other programs": {`{}`, `{"lock":"unlocked","position":1,"$version":4}`, `{}`, `{}`, 7, 2},
	} {
		t.Run(name, func(t *testing.T) {
			got := apply(Settings{AutoRelockSeconds: 7}, object(t, tc.previous), object(t, tc.desired))
			if acks := text(t, got.acks); acks != tc.acks {
				t.Errorf("acknowledged\n got %s\nwant %s", acks, tc.acks)
			}
			if accepted := text(t, got.accepted); accepted != tc.accepted {
				t.Errorf("accepted %s, want %s", accepted, tc.accepted)
			}
			if got.settings.AutoRelockSeconds != tc.relock || got.ignored != tc.ignored {
				t.Errorf("relock %d, %d ignored; want %d, %d", got.settings.AutoRelockSeconds, got.ignored, tc.relock, tc.ignored)
			}
		})
	}
}

// New defaults are in force at once where the twin desires nothing, both before and
// after the twin was read, and the agent reports them.
func TestNewDefaults(t *testing.T) {
	d, h := newDoor(t, "", mock.None, actuator.Locked), newHub(`{"desired":{"building":"B","room":{"a":7},"$version":4},"reported":{}}`)
	floor := int64(3)
	d.SetDefaults(Settings{Floor: &floor, AutoRelockSeconds: 9})
	if s := d.settings(); s.AutoRelockSeconds != 9 || *s.Floor != 3 {
		t.Errorf("before the twin was read: %+v", s)
	}

	d.serve(t, h)
	h.until(t, "building", func(r iothub.Object) bool { return r["building"] != nil })
	room := "1"
	d.SetDefaults(Settings{Room: &room, AutoRelockSeconds: 10})
	h.until(t, "the default room in force", func(r iothub.Object) bool {
		ack, _ := r["room"].(map[string]any)
		return ack["value"] == "1" && ack["ac"] == json.Number("400")
	})

	if s := d.settings(); s.AutoRelockSeconds != 10 || s.Floor != nil || *s.Building != "B" {
		t.Errorf("after the twin was read: %+v", s)
	}
}
