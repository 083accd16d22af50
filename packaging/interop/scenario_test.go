package interop

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net"
	"reflect"
	"regexp"
	"strings"
	"testing"

	"github.com/latchd/latchd/packaging/test/harness"
)

// step is one step of a scenario, with the result that the official SDK must return. A
// result in JSON is compared by its value. Any other result is the text of an error. If
// the hub sent the error, its status and code follow in brackets. TIME, UUID, KEY, ETAG
// and GENERATION stand for values that differ in each run.
type step struct{ name, want string }

// runScenario runs the program called name in the folder scenarios with a new hub.
// flags are additional flags for the hub. steps must list all steps of the program in
// order.
func runScenario(t *testing.T, name string, steps []step, flags ...string) {
	t.Helper()
	needSDK(t)
	t.Parallel()
	h := harness.StartHub(t, bin, flags...)
	_, https, err := net.SplitHostPort(h.HTTPS)
	if err != nil {
		t.Fatal(err)
	}
	_, mqtt, err := net.SplitHostPort(h.MQTT)
	if err != nil {
		t.Fatal(err)
	}

	certFile, keyFile := deviceCertificate(t)
	vouchedFile, vouchedKeyFile := vouchedCertificate(t, h)
	result := harness.Run(t, node("scenarios/run.js", []string{name}, []string{
		"HUB_CONNECTION_STRING=" + h.Service(t), "NODE_EXTRA_CA_CERTS=" + h.CA(), "CA_FILE=" + h.CA(),
		"CERT_FILE=" + certFile, "KEY_FILE=" + keyFile,
		"VOUCHED_CERT_FILE=" + vouchedFile, "VOUCHED_KEY_FILE=" + vouchedKeyFile,
		"ID_SCOPE=" + strings.TrimSpace(h.Enrollment(t, "scope").Want(t, 0).Stdout),
		"HUB_HTTPS_PORT=" + https, "HUB_MQTT_PORT=" + mqtt})).Want(t, 0)

	lines := bufio.NewScanner(strings.NewReader(result.Stdout))
	lines.Buffer(nil, 1<<20)
	n := 0
	for ; lines.Scan(); n++ {
		var line stepResult
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatalf("the program printed %q: %v", lines.Text(), err)
		}
		if n >= len(steps) || steps[n].name != line.Step {
			t.Fatalf("unexpected step %d of the program: %q with the result %s", n+1, line.Step, line)
		}
		t.Run(line.Step, func(t *testing.T) { line.check(t, steps[n].want) })
	}
	if lines.Err() != nil || n < len(steps) {
		t.Errorf("the program ran %d of %d steps, %v", n, len(steps), lines.Err())
	}
}

// stepResult is the line that a scenario's program prints after each step.
type stepResult struct {
	Step   string
	Value  json.RawMessage
	Error  string
	Status int
	Code   string
}

func (r stepResult) String() string {
	if r.Error == "" {
		text, _ := json.Marshal(masked("", parsed(r.Value)))
		return string(text)
	}
	text := r.Error
	if r.Status != 0 {
		text += fmt.Sprintf(" [%d %s]", r.Status, r.Code)
	}
	return maskText(text)
}

func (r stepResult) check(t *testing.T, want string) {
	t.Helper()
	if r.Error == "" && json.Valid([]byte(want)) {
		if reflect.DeepEqual(masked("", parsed(r.Value)), parsed([]byte(want))) {
			return
		}
	} else if r.String() == want {
		return
	}
	t.Errorf("the SDK returned\n%s\nwant\n%s", r, want)
}

// parsed decodes text as JSON. If text is not JSON, parsed returns the error as the
// value.
func parsed(text []byte) any {
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		return err
	}
	return v
}

// masks lists JSON fields whose values differ in each run, with the text that replaces
// each value.
var masks = map[string]string{
	"primaryKey": "KEY", "secondaryKey": "KEY", "etag": "ETAG", "deviceEtag": "ETAG", "generationId": "GENERATION",
}

// masked replaces the values in v that differ in each run. name is the JSON field that
// holds v.
func masked(name string, v any) any {
	switch v := v.(type) {
	case map[string]any:
		for k, member := range v {
			v[k] = masked(k, member)
		}
	case []any:
		for i, element := range v {
			v[i] = masked("", element)
		}
	case string:
		if mask, ok := masks[name]; ok && v != "" {
			return mask
		}
		return maskText(v)
	}
	return v
}

var (
	aTime = regexp.MustCompile(`2\d{3}-\d\d-\d\dT[0-9:.]+Z`) // the year 1 does not match, because it means "never"
	aUUID = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
	aETag = regexp.MustCompile(`its etag is [^ ,]+`)
)

func maskText(text string) string {
	text = aUUID.ReplaceAllString(aTime.ReplaceAllString(text, "TIME"), "UUID")
	return aETag.ReplaceAllString(text, "its etag is ETAG")
}
