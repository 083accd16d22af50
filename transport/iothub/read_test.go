package iothub_test

import (
	"encoding/json"
	"reflect"
	"testing"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

// body has a member of each kind that bodies of the service API have.
type body struct {
	Number  int                 `json:"number"`
	Small   int32               `json:"small"`
	Switch  bool                `json:"switch"`
	Time    time.Time           `json:"time"`
	Start   *time.Time          `json:"start"`
	Status  iothub.DeviceStatus `json:"status"`
	Text    string              `json:"text"`
	Inner   *body               `json:"inner"`
	List    []body              `json:"list"`
	Payload json.RawMessage     `json:"payload"`
	Tags    iothub.Object       `json:"tags"`
	Patch   *iothub.TwinPatch   `json:"patch"`
	NoTag   string
}

func TestReadJSON(t *testing.T) {
	t.Parallel()

	noon := time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]body{
		`{}`:                                           {},
		` {"number": 30} `:                             {Number: 30},
		`{"number":"30"}`:                              {Number: 30},
		`{"number":" -7 "}`:                            {Number: -7},
		`{"number":""}`:                                {},
		`{"number":null}`:                              {},
		`{"NUMBER":1,"nUmber":2}`:                      {Number: 2},
		`{"switch":true}`:                              {Switch: true},
		`{"switch":"True"}`:                            {Switch: true},
		`{"switch":"false"}`:                           {},
		`{"status":"Enabled"}`:                         {Status: iothub.Enabled},
		`{"status":"DISABLED"}`:                        {Status: iothub.Disabled},
		`{"status":""}`:                                {},
		`{"text":"Enabled"}`:                           {Text: "Enabled"},
		`{"text":null}`:                                {},
		`{"noTag":"x"}`:                                {NoTag: "x"},
		`{"unknown":{"number":"x"}}`:                   {},
		`{"time":"2026-11-23T12:00:00Z"}`:              {Time: noon},
		`{"time":"2026-11-23T12:00:00"}`:               {Time: noon},
		`{"time":"2026-11-23T12:00:00.000"}`:           {Time: noon},
		`{"time":"2026-11-23 12:00:00"}`:               {Time: noon},
		`{"time":"2026-11-23 13:00:00.0+01:00"}`:       {Time: noon},
		`{"time":"2026-11-23T13:00:00.0000000+01:00"}`: {Time: noon},
		`{"time":"2026-11-23"}`:                        {Time: noon.Add(-12 * time.Hour)},
		`{"time":"0001-01-01T00:00:00"}`:               {},
		`{"start":"2026-11-23T12:00:00"}`:              {Start: &noon},
		`{"start":""}`:                                 {},
		`{"start":null}`:                               {},
		`{"inner":{"number":"1"}}`:                     {Inner: &body{Number: 1}},
		`{"inner":null}`:                               {},
		`{"list":[{"number":"1"},{}]}`:                 {List: []body{{Number: 1}, {}}},

		// Payloads, tags and properties stay as they are.
		`{"payload":"30"}`:                                    {Payload: json.RawMessage(`"30"`)},
		`{"payload":null}`:                                    {Payload: json.RawMessage(`null`)},
		`{"payload":{"Status":"Enabled"}}`:                    {Payload: json.RawMessage(`{"Status":"Enabled"}`)},
		`{"tags":{"number":"30","Status":"Enabled","n":1.0}}`: {Tags: iothub.Object{"number": "30", "Status": "Enabled", "n": json.Number("1.0")}},
		`{"patch":{"Tags":{"A":"true"},"Properties":{"Desired":{"B":"1"}}}}`: {Patch: &iothub.TwinPatch{
			Tags: iothub.Object{"A": "true"}, Properties: &iothub.TwinPatchProperties{Desired: iothub.Object{"B": "1"}}}},
	} {
		var got body
		if err := iothub.ReadJSON([]byte(text), &got); err != nil {
			t.Errorf("%s: %v", text, err)
		} else if !reflect.DeepEqual(got, want) {
			t.Errorf("%s: got %+v, want %+v", text, got, want)
		}
	}
}

// An error names the member and its value.
func TestReadJSONRefuses(t *testing.T) {
	t.Parallel()

	for text, want := range map[string]string{
		`{`:                                 "unexpected end of JSON input",
		`{} {}`:                             "invalid character '{' after top-level value",
		`null`:                              "got null, want an object",
		`[]`:                                "got an array, want an object",
		`{"number":"x"}`:                    `number: "x" is not an integer`,
		`{"number":1.5}`:                    `number: "1.5" is not an integer`,
		`{"number":true}`:                   `number: got true, want an integer`,
		`{"number":{}}`:                     `number: got an object, want an integer`,
		`{"small":"3000000000"}`:            `small: 3000000000 is out of range`,
		`{"switch":1}`:                      `switch: got 1, want true or false`,
		`{"switch":"yes"}`:                  `switch: "yes" is unknown, want true or false`,
		`{"Status":"asleep"}`:               `status: "asleep" is unknown, want enabled or disabled`,
		`{"status":1}`:                      `status: got 1, want a text`,
		`{"text":7}`:                        `text: got 7, want a text`,
		`{"time":"tomorrow"}`:               `time: "tomorrow" is not a time such as 2026-11-23T12:00:00Z`,
		`{"time":12}`:                       `time: got 12, want a text`,
		`{"inner":[]}`:                      `inner: got an array, want an object`,
		`{"inner":{"inner":{"number":[]}}}`: `inner.inner.number: got an array, want an integer`,
		`{"list":{}}`:                       `list: got an object, want an array`,
		`{"list":[{},{"status":"x"}]}`:      `list[1].status: "x" is unknown, want enabled or disabled`,
		`{"tags":[]}`:                       `tags: got an array, want an object`,
		`{"patch":{"tags":1}}`:              `patch: tags: got 1, want an object`,
	} {
		if err := iothub.ReadJSON([]byte(text), new(body)); err == nil || err.Error() != want {
			t.Errorf("%s: %v, want %s", text, err, want)
		}
	}
}

func TestReadParameter(t *testing.T) {
	t.Parallel()

	status := iothub.JobStatus("")
	if err := iothub.ReadParameter("jobStatus", "Completed", &status); err != nil || status != iothub.JobCompleted {
		t.Errorf("Completed: %q, %v", status, err)
	}
	if err := iothub.ReadParameter("jobStatus", "", &status); err != nil || status != iothub.JobCompleted {
		t.Errorf("an empty parameter changed the value to %q, %v", status, err)
	}
	const want = `jobStatus: "finished" is unknown, want unknown, enqueued, queued, scheduled, running, completed, failed or cancelled`
	if err := iothub.ReadParameter("jobStatus", "finished", &status); err == nil || err.Error() != want {
		t.Errorf("finished: %v, want %s", err, want)
	}
}
