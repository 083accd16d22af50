package interop

import (
	"context"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
	"github.com/latchd/latchd/transport/trust"
)

// recorded is a request that a recorder has received.
type recorded struct {
	method, uri string
	header      http.Header
	body        string
	arrival     time.Time
}

// recorderKey is the key of the policy iothubowner in each recorder.
var recorderKey = iothub.Key("a key of the recording hub's own")

// recorder is a hub for tests. It records the requests and sends minimal answers. Its
// answer to a query has two pages.
type recorder struct {
	*httptest.Server
	caFile, port string

	mu       sync.Mutex
	requests []recorded
}

func startRecorder(t *testing.T) *recorder {
	t.Helper()
	r := &recorder{}
	r.Server = httptest.NewTLSServer(r)
	t.Cleanup(r.Server.Close)
	r.caFile = filepath.Join(t.TempDir(), "ca.pem")
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: r.Certificate().Raw})
	if err := os.WriteFile(r.caFile, text, 0o600); err != nil {
		t.Fatal(err)
	}
	u, err := url.Parse(r.URL)
	if err != nil {
		t.Fatal(err)
	}
	r.port = u.Port()
	return r
}

// service returns a service connection string for the recorder. The recorder's
// certificate is valid for the host name in it.
func (r *recorder) service() iothub.Service {
	return iothub.Service{HostName: "127.0.0.1", KeyName: "iothubowner", Key: recorderKey}
}

func (r *recorder) connectionString() string { return r.service().ConnectionString() }

// client returns a client that sends requests to the recorder. The client uses tokens
// from Entra ID that token returns, or the recorder's key if token is nil.
func (r *recorder) client(token func(context.Context) (string, error)) *rest.Client {
	roots := x509.NewCertPool()
	roots.AddCert(r.Certificate())
	return rest.New(r.service(), rest.Options{Endpoint: &url.URL{Scheme: "https", Host: "127.0.0.1:" + r.port}, RootCAs: trust.Pool(roots), Token: token})
}

// ServeHTTP records a request and sends a minimal answer.
func (r *recorder) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, _ := io.ReadAll(req.Body)
	header := req.Header.Clone()
	header.Set("Host", req.Host)
	r.mu.Lock()
	r.requests = append(r.requests, recorded{req.Method, req.RequestURI, header, string(body), time.Now()})
	r.mu.Unlock()

	path := req.URL.Path
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	isQuery := strings.HasSuffix(path, "/query")
	switch {
	case req.Method == http.MethodDelete:
		w.WriteHeader(http.StatusNoContent)
	case isQuery, path == "/devices/":
		if isQuery && req.Header.Get("X-Ms-Continuation") == "" && !strings.Contains(string(body), "devices.jobs") {
			w.Header().Set("X-Ms-Continuation", "the rest")
		}
		io.WriteString(w, "[]")
	case path == "/devices":
		io.WriteString(w, `{"isSuccessful":true,"errors":[],"warnings":[]}`)
	case strings.HasSuffix(path, "/methods"):
		io.WriteString(w, `{"status":200,"payload":null}`)
	default:
		io.WriteString(w, `{"deviceId":"d1","jobId":"job-1"}`)
	}
}

// take returns the recorded requests and forgets them.
func (r *recorder) take() []recorded {
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := r.requests
	r.requests = nil
	return taken
}

// differences compares the official SDK's request r with the project's request. The
// keys of the result name the parts that differ: "method", "path", "query", "header
// NAME" or "body.FIELD".
func (r recorded) differences(ours recorded) map[string]string {
	found := make(map[string]string)
	differ := func(what string, theirs, ours any) {
		if !reflect.DeepEqual(theirs, ours) {
			found[what] = fmt.Sprintf("the SDK sends %v, we send %v", theirs, ours)
		}
	}

	theirPath, theirQuery, _ := strings.Cut(r.uri, "?")
	ourPath, ourQuery, _ := strings.Cut(ours.uri, "?")
	differ("method", r.method, ours.method)
	differ("path", theirPath, ourPath)
	differ("query", theirQuery, ourQuery)

	theirHeader, ourHeader := r.shape(), ours.shape()
	for name := range theirHeader {
		differ("header "+name, theirHeader[name], ourHeader[name])
	}
	for name := range ourHeader {
		differ("header "+name, theirHeader[name], ourHeader[name])
	}
	bodyDifferences("body", bodyOf(r.body), bodyOf(ours.body), differ)
	return found
}

// bodyOf decodes a request's JSON body. It returns missing for an empty body, which
// must differ from the JSON value null.
func bodyOf(text string) any {
	if text == "" {
		return missing
	}
	return parsed([]byte(text))
}

const missing = "(nothing)"

// bodyDifferences compares two JSON values field by field. The order of the fields does
// not matter. at is the path of the two values in the body.
func bodyDifferences(at string, theirs, ours any, differ func(string, any, any)) {
	member := func(v any, has bool) any {
		if !has {
			return missing
		}
		return v
	}
	switch t := theirs.(type) {
	case map[string]any:
		if o, ok := ours.(map[string]any); ok {
			for name := range union(t, o) {
				tv, inTheirs := t[name]
				ov, inOurs := o[name]
				bodyDifferences(at+"."+name, member(tv, inTheirs), member(ov, inOurs), differ)
			}
			return
		}
	case []any:
		if o, ok := ours.([]any); ok && len(o) == len(t) {
			for i := range t {
				bodyDifferences(fmt.Sprintf("%s[%d]", at, i), t[i], o[i], differ)
			}
			return
		}
	}
	differ(at, theirs, ours)
}

func union(a, b map[string]any) map[string]any {
	all := maps.Clone(a)
	maps.Copy(all, b)
	return all
}

var (
	requestID = regexp.MustCompile(`^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)
	signature = regexp.MustCompile(`^SharedAccessSignature sr=([^&]+)&sig=([A-Za-z0-9%]+)&skn=([^&]+)&se=(\d+)$`)
)

// shape returns a request's headers in a form that can be compared. It replaces a valid
// value that differs in each request by a description. It removes Content-Length if
// there is a body, because the bodies are compared, too.
func (r recorded) shape() http.Header {
	h := r.header.Clone()
	if requestID.MatchString(h.Get("Request-Id")) {
		h.Set("Request-Id", "a UUID")
	}
	if m := signature.FindStringSubmatch(h.Get("Authorization")); m != nil {
		s, err := iothub.ParseSignature(h.Get("Authorization"))
		life := s.Expiry.Sub(r.arrival)
		if err == nil && s.SignedBy(recorderKey) && life > 59*time.Minute && life < 61*time.Minute {
			h.Set("Authorization", "sr="+m[1]+", signed by the key, skn="+m[3]+", for an hour")
		}
	}
	if r.body != "" {
		h.Del("Content-Length")
	}
	return h
}
