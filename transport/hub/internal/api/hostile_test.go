package api_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

// The hub refuses each hostile request and stays unchanged.
func TestHostileBodies(t *testing.T) {
	t.Parallel()

	f := start(t, "d1")
	before := f.must(200, "GET /twins/d1", "", nil).body
	deep := func(n int) string {
		return `{"tags":` + strings.Repeat(`{"a":`, n) + "1" + strings.Repeat("}", n) + "}"
	}
	wide := strings.Repeat(`"x",`, 200_000)
	for name, test := range map[string]struct {
		request, body string
		status        int
	}{
		"tags one level too deep":         {"PATCH /twins/d1", deep(12), 400},
		"a name that is not allowed":      {"PATCH /twins/d1", `{"tags":{"$a":1}}`, 400},
		"tags a thousand levels deep":     {"PATCH /twins/d1", deep(1000), 400},
		"deeper than the decoder goes":    {"PATCH /twins/d1", deep(20_000), 400},
		"brackets without an end":         {"PATCH /twins/d1", strings.Repeat("[", 1<<20-1), 400},
		"over the size":                   {"PATCH /twins/d1", `{"tags":{"a":[` + strings.Repeat(wide, 2) + `"x"]}}`, 413},
		"tags over their size":            {"PATCH /twins/d1", `{"tags":{"a":[` + wide[:40_000] + `"x"]}}`, 400},
		"a number without an end":         {"PATCH /twins/d1", `{"tags":{"a":` + strings.Repeat("9", 100_000) + `}}`, 400},
		"half a character":                {"PATCH /twins/d1", `{"tags":{"\ud800":`, 400},
		"a method's payload over 128 KiB": {"POST /twins/d1/methods", `{"methodName":"m","payload":"` + strings.Repeat("x", 128<<10) + `"}`, 400},
		"a method's topic":                {"POST /twins/d1/methods", `{"methodName":"x/?$rid=1#"}`, 400},
		"101 devices at once":             {"POST /devices", "[" + strings.Repeat(`{"id":"x","importMode":"create"},`, 100) + `{"id":"y","importMode":"create"}]`, 400},
		"SQL for a query":                 {"POST /devices/query", `{"query":"DROP TABLE devices"}`, 400},
		"SQL behind a query":              {"POST /devices/query", `{"query":"SELECT * FROM devices; DROP TABLE devices"}`, 400},
		"SQL in a condition":              {"PUT /jobs/v2/x", `{"type":"scheduleUpdateTwin","queryCondition":"1=1) OR (SELECT 1","updateTwin":{"tags":{"a":1}}}`, 400},
		"SQL behind a condition":          {"PUT /jobs/v2/x", `{"type":"scheduleUpdateTwin","queryCondition":"deviceId = 'd1' UNION SELECT * FROM settings","updateTwin":{"tags":{"a":1}}}`, 400},
		"a comment in a condition":        {"PUT /jobs/v2/x", `{"type":"scheduleUpdateTwin","queryCondition":"deviceId = 'd1' -- x","updateTwin":{"tags":{"a":1}}}`, 400},
		"a condition nested too deep":     {"POST /devices/query", `{"query":"SELECT * FROM devices WHERE ` + strings.Repeat("(", 100_000) + `"}`, 400},
	} {
		t.Run(name, func(t *testing.T) {
			if a := f.ask(test.request, test.body); a.status != test.status {
				t.Errorf("%d %.200s, want %d", a.status, a.body, test.status)
			}
			if after := f.must(200, "GET /twins/d1", "", nil).body; after != before {
				t.Errorf("the twin has changed to %s", after)
			}
		})
	}
	// SQL inside a string of a query is only text.
	a := f.must(200, "POST /devices/query", `{"query":"SELECT * FROM devices WHERE deviceId = 'x\\' OR 1=1 --'"}`, nil)
	if strings.TrimSpace(a.body) != "[]" {
		t.Errorf("SQL in a string literal selects %s", a.body)
	}
}

