package main

import (
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"sync"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

// fakeHost is the fake hub's name. Its address is a loopback address.
const fakeHost = "hub.example"

// fakeID is the fake hub's id.
const fakeID = "5f0c1a52-6a3e-4b53-8f8e-0e6d6f1d2a11"

// fakeDevice is a device of the fake hub. The field Does names the device's reaction to a
// method:
//
//	ok       it succeeds
//	ajar     its bolt is locked, but its door is open
//	drift    it answers with a success, but does not stay locked
//	jam      it answers with the status 500
//	offline  it is not connected; an empty Does means the same
//	open     its door is open: it answers a lock with a promise
//	stale    it has not yet seen the newest change of its twin
//	old      its latchd does not know lockdown
//	odd      it reports something else than an acknowledgement
//	trap     it refuses lockdown
//	timeout  it does not answer
//	lost     the hub loses its answer
//	gone     it is deleted before it is called
//	cut      the hub closes the connection on which the method was sent
type fakeDevice struct {
	ID   string        `json:"id"`
	Does string        `json:"does"`
	Tags iothub.Object `json:"tags"`
	Door iothub.Object `json:"door"` // further columns of the query for the state of doors

	identity iothub.DeviceIdentity
	desired  iothub.Object
	version  int64
}

// fakeHub implements the parts of the service API that the scripts need. It refuses
// each request that the API's documentation does not allow, with a message that begins
// with "fake".
type fakeHub struct {
	server  *httptest.Server
	address string
	key     iothub.Key
	id      string // the hub's id, which it sends with each answer; empty sends none

	mu       sync.Mutex
	requests []string
	devices  map[string]*fakeDevice
	jobs     map[string]*fakeJob
	busy     int // number of requests that the hub still answers with 429
	full     int // number of new jobs that the hub still refuses because of too many active jobs
	slow     int // number of new jobs that the hub still answers with 429

	events    string // server-sent events that each request for the stream receives; empty means that the hub has no stream
	forbidden string // the hub refuses requests for paths that begin with this text; empty means none
	interrupt func() // if not nil, the hub calls this function instead of answering the next new job or method
}

func newFakeHub() (*fakeHub, error) {
	h := &fakeHub{id: fakeID, key: iothub.Key("an owner's key of thirty-two bytes"), devices: map[string]*fakeDevice{}, jobs: map[string]*fakeJob{}}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	h.address = l.Addr().String()
	h.serve(l)
	return h, nil
}

func (h *fakeHub) serve(l net.Listener) {
	h.server = &httptest.Server{Listener: l, Config: &http.Server{Handler: h.handler(), ErrorLog: log.New(io.Discard, "", 0)}}
	h.server.StartTLS()
}

// serveProxy implements an HTTP proxy for the user "me" with the password "pass". It
// connects every client to the fake hub, whatever address the client asks for.
func (h *fakeHub) serveProxy(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodConnect || r.Header.Get("Proxy-Authorization") != "Basic bWU6cGFzcw==" {
		w.WriteHeader(http.StatusProxyAuthRequired)
		return
	}
	hub, err := net.Dial("tcp", h.address)
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	defer hub.Close()

	h.mu.Lock()
	h.requests = append(h.requests, "CONNECT "+r.Host)
	h.mu.Unlock()

	w.WriteHeader(http.StatusOK)
	client, rest, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	defer client.Close()

	go func() {
		io.Copy(hub, rest)
		hub.(*net.TCPConn).CloseWrite()
	}()
	io.Copy(client, hub)
}

// restart starts the hub again at the same address, after the server was closed.
func (h *fakeHub) restart() error {
	l, err := net.Listen("tcp", h.address)
	if err == nil {
		h.serve(l)
	}
	return err
}

func (h *fakeHub) caPEM() []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: h.server.Certificate().Raw})
}

func (h *fakeHub) connectionString(key iothub.Key) string {
	return iothub.Service{HostName: fakeHost, KeyName: "iothubowner", Key: key}.ConnectionString()
}

