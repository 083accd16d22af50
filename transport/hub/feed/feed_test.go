package feed

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/latchd/latchd/transport/hub/store"
	"github.com/latchd/latchd/transport/iothub"
)

// listener is an http.ResponseWriter whose client reads what the test lets it.
type listener struct {
	io.Writer
	header http.Header
}

func (l *listener) Header() http.Header              { return l.header }
func (l *listener) WriteHeader(int)                  {}
func (l *listener) Flush()                           {}
func (l *listener) SetWriteDeadline(time.Time) error { return nil }
func listen(w io.Writer) *listener                   { return &listener{w, http.Header{}} }
func request(t *testing.T, query string) *http.Request {
	return httptest.NewRequest(http.MethodGet, "/events?"+query, nil).WithContext(t.Context())
}

// collect lets a listener read all that comes while do runs, and returns it
// without the times.
func collect(t *testing.T, query string, do func(*Feed)) string {
	t.Helper()
	var text strings.Builder
	synctest.Test(t, func(t *testing.T) {
		f := New(time.Now)
		ended := make(chan error)
		go func() { ended <- f.Serve(listen(&text), request(t, query), time.Now().Add(time.Hour)) }()
		synctest.Wait()
		do(f)
		synctest.Wait()
		f.Close()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return strings.ReplaceAll(text.String(), "2000-01-01T00:00:00Z", "NOW")
}

func TestEvents(t *testing.T) {
	now := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC) // where a bubble's time begins
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
			t.Errorf("with the query %q came\n%s\nwant\n%s", query, got, want)
		}
	}
}

// Of a job's progress, a reader that is late gets the latest; other events all.
func TestLatestOfAJob(t *testing.T) {
	got := collect(t, "", func(f *Feed) {
		for i := range int64(5) {
			f.Job(iothub.Job{JobID: "j1", MaxExecutionTimeInSeconds: i})
			f.Job(iothub.Job{JobID: "j2", MaxExecutionTimeInSeconds: i})
			f.Telemetry("d1", nil, nil)
		}
	})
	if n := strings.Count(got, "event: telemetry"); n != 5 {
		t.Errorf("%d messages of 5", n)
	}
	for _, id := range []string{"j1", "j2"} {
		last := strings.LastIndex(got, `"jobId":"`+id)
		if last < 0 || !strings.Contains(got[last:], `"maxExecutionTimeInSeconds":4`) {
			t.Errorf("the latest of %s did not come: %s", id, got)
		}
	}
}

func TestAReaderThatIsTooSlow(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := New(time.Now)
		out, in := io.Pipe()
		ended := make(chan error, 1)
		go func() {
			ended <- f.Serve(listen(in), request(t, ""), time.Now().Add(time.Hour))
			in.Close()
		}()
		if _, err := out.Read(make([]byte, 1000)); err != nil { // ready
			t.Fatal(err)
		}
		// It reads no more. One message is on its way, and others wait.
		message := []byte(strings.Repeat("x", 256<<10))
		for range 100 {
			f.Telemetry("d1", nil, message)
			synctest.Wait()
			for r := range f.readers {
				if r.size > maxWaiting {
					t.Fatalf("%d bytes wait for one reader", r.size)
				}
			}
		}
		rest, err := io.ReadAll(out)
		if err != nil || strings.Count(string(rest), "event: telemetry") > 1 || !strings.HasSuffix(string(rest),
			`,"time":"2000-01-01T00:00:00Z"}`+"\n\n") || !strings.Contains(string(rest), `event: end`+"\n"+`data: {"reason":"too slow: events were lost`) {
			t.Errorf("the reader got at last %.300q, %v", rest[max(0, len(rest)-300):], err)
		}
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestHowItEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := New(time.Now)
		var text strings.Builder
		begun := time.Now()
		if err := f.Serve(listen(&text), request(t, "kind=job"), begun.Add(59*time.Second)); err != nil {
			t.Fatal(err)
		}
		if passed := time.Since(begun); passed != 59*time.Second {
			t.Errorf("the stream of a token for 59 s has lasted %v", passed)
		}
		if got := text.String(); !strings.Contains(got, "the token has run out") || strings.Count(got, ":\n\n") != 3 {
			t.Errorf("the stream was %q, want comments each 15 s", got)
		}

		ctx, leave := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- f.Serve(listen(io.Discard), request(t, "").WithContext(ctx), begun.Add(time.Hour)) }()
		synctest.Wait()
		leave()
		if err := <-ended; err != nil || len(f.readers) != 0 || f.listening(job) {
			t.Errorf("after the client left: %v, %d readers", err, len(f.readers))
		}
	})
}

func TestWhoMayNotListen(t *testing.T) {
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
		for range maxReaders {
			go func() { ended <- f.Serve(listen(io.Discard), request(t, ""), time.Now().Add(time.Hour)) }()
		}
		synctest.Wait()
		refused("", iothub.CodeThrottling)
		f.Close()
		for range maxReaders {
			if err := <-ended; err != nil {
				t.Error(err)
			}
		}
		refused("", iothub.CodeServiceUnavailable)
	})
}