func TestForgedTokens(t *testing.T) {
	t.Parallel()

	f := start(t, "d1")
	later := time.Now().Add(time.Hour)
	good := iothub.Sign("hub.test", ownerKey, "iothubowner", later)
	for name, token := range map[string]string{
		"signed with nothing":     iothub.Sign("hub.test", iothub.Key{}, "iothubowner", later),
		"signed with zeros":       iothub.Sign("hub.test", make(iothub.Key, 32), "iothubowner", later),
		"without its signature":   good[:strings.Index(good, "&sig=")] + good[strings.Index(good, "&skn="):],
		"with an empty signature": strings.Replace(good, "&sig=", "&sig=&x=", 1),
		"with two scopes":         good + "&sr=hub.test",
		"with another expiry":     good[:strings.LastIndex(good, "=")] + "=9999999999",
		"with another policy":     strings.Replace(good, "skn=iothubowner", "skn=registryRead%00", 1),
		"with SQL for a policy":   iothub.Sign("hub.test", ownerKey, "' OR 1=1 --", later),
		"for a longer host":       iothub.Sign("hub.test.evil.example", ownerKey, "iothubowner", later),
		"for a shorter host":      iothub.Sign("hub", ownerKey, "iothubowner", later),
		"before its time":         iothub.Sign("hub.test", ownerKey, "iothubowner", time.Unix(0, 0)),
		"with a negative expiry":  good[:strings.LastIndex(good, "=")] + "=-1",
		"a device's own":          iothub.Sign(iothub.DeviceResource("hub.test", "d1", ""), ownerKey, "", later),
		"a long one":              "SharedAccessSignature " + strings.Repeat("sr=x&", 5000),
		"a bearer's":              "Bearer eyJhbGciOiJub25lIn0.e30.",
	} {
		if a := f.ask("GET /devices/d1", "", "Authorization: "+token); a.status != 401 || strings.Contains(a.body, "primaryKey") {
			t.Errorf("%s: %d %s, want 401", name, a.status, a.body)
		}
	}
}