func (h *fakeHub) handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("PUT /devices/{id}", h.putDevice)
	mux.HandleFunc("GET /devices/{id}", h.getDevice)
	mux.HandleFunc("DELETE /devices/{id}", h.deleteDevice)
	mux.HandleFunc("POST /devices/query", h.query)
	mux.HandleFunc("GET /twins/{id}", h.getTwin)
	mux.HandleFunc("PATCH /twins/{id}", h.patchTwin)
	mux.HandleFunc("POST /twins/{id}/methods", h.method)
	mux.HandleFunc("PUT /jobs/v2/{id}", h.putJob)
	mux.HandleFunc("GET /jobs/v2/{id}", h.getJob)
	mux.HandleFunc("POST /jobs/v2/{id}/cancel", h.cancelJob)
	mux.HandleFunc("GET /jobs/v2/query", h.listJobs)
	mux.HandleFunc("GET /events", h.streamEvents)

	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h.mu.Lock()
		defer h.mu.Unlock()

		body, _ := io.ReadAll(r.Body)
		r.Body = io.NopCloser(strings.NewReader(string(body)))
		h.record(r, body)

		if h.id != "" {
			w.Header().Set(iothub.HubIDHeader, h.id)
		}
		if id := r.Header.Get(iothub.HubIDHeader); id != "" && h.id != "" && id != h.id {
			answerError(w, iothub.Errorf(iothub.CodePreconditionFailed, "the request is for the hub %s", id))
			return
		}
		if e := h.check(r, body); e != nil {
			answerError(w, e)
			return
		}
		if h.forbidden != "" && strings.HasPrefix(r.URL.Path, h.forbidden) {
			answerError(w, iothub.Errorf(iothub.CodeForbidden, "the policy may not do this"))
			return
		}
		if h.busy > 0 {
			h.busy--
			w.Header().Set("Retry-After", "0.05")
			answerError(w, iothub.Errorf(iothub.CodeThrottling, "too many requests"))
			return
		}
		if h.interrupt != nil && (r.Method == http.MethodPut || strings.HasSuffix(r.URL.Path, "/methods")) {
			h.interrupt()
			panic(http.ErrAbortHandler)
		}

		mux.ServeHTTP(w, r)
	})
}

var (
	madeUp = regexp.MustCompile(`\b([a-zA-Z]+)-\d{8}-\d{6}-[0-9a-f]{8}\b`)
	starts = regexp.MustCompile(`"startTime":"20\d\d-\d\d-\d\dT\d\d:\d\d:\d\d\.\d\d\dZ"`)
	uuids  = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
)

// record adds a request to h.requests. It replaces generated ids, times and the local
// login by fixed words. It adds consecutive equal requests, such as repeated reads of a
// job, only once.
func (h *fakeHub) record(r *http.Request, body []byte) {
	query := r.URL.Query()
	query.Del("api-version")

	line := r.Method + " " + r.URL.EscapedPath()
	if len(query) > 0 {
		line += "?" + query.Encode()
	}
	if match := r.Header.Get("If-Match"); match != "" {
		line += " If-Match: " + match
	}
	if len(body) > 0 {
		line += " " + string(body)
	}

	line = madeUp.ReplaceAllString(line, "$1-MADEUP")
	line = starts.ReplaceAllString(line, `"startTime":"START"`)
	line = strings.ReplaceAll(line, `"by":"`+claimOf(localLogin())+`"`, `"by":"LOGIN"`)

	if n := len(h.requests); n == 0 || h.requests[n-1] != line {
		h.requests = append(h.requests, line)
	}
}

// check returns an error if a request has no valid signature, or lacks a header that
// every request must have.
func (h *fakeHub) check(r *http.Request, body []byte) *iothub.Error {
	s, err := iothub.ParseSignature(r.Header.Get("Authorization"))
	if r.Header.Get("Authorization") == "Bearer "+entraToken {
		s, err = iothub.ParseSignature(iothub.Sign(fakeHost, h.key, "iothubowner", time.Now().Add(time.Hour)))
	}
	switch {
	case err != nil:
		return iothub.Errorf(iothub.CodeUnauthorized, "fake: %v", err)
	case !s.SignedBy(h.key), s.Resource != fakeHost, s.KeyName != "iothubowner", !s.Expiry.After(time.Now()):
		return iothub.Errorf(iothub.CodeUnauthorized, "Unauthorized")
	case r.URL.Query().Get("api-version") != "2021-04-12":
		return iothub.Errorf(iothub.CodeArgumentInvalid, "fake: api-version")
	case !uuids.MatchString(r.Header.Get("Request-Id")), !strings.HasPrefix(r.UserAgent(), "latchctl/"):
		return iothub.Errorf(iothub.CodeArgumentInvalid, "fake: Request-Id or User-Agent")
	case (len(body) > 0) != (r.Header.Get("Content-Type") == "application/json; charset=utf-8"):
		return iothub.Errorf(iothub.CodeArgumentInvalid, "fake: Content-Type")
	}
	return nil
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	json.NewEncoder(w).Encode(v)
}

func answerError(w http.ResponseWriter, e *iothub.Error) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(e.Status)
	w.Write(e.Body(time.Now()))
}

// readBody parses a request's body into v. If the body has unknown fields, it answers
// the request with an error and returns false.
func readBody(w http.ResponseWriter, r *http.Request, v any) bool {
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if err := d.Decode(v); err != nil {
		answerError(w, iothub.Errorf(iothub.CodeArgumentInvalid, "fake: body: %v", err))
		return false
	}
	return true
}

// load adds devices to the registry. The devices are given as a JSON array.
func (h *fakeHub) load(text []byte) error {
	var devices []*fakeDevice
	if err := json.Unmarshal(text, &devices); err != nil {
		return err
	}

	h.mu.Lock()
	defer h.mu.Unlock()
	for _, d := range devices {
		h.add(d, iothub.DeviceIdentity{DeviceID: d.ID, Status: iothub.Enabled})
	}
	return nil
}

