package api_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

// entries returns the entries of the log of changes since the previous call, without the
// client's port.
func (f *testAPI) entries() []string {
	f.t.Helper()
	var entries []string
	for _, e := range f.log.TakeAll() {
		fields := e.ContextMap()
		if remote, _ := fields["remote"].(string); !strings.HasPrefix(remote, "127.0.0.1:") {
			f.t.Errorf("the entry %v does not name the client's address", fields)
		}
		delete(fields, "remote")
		text, err := json.Marshal(fields)
		if err != nil {
			f.t.Fatal(err)
		}
		entries = append(entries, string(text))
	}
	return entries
}

// TestChanges checks the entries in the log of changes. The rows run in their order
// against one hub. Each request contains the word "secret" where a key or a payload is.
func TestChanges(t *testing.T) {
	t.Parallel()

	f := start(t, "d1", "d2")
	f.broker.answers["d1"] = func(iothub.MethodRequest) (iothub.MethodResponse, error) {
		return iothub.MethodResponse{Status: 409, Payload: json.RawMessage(`"secret"`)}, nil
	}
	const key = "secretsecretsecretsecret"
	reader := "Authorization: " + iothub.Sign("hub.test", ownerKey, "registryRead", time.Now().Add(time.Hour))
	expired := "Authorization: " + iothub.Sign("hub.test", ownerKey, "iothubowner", time.Unix(1700000000, 0))
	const owner = `"policy":"iothubowner","result":`

	for _, test := range []struct {
		request, body, header string
		want                  []string
	}{
		{"GET /devices/d1", "", "", nil},
		{"POST /devices/query", `{"query":"SELECT * FROM devices"}`, "", nil},
		{"GET /nowhere", "", "", nil},
		{"DELETE /devices/d1", "", "Authorization: secret", nil},
		{"DELETE /devices/d1", "", expired, nil},
		{"DELETE /devices/d1", "", reader, []string{`{"change":"delete device","device_id":"d1","policy":"registryRead","result":"IotHubUnauthorizedAccess"}`}},

		{"PUT /devices/d3", `{"authentication":{"symmetricKey":{"primaryKey":"` + key + `","secondaryKey":"` + key + `"}}}`, "",
			[]string{`{"change":"create device","device_id":"d3",` + owner + `"done"}`}},
		{"PUT /devices/d3", `{}`, `If-Match: "*"`, []string{`{"change":"update device","device_id":"d3",` + owner + `"done"}`}},
		{"PUT /devices/d3", `{`, "", []string{`{"change":"create device","device_id":"d3",` + owner + `"ArgumentInvalid"}`}},
		{"DELETE /devices/d3", "", "", []string{`{"change":"delete device","device_id":"d3",` + owner + `"done"}`}},
		{"DELETE /devices/d3", "", "", []string{`{"change":"delete device","device_id":"d3",` + owner + `"DeviceNotFound"}`}},
		{"POST /devices", `[{"id":"b1","importMode":"create"},{"id":"b2","importMode":"create"},{"id":"d2","importMode":"create"},{"id":"d2x","importMode":"delete"},{"id":"d1","importMode":"updateTwin","tags":{"a":"secret"}}]`, "", []string{
			`{"affected":2,"change":"create device","device_ids":["b1","b2"],` + owner + `"done"}`,
			`{"change":"create device","device_id":"d2",` + owner + `"DeviceAlreadyExists"}`,
			`{"change":"delete device","device_id":"d2x",` + owner + `"DeviceNotFound"}`,
			`{"change":"change twin","device_id":"d1",` + owner + `"done"}`,
		}},
		{"POST /devices", `[]`, "", []string{`{"change":"change devices",` + owner + `"ArgumentInvalid"}`}},
		{"POST /devices/keys/regenerate", `{"policyKey":"both","devices":[{"id":"b1"},{"id":"b2"}]}`, "",
			[]string{`{"affected":2,"change":"renew keys","device_ids":["b1","b2"],` + owner + `"done"}`}},

		{"PATCH /twins/d1", `{"properties":{"desired":{"room":"secret"}}}`, "", []string{`{"change":"change twin","device_id":"d1",` + owner + `"done"}`}},
		{"PUT /twins/d1", `{"tags":{"a":"secret"}}`, "", []string{`{"change":"replace twin","device_id":"d1",` + owner + `"done"}`}},
		{"POST /twins/d1/methods", `{"methodName":"unlockDoor","payload":"secret"}`, "",
			[]string{`{"change":"call method","device_id":"d1","method":"unlockDoor",` + owner + `"done","status":409}`}},
		{"POST /twins/d2/methods", `{"methodName":"unlockDoor","payload":"secret"}`, "",
			[]string{`{"change":"call method","device_id":"d2","method":"unlockDoor",` + owner + `"DeviceNotOnline"}`}},

		{"PUT /jobs/v2/j1", `{"type":"scheduleDeviceMethod","queryCondition":"tags.floor = 3","startTime":"2031-11-23T12:00:00Z","cloudToDeviceMethod":{"methodName":"lockDoor","payload":"secret"}}`, "",
			[]string{`{"change":"create job","condition":"tags.floor = 3","job_id":"j1","method":"lockDoor",` + owner + `"done"}`}},
		{"PUT /jobs/v2/j1", `{"type":"scheduleUpdateTwin","queryCondition":"*","updateTwin":{"tags":{"a":"secret"}}}`, "",
			[]string{`{"change":"create job","condition":"*","job_id":"j1",` + owner + `"JobAlreadyExists"}`}},
		{"POST /jobs/v2/j1/cancel", "", "", []string{`{"change":"cancel job","job_id":"j1",` + owner + `"done"}`}},

		{"PUT /enrollments/e1", `{"attestation":{"type":"symmetricKey","symmetricKey":{"primaryKey":"` + key + `","secondaryKey":"` + key + `"}}}`, "",
			[]string{`{"change":"create enrollment","enrollment_id":"e1",` + owner + `"done"}`}},
		{"PUT /enrollments/e1", `{"attestation":{"type":"symmetricKey"}}`, `If-Match: "*"`, []string{`{"change":"update enrollment","enrollment_id":"e1",` + owner + `"done"}`}},
		{"DELETE /enrollments/e1", "", "", []string{`{"change":"delete enrollment","enrollment_id":"e1",` + owner + `"done"}`}},
		{"POST /enrollmentGroups", `{"mode":"create","enrollmentGroups":[{"enrollmentGroupId":"g1","attestation":{"type":"symmetricKey"}},{"enrollmentGroupId":"g2","attestation":{"type":"symmetricKey"}}]}`, "",
			[]string{`{"affected":2,"change":"create enrollment group","enrollment_ids":["g1","g2"],` + owner + `"done"}`}},
		{"PUT /enrollmentGroups/g1", `{"attestation":{"type":"symmetricKey"}}`, `If-Match: "*"`, []string{`{"change":"update enrollment group","enrollment_id":"g1",` + owner + `"done"}`}},
		{"DELETE /enrollmentGroups/g1", "", "", []string{`{"change":"delete enrollment group","enrollment_id":"g1",` + owner + `"done"}`}},

		{"PUT /certificates/site", `{"properties":{"certificate":"secret"}}`, "", []string{`{"authority_id":"site","change":"add authority",` + owner + `"ArgumentInvalid"}`}},
		{"DELETE /certificates/site", "", "", []string{`{"authority_id":"site","change":"remove authority",` + owner + `"NotFound"}`}},
	} {
		var headers []string
		if test.header != "" {
			headers = append(headers, test.header)
		}
		a := f.ask(test.request, test.body, headers...)
		got := f.entries()
		if fmt.Sprint(got) != fmt.Sprint(test.want) {
			t.Errorf("%s %s (%d %s):\n got %s\nwant %s", test.request, test.body, a.status, a.body, strings.Join(got, "\n     "), strings.Join(test.want, "\n     "))
		}
		if strings.Contains(fmt.Sprint(got), "secret") {
			t.Errorf("%s: the log contains a secret: %s", test.request, got)
		}
	}
}