// A body that is shorter than its Content-Length is refused and changes nothing.
func TestTruncatedBody(t *testing.T) {
	t.Parallel()

	f := start(t, "d1")
	conn, err := net.Dial("tcp", strings.TrimPrefix(f.server.URL, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "PATCH /twins/d1?api-version=2021-04-12 HTTP/1.1\r\nHost: hub.test\r\nAuthorization: %s\r\nContent-Length: 1000\r\n\r\n%s",
		iothub.Sign("hub.test", ownerKey, "iothubowner", time.Now().Add(time.Hour)), `{"tags":{"a":1}}`)
	if err := conn.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	answer, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer answer.Body.Close()
	if text, _ := io.ReadAll(answer.Body); answer.StatusCode != 400 || !strings.Contains(string(text), "ends early") {
		t.Errorf("%s %s", answer.Status, text)
	}
	if a := f.must(200, "GET /twins/d1", "", nil); strings.Contains(a.body, `"a":1`) {
		t.Errorf("the twin has changed to %s", a.body)
	}
}

// deadlineRecorder is a ResponseRecorder that records the deadlines of its connection.
type deadlineRecorder struct {
	*httptest.ResponseRecorder
	read, write time.Time // deadlines that are set now
	answer      time.Time // write deadline at the time when the answer began
}

func (w *deadlineRecorder) SetReadDeadline(t time.Time) error  { w.read = t; return nil }
func (w *deadlineRecorder) SetWriteDeadline(t time.Time) error { w.write = t; return nil }
func (w *deadlineRecorder) WriteHeader(status int) {
	w.answer = w.write
	w.ResponseRecorder.WriteHeader(status)
}

// timedBody records the read deadline at the time when the body is read.
type timedBody struct {
	io.Reader
	w    *deadlineRecorder
	read time.Time
}

func (b *timedBody) Read(p []byte) (int, error) {
	b.read = b.w.read
	return b.Reader.Read(p)
}

// A client that does not send its body, or does not read the answer, is disconnected
// after the deadline. The hub's own work on the request has no deadline.
func TestSlowClientsAreCutOff(t *testing.T) {
	t.Parallel()

	f := start(t, "d1", "d2")
	f.broker.answers["d1"] = func(iothub.MethodRequest) (iothub.MethodResponse, error) {
		return iothub.MethodResponse{Status: 200}, nil
	}
	token := iothub.Sign("hub.test", ownerKey, "iothubowner", time.Now().Add(time.Hour))
	for name, test := range map[string]struct {
		request, body, token string
		status               int
		unread               bool
	}{
		"a method":        {"POST /twins/d1/methods", `{"methodName":"m"}`, token, 200, false},
		"a query":         {"POST /devices/query", `{"query":"SELECT * FROM devices"}`, token, 200, false},
		"a deletion":      {"DELETE /devices/d2", "", token, 204, true},
		"a stranger":      {"POST /twins/d1/methods", `{"methodName":"m"}`, "", 401, true},
		"a wrong address": {"POST /nothing", "{}", token, 404, true},
	} {
		t.Run(name, func(t *testing.T) {
			method, path, _ := strings.Cut(test.request, " ")
			w := &deadlineRecorder{ResponseRecorder: httptest.NewRecorder(), write: time.Now().Add(-time.Hour)} // deadline that the previous request has set
			body := &timedBody{Reader: strings.NewReader(test.body), w: w}
			r := httptest.NewRequest(method, path+"?api-version=2021-04-12", body)
			r.Header.Set("Authorization", test.token)
			begun := time.Now()
			f.server.Config.Handler.ServeHTTP(w, r)
			if w.Code != test.status {
				t.Fatalf("%d %s", w.Code, w.Body)
			}
			bounded := func(deadline time.Time) bool {
				return deadline.After(begun) && deadline.Before(begun.Add(5*time.Minute))
			}
			if !bounded(w.answer) {
				t.Errorf("the write deadline is %v", w.answer)
			}
			switch {
			case test.unread && !bounded(w.read):
				t.Errorf("the read deadline is %v", w.read)
			case !test.unread && !bounded(body.read):
				t.Errorf("the read deadline of the body was %v", body.read)
			case !test.unread && !w.read.IsZero():
				t.Errorf("after the body the read deadline is %v, want none", w.read)
			}
		})
	}
}

// The server's time limit for a request must not end an answer that takes longer.
func TestLongAnswers(t *testing.T) {
	t.Parallel()

	f := start(t, "d1")
	const limit = 100 * time.Millisecond
	server := httptest.NewUnstartedServer(f.server.Config.Handler)
	server.Config.ReadTimeout = limit
	server.Start()
	defer server.Close()
	f.server = server

	f.broker.answers["d1"] = func(iothub.MethodRequest) (iothub.MethodResponse, error) {
		time.Sleep(3 * limit)
		return iothub.MethodResponse{Status: 200}, nil
	}
	f.must(200, "POST /twins/d1/methods", `{"methodName":"m"}`, nil)

	r, err := http.NewRequestWithContext(t.Context(), "GET", server.URL+"/events?api-version=2021-04-12&kind=twin", nil)
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Authorization", iothub.Sign("hub.test", ownerKey, "iothubowner", time.Now().Add(time.Hour)))
	stream, err := server.Client().Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer stream.Body.Close()
	lines := bufio.NewScanner(stream.Body)
	time.AfterFunc(3*limit, f.feed.Close)
	last := ""
	for lines.Scan() {
		last += lines.Text() + "\n"
	}
	if !strings.Contains(last, "event: end") {
		t.Errorf("the stream ended before the hub closed it: %s, %v", last, lines.Err())
	}
}