// add adds a device with generated keys and an empty twin to the registry.
func (h *fakeHub) add(d *fakeDevice, identity iothub.DeviceIdentity) {
	d.desired, d.version = iothub.Object{}, 1
	d.identity = identity
	d.identity.ETag, d.identity.GenerationID = "MTIz", "637"

	d.identity.ConnectionState = iothub.Connected
	if d.Does == "offline" || d.Does == "" {
		d.identity.ConnectionState = iothub.Disconnected
	}
	d.identity.Authentication = &iothub.Authentication{Type: "sas", SymmetricKey: iothub.SymmetricKey{
		PrimaryKey:   base64.StdEncoding.EncodeToString([]byte("first key of " + d.ID)),
		SecondaryKey: base64.StdEncoding.EncodeToString([]byte("second key of " + d.ID))}}
	h.devices[d.ID] = d
}

func (h *fakeHub) putDevice(w http.ResponseWriter, r *http.Request) {
	var d iothub.DeviceIdentity
	if !readBody(w, r, &d) {
		return
	}
	if h.devices[d.DeviceID] != nil {
		answerError(w, iothub.Errorf(iothub.CodeDeviceAlreadyExists, "the device %s already exists", d.DeviceID))
		return
	}
	if d.Status == "" {
		d.Status = iothub.Enabled
	}
	h.add(&fakeDevice{ID: d.DeviceID}, d)
	answer(w, h.devices[d.DeviceID].identity)
}

// device returns the device that the request's path names. If there is no such device,
// it answers the request with an error and returns nil.
func (h *fakeHub) device(w http.ResponseWriter, r *http.Request) *fakeDevice {
	d := h.devices[r.PathValue("id")]
	if d == nil {
		answerError(w, iothub.Errorf(iothub.CodeDeviceNotFound, "the device %s does not exist", r.PathValue("id")))
	}
	return d
}

func (h *fakeHub) getDevice(w http.ResponseWriter, r *http.Request) {
	if d := h.device(w, r); d != nil {
		answer(w, d.identity)
	}
}

func (h *fakeHub) deleteDevice(w http.ResponseWriter, r *http.Request) {
	d := h.device(w, r)
	if d == nil {
		return
	}
	if m := r.Header.Get("If-Match"); m != `"*"` && m != `"MTIz"` {
		answerError(w, iothub.Errorf(iothub.CodePreconditionFailed, "the etag does not match"))
		return
	}
	delete(h.devices, d.ID)
	w.WriteHeader(http.StatusNoContent)
}

func (d *fakeDevice) twin() iothub.Twin {
	desired := d.desired.Merge(iothub.Object{"$version": d.version, "$metadata": iothub.Object{}})
	lock := map[string]any{"position": "locked"}
	if d.Does == "ajar" {
		lock["secured"] = false
	}
	reported := iothub.Object{"lock": lock, "$version": 1}
	return iothub.Twin{DeviceID: d.ID, ETag: "AAAA", Status: d.identity.Status, ConnectionState: d.identity.ConnectionState, Version: d.version + 1,
		Tags: d.Tags, Properties: iothub.TwinProperties{Desired: desired, Reported: reported}}
}

func (h *fakeHub) getTwin(w http.ResponseWriter, r *http.Request) {
	if d := h.device(w, r); d != nil {
		answer(w, d.twin())
	}
}

func (h *fakeHub) patchTwin(w http.ResponseWriter, r *http.Request) {
	var patch struct {
		Tags       iothub.Object
		Properties struct{ Desired iothub.Object }
	}

	d := h.device(w, r)
	if d == nil || !readBody(w, r, &patch) {
		return
	}
	if m := r.Header.Get("If-Match"); m != `"*"` && m != `"AAAA"` {
		answerError(w, iothub.Errorf(iothub.CodePreconditionFailed, "the etag does not match"))
		return
	}

	d.Tags = d.Tags.Merge(patch.Tags)
	d.desired = d.desired.Merge(patch.Properties.Desired)
	d.version++
	answer(w, d.twin())
}

func (h *fakeHub) method(w http.ResponseWriter, r *http.Request) {
	var m iothub.MethodRequest
	d := h.device(w, r)
	if d == nil || !readBody(w, r, &m) {
		return
	}

	if d.Does == "cut" {
		panic(http.ErrAbortHandler)
	}
	if e := d.failure(); e != nil {
		w.WriteHeader(e.Status)
		w.Write(e.MethodBody(time.Now()))
		return
	}

	answer(w, d.answer(m))
}

// streamEvents sends all events of the fake hub and then ends the stream.
func (h *fakeHub) streamEvents(w http.ResponseWriter, r *http.Request) {
	if h.events == "" {
		answerError(w, &iothub.Error{Status: http.StatusNotFound})
		return
	}

	w.Header().Set("Content-Type", "text/event-stream")
	io.WriteString(w, h.events)
}
