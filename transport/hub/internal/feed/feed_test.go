package feed

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/latchd/latchd/transport/hub/internal/store"
	"github.com/latchd/latchd/transport/iothub"
)

// response is an http.ResponseWriter that sends the body to a writer.
type response struct {
	io.Writer
	header http.Header
}

func (r *response) Header() http.Header              { return r.header }
func (r *response) WriteHeader(int)                  {}
func (r *response) Flush()                           {}
func (r *response) SetWriteDeadline(time.Time) error { return nil }

// responseTo returns a response that sends its body to w.
func responseTo(w io.Writer) *response { return &response{w, http.Header{}} }

// request returns a request for the stream of events, with a query string.
func request(t *testing.T, query string) *http.Request {
	return httptest.NewRequest(http.MethodGet, "/events?"+query, nil).WithContext(t.Context())
}

// eventID matches the line with the id of an event.
var eventID = regexp.MustCompile(`(?m)^id: [0-9a-z]+-[0-9]+\n`)

// collect runs do while a client listens, and returns the client's whole stream. It
// replaces the times in the stream with NOW, and removes the ids of the events.
func collect(t *testing.T, query string, do func(*Feed)) string {
	t.Helper()
	var text strings.Builder
	synctest.Test(t, func(t *testing.T) {
		f := New(time.Now)
		ended := make(chan error)
		go func() { ended <- f.Serve(responseTo(&text), request(t, query), time.Now().Add(time.Hour)) }()
		synctest.Wait()
		do(f)
		synctest.Wait()
		f.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return eventID.ReplaceAllString(strings.ReplaceAll(text.String(), "2000-01-01T00:00:00Z", "NOW"), "")
}

func TestEvents(t *testing.T) {
	now := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // synctest starts its clock at this time
	all := func(f *Feed) {
		f.Telemetry("d1", iothub.Bag{{Name: "a b", Value: "c"}, {Name: "$.mid", Value: "1"}}, []byte("{\n\"t\": 21}"))
		f.Telemetry("d1", nil, []byte("two\nlines"))
		f.Telemetry("d1", nil, []byte{0xff})
		f.Telemetry("d1", nil, nil)
		f.Change(store.Change{DeviceID: "d1", Operation: store.DeviceCreated, At: now})
		f.Change(store.Change{DeviceID: "d1", Operation: store.DeviceConnected, At: now})
		f.Change(store.Change{DeviceID: "d1", Operation: store.TwinUpdated, At: now, Version: 3,
			Tags: iothub.Object{"site": "a"}, Desired: iothub.Object{"floor": nil, "$version": 2}})
		f.Change(store.Change{DeviceID: "d1", Operation: store.TwinReplaced, At: now, Version: 4, Tags: iothub.Object{}})
		f.Change(store.Change{DeviceID: "d1", Operation: store.TwinUpdated, At: now, Reported: iothub.Object{"lock": "x\n\ny", "$version": 5}})
		f.Change(store.Change{DeviceID: "d1", Operation: store.DeviceDisconnected, At: now})
		f.Change(store.Change{DeviceID: "d1", Operation: store.DeviceDeleted, At: now})
		f.Job(iothub.Job{JobID: "j1", Status: iothub.JobRunning, CloudToDeviceMethod: &iothub.MethodRequest{MethodName: "m"}})
	}

	const (
		ready     = "event: ready\ndata: {\"kinds\":[%s],\"time\":\"NOW\"}\n\n"
		telemetry = `event: telemetry
data: {"time":"NOW","deviceId":"d1","properties":{"$.mid":"1","a b":"c"},"body":{"t":21}}

event: telemetry
data: {"time":"NOW","deviceId":"d1","properties":{},"text":"two\nlines"}

event: telemetry
data: {"time":"NOW","deviceId":"d1","properties":{},"base64":"/w=="}

event: telemetry
data: {"time":"NOW","deviceId":"d1","properties":{},"text":""}

`
		created = `event: lifecycle
data: {"time":"NOW","deviceId":"d1","operation":"createDeviceIdentity"}

event: lifecycle
data: {"time":"NOW","deviceId":"d1","operation":"deviceConnected"}

`
		twins = `event: twin
data: {"time":"NOW","deviceId":"d1","operation":"updateTwin","twin":{"version":3,"tags":{"site":"a"},"properties":{"desired":{"$version":2,"floor":null}}}}

event: twin
data: {"time":"NOW","deviceId":"d1","operation":"replaceTwin","twin":{"version":4,"tags":{},"properties":{}}}

event: twin
data: {"time":"NOW","deviceId":"d1","operation":"updateTwin","twin":{"properties":{"reported":{"$version":5,"lock":"x\n\ny"}}}}

`
		gone = `event: lifecycle
data: {"time":"NOW","deviceId":"d1","operation":"deviceDisconnected"}

event: lifecycle
data: {"time":"NOW","deviceId":"d1","operation":"deleteDeviceIdentity"}

`
		jobs = `event: job
data: {"time":"NOW","job":{"jobId":"j1","type":"","status":"running"}}

`
		end = "event: end\ndata: {\"reason\":\"the hub is stopping\",\"time\":\"NOW\"}\n\n"
	)

	for query, want := range map[string]string{
		"":                         fmt.Sprintf(ready, `"telemetry","twin","lifecycle","job"`) + telemetry + created + twins + gone + jobs + end,
		"kind=telemetry":           fmt.Sprintf(ready, `"telemetry"`) + telemetry + end,
		"kind=twin,job":            fmt.Sprintf(ready, `"twin","job"`) + twins + jobs + end,
		"kind=lifecycle&kind=job,": fmt.Sprintf(ready, `"lifecycle","job"`) + created + gone + jobs + end,
	} {
		if got := collect(t, query, all); got != want {
			t.Errorf("the stream for the query %q is\n%s\nwant\n%s", query, got, want)
		}
	}
}

// TestLatestOfAJob checks that a slow client receives the latest progress of each job,
// and all events of other kinds.
func TestLatestOfAJob(t *testing.T) {
	got := collect(t, "", func(f *Feed) {
		for i := range int64(5) {
			f.Job(iothub.Job{JobID: "j1", MaxExecutionTimeInSeconds: i})
			f.Job(iothub.Job{JobID: "j2", MaxExecutionTimeInSeconds: i})
			f.Telemetry("d1", nil, nil)
		}
	})
	if n := strings.Count(got, "event: telemetry"); n != 5 {
		t.Errorf("the client received %d messages, want 5", n)
	}
	for _, id := range []string{"j1", "j2"} {
		last := strings.LastIndex(got, `"jobId":"`+id)
		if last < 0 || !strings.Contains(got[last:], `"maxExecutionTimeInSeconds":4`) {
			t.Errorf("the client did not receive the latest progress of %s: %s", id, got)
		}
	}
}

// TestLatestOfAJobKeepsItsPlace checks the order of events for a slow client. The latest
// progress of a job replaces an earlier progress event, but must still follow the events
// that happened before it.
func TestLatestOfAJobKeepsItsPlace(t *testing.T) {
	l := newListener([]string{job, twin})
	l.add("j1", []byte("job is running. "))
	l.add("", []byte("twin changed. "))
	l.add("j1", []byte("job is completed."))

	if events, _ := l.take(); string(bytes.Join(events, nil)) != "twin changed. job is completed." {
		t.Errorf("the events are %q", events)
	}
}

func TestSlowClientIsDisconnected(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := New(time.Now)
		out, in := io.Pipe()
		ended := make(chan error, 1)
		go func() {
			ended <- f.Serve(responseTo(in), request(t, ""), time.Now().Add(time.Hour))
			in.Close()
		}()
		if _, err := out.Read(make([]byte, 1000)); err != nil { // the event ready
			t.Fatal(err)
		}

		// The client stops reading, so the feed blocks on one message and queues the
		// others.
		message := []byte(strings.Repeat("x", 256<<10))
		for range 100 {
			f.Telemetry("d1", nil, message)
			synctest.Wait()
			for l := range f.listeners {
				if l.size > maxQueuedBytes {
					t.Fatalf("%d bytes wait for one client", l.size)
				}
			}
		}

		rest, err := io.ReadAll(out)
		if err != nil || strings.Count(string(rest), "event: telemetry") > 1 || !strings.HasSuffix(string(rest),
			`,"time":"2000-01-01T00:00:00Z"}`+"\n\n") || !strings.Contains(string(rest), `event: end`+"\n"+`data: {"reason":"too slow: events were lost, so reconnect`) {
			t.Errorf("the stream ends with %.300q, %v", rest[max(0, len(rest)-300):], err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestStreamEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := New(time.Now)
		var text strings.Builder
		started := time.Now()
		if err := f.Serve(responseTo(&text), request(t, "kind=job"), started.Add(59*time.Second)); err != nil {
			t.Fatal(err)
		}
		if passed := time.Since(started); passed != 59*time.Second {
			t.Errorf("the token was valid for 59 s, but the stream lasted %v", passed)
		}
		if got := text.String(); !strings.Contains(got, "the token has expired") || strings.Count(got, ":\n\n") != 3 {
			t.Errorf("the stream was %q, want a comment every 15 s and the reason", got)
		}

		ctx, leave := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() {
			ended <- f.Serve(responseTo(io.Discard), request(t, "").WithContext(ctx), started.Add(time.Hour))
		}()
		synctest.Wait()
		leave()
		if err := <-ended; err != nil || len(f.listeners) != 0 || f.listenerCounts[3].Load() != 0 {
			t.Errorf("after the client left: error %v, %d listeners", err, len(f.listeners))
		}
	})
}

func TestRefusedClients(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := New(time.Now)
		refused := func(query string, want iothub.Code) {
			t.Helper()
			w := httptest.NewRecorder()
			if err := f.Serve(w, request(t, query), time.Now().Add(time.Hour)); !errors.Is(err, &iothub.Error{Code: want}) || w.Body.Len() > 0 {
				t.Errorf("%q: %v, want %s; written: %s", query, err, want, w.Body)
			}
		}

		refused("kind=twins", iothub.CodeArgumentInvalid)
		ended := make(chan error)
		for range maxListeners {
			go func() { ended <- f.Serve(responseTo(io.Discard), request(t, ""), time.Now().Add(time.Hour)) }()
		}
		synctest.Wait()
		refused("", iothub.CodeThrottling)
		f.Close()
		for range maxListeners {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		refused("", iothub.CodeServiceUnavailable)
	})
}
