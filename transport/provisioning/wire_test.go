package provisioning

import (
	"testing"
	"time"
)

func TestParseResponse(t *testing.T) {
	t.Parallel()

	for _, test := range []struct {
		name, topic, body string
		status            int
		requestID         string
		retryAfter        time.Duration
		want              string // expected error
	}{
		{"assigned", "$dps/registrations/res/200/?$rid=1", `{"status":"assigned"}`, 200, "1", 0, ""},
		{"in progress", "$dps/registrations/res/202/?$rid=a-b&retry-after=3", `{}`, 202, "a-b", 3 * time.Second, ""},
		{"an error without a body", "$dps/registrations/res/429/?retry-after=30&$rid=1", ``, 429, "1", 30 * time.Second, ""},
		{"another topic", "$iothub/twin/res/200/?$rid=1", `{}`, 0, "", 0, "the topic does not belong to an answer"},
		{"no properties", "$dps/registrations/res/200", `{}`, 0, "", 0, "the topic of the answer has no properties"},
		{"no status", "$dps/registrations/res/ok/?$rid=1", `{}`, 0, "", 0, "the status of the answer is not a number from 100 to 599"},
		{"no request", "$dps/registrations/res/200/?retry-after=3", `{}`, 0, "", 0, "the answer has no request id"},
		{"a negative wait", "$dps/registrations/res/200/?$rid=1&retry-after=-3", `{}`, 0, "", 0, "retry-after is not a number of seconds"},
		{"a bad encoding", "$dps/registrations/res/200/?$rid=%zz", `{}`, 0, "", 0, "the properties of the answer are not percent-encoded"},
		{"no JSON", "$dps/registrations/res/200/?$rid=1", `assigned`, 0, "", 0, "the answer is not JSON"},
	} {
		t.Run(test.name, func(t *testing.T) {
			r, err := parseResponse(test.topic, []byte(test.body))
			if test.want != "" {
				if err == nil || err.Error() != test.want {
					t.Errorf("got %v, want %s", err, test.want)
				}
				return
			}
			if err != nil || r.status != test.status || r.requestID != test.requestID || r.retryAfter != test.retryAfter {
				t.Errorf("got %+v, %v", r, err)
			}
		})
	}
}

func FuzzParseResponse(f *testing.F) {
	f.Add("$dps/registrations/res/202/?$rid=1&retry-after=3", []byte(`{"operationId":"4.a.b","status":"assigning"}`))
	f.Add("$dps/registrations/res/401/?$rid=1", []byte(`{"errorCode":401002,"trackingId":"t","message":"m"}`))
	f.Fuzz(func(t *testing.T, topic string, payload []byte) {
		r, err := parseResponse(topic, payload)
		if err == nil && (r.status < 100 || r.status > 599 || r.requestID == "" || r.retryAfter < 0 || r.wait() <= 0) {
			t.Errorf("accepted %+v", r)
		}
	})
}
