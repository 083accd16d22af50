package rollout

import (
	"strings"
	"testing"

	"github.com/latchd/latchd/transport/iothub"
)

func TestCheckHub(t *testing.T) {
	t.Parallel()
	const north, south, azure = iothub.HubID("5f0c1a52-6a3e"), iothub.HubID("77aa0c33-0d10"), "doors.azure-devices.net"

	for name, tt := range map[string]struct {
		file, chosen Hub
		doubt, other string // parts of the doubt and of the error; empty for none
	}{
		"the same":                      {file: Hub{"localhost", north, "north"}, chosen: Hub{"localhost", north, "north"}},
		"the same, renamed":             {file: Hub{"localhost", north, "north"}, chosen: Hub{"hub.example", north, "n"}},
		"another of the same name":      {file: Hub{"localhost", north, "north"}, chosen: Hub{"localhost", south, "south"}, other: "the hub north (id 5f0c1a52-6a3e), but the chosen hub is south (id 77aa0c33-0d10)"},
		"another without an id":         {file: Hub{"localhost", north, "north"}, chosen: Hub{"localhost", "", "south"}, other: "the chosen hub is south"},
		"a file without an id":          {file: Hub{"localhost", "", ""}, chosen: Hub{"localhost", north, "north"}, doubt: "no id of its hub"},
		"no ids at all":                 {file: Hub{"localhost", "", ""}, chosen: Hub{"localhost", "", ""}, doubt: "no id of its hub"},
		"a file without an id, another": {file: Hub{"localhost", "", ""}, chosen: Hub{"hub.example", north, ""}, other: "the hub localhost, but the chosen hub is hub.example (id 5f0c1a52-6a3e)"},
		"restored":                      {file: Hub{"localhost", north, ""}, chosen: Hub{"localhost", north + "+1a2b", ""}, doubt: "restored from a backup"},
		"restored again":                {file: Hub{"localhost", north + "+1a2b", ""}, chosen: Hub{"localhost", north + "+3c4d", ""}, doubt: "restored from a backup"},
		"Azure":                         {file: Hub{azure, azure, ""}, chosen: Hub{azure, azure, ""}},
		"Azure, a file without an id":   {file: Hub{"Doors.azure-devices.net", "", ""}, chosen: Hub{azure, azure, ""}},
		"another Azure hub":             {file: Hub{azure, "", ""}, chosen: Hub{"x.azure-devices.net", "x.azure-devices.net", ""}, other: "the hub doors.azure-devices.net, but the chosen hub is x.azure-devices.net; choose"},
		"from Azure to a latchhub":      {file: Hub{azure, azure, ""}, chosen: Hub{azure, north, ""}, other: "belongs to the hub"},
	} {
		t.Run(name, func(t *testing.T) {
			r := Rollout{ID: "r"}
			r.SetHub(tt.file)
			doubt, err := r.CheckHub(tt.chosen)
			if (err != nil) != (tt.other != "") || err != nil && !strings.Contains(err.Error(), tt.other) {
				t.Errorf("error %v, want %q", err, tt.other)
			}
			if (doubt != "") != (tt.doubt != "") || !strings.Contains(doubt, tt.doubt) {
				t.Errorf("doubt %q, want %q", doubt, tt.doubt)
			}
		})
	}
}
