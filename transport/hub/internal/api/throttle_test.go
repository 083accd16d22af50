package api_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/transport/hub/internal/throttle"
	"github.com/latchd/latchd/transport/iothub"
)

// TestThrottled empties each bucket of tier S1 until only one more request is allowed. It
// sends the request twice, and the second must be refused.
func TestThrottled(t *testing.T) {
	t.Parallel()

	tier, err := iothub.ParseTier("S1")
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	bulk := make([]string, 50)
	for i := range bulk {
		bulk[i] = fmt.Sprintf(`{"id":"b%d"}`, i)
	}
	large := `"` + strings.Repeat("x", 100<<10) + `"` // payload that counts as 26 calls of 4 KiB
	for _, test := range []struct {
		kind    throttle.Kind
		used    int // operations that are counted before the request
		request string
		body    string
		retry   int // expected Retry-After header
	}{
		{throttle.Registry, 99, "PUT /devices/new", `{}`, 1},
		{throttle.Registry, 99, "GET /devices/d1", "", 1},
		{throttle.Registry, 99, "GET /devices", "", 1},
		{throttle.Registry, 99, "GET /devices/", "", 1},
		{throttle.Registry, 99, "DELETE /devices/d1", "", 1},
		{throttle.Registry, 50, "POST /devices", "[" + strings.Join(bulk, ",") + "]", 30},
		{throttle.Queries, 19, "POST /devices/query", `{"query":"SELECT * FROM devices"}`, 3},
		{throttle.TwinReads, 5999, "GET /twins/d1", "", 1},
		{throttle.TwinUpdates, 2999, "PATCH /twins/d1", `{"tags":{}}`, 1},
		{throttle.TwinUpdates, 2999, "PUT /twins/d1", `{"tags":{}}`, 1},
		{throttle.Methods, 2399, "POST /twins/d1/methods", `{"methodName":"m"}`, 1},
		{throttle.Methods, 2374, "POST /twins/d1/methods", `{"methodName":"m","payload":` + large + `}`, 1},
		{throttle.JobOperations, 99, "PUT /jobs/v2/new", `{"type":"scheduleDeviceMethod","queryCondition":"*","cloudToDeviceMethod":{"methodName":"m"},"startTime":"2099-01-01T00:00:00Z"}`, 1},
		{throttle.JobOperations, 99, "GET /jobs/v2/query", "", 1},
		{throttle.JobOperations, 99, "GET /jobs/v2/none", "", 1},
		{throttle.JobOperations, 99, "POST /jobs/v2/none/cancel", "", 1},
	} {
		t.Run(test.request, func(t *testing.T) {
			limits := throttle.New(tier, 1, func() time.Time { return now })
			f := startThrottled(t, limits, "d1")
			f.broker.answers["d1"] = func(iothub.MethodRequest) (iothub.MethodResponse, error) {
				return iothub.MethodResponse{Status: 200}, nil
			}
			if err := limits.Take(test.kind, test.used); err != nil {
				t.Fatal(err)
			}
			if a := f.ask(test.request, test.body); a.status == 429 {
				t.Errorf("within the limit: %d %s", a.status, a.body)
			}
			// A refused request, such as one without a token, is not counted.
			f.must(401, test.request, test.body, nil, "Authorization: none")
			f.broker.takeCalls()
			a := f.ask(test.request, test.body)
			if a.status != 429 || a.header.Get("iothub-errorcode") != "ThrottlingException" || !strings.Contains(a.body, "ErrorCode:ThrottlingException;") ||
				a.header.Get("Retry-After") != strconv.Itoa(test.retry) {
				t.Errorf("above the limit: %d, Retry-After %s, %s", a.status, a.header.Get("Retry-After"), a.body)
			}
			if calls := f.broker.takeCalls(); calls != "" {
				t.Errorf("above the limit the broker was called: %q", calls)
			}
		})
	}
}
