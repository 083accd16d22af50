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

// step is one step of a scenario: what the SDK must have given. JSON is compared
// as a value; anything else is an error, with the answer's status and code in
// brackets where there was one. What differs from run to run is masked: TIME,
// UUID, and KEY, ETAG and GENERATION by the names of their members.
type step struct{ name, want string }

// runScenario runs a scenario of the folder scenarios against a hub of its own,
// with flags beside the usual. The steps are those of the program, all of them and
// in its order.
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
		var line outcome
		if err := json.Unmarshal(lines.Bytes(), &line); err != nil {
			t.Fatalf("the program printed %q: %v", lines.Text(), err)
		}
		if n >= len(steps) || steps[n].name != line.Step {
			t.Fatalf("step %d of the program is %q, which is not what is wanted here; it gave %s", n+1, line.Step, line)
		}
		t.Run(line.Step, func(t *testing.T) { line.check(t, steps[n].want) })
	}
	if lines.Err() != nil || n < len(steps) {
		t.Errorf("the program made %d steps of %d, %v", n, len(steps), lines.Err())
	}
}

// outcome is what a step's line says.
type outcome struct {
	Step   string
	Value  json.RawMessage
	Error  string
	Status int
	Code   string
}

func (o outcome) String() string {
	if o.Error == "" {
		text, _ := json.Marshal(masked("", parsed(o.Value)))
		return string(text)
	}
	text := o.Error
	if o.Status != 0 {
		text += fmt.Sprintf(" [%d %s]", o.Status, o.Code)
	}
	return maskText(text)
}

func (o outcome) check(t *testing.T, want string) {
	t.Helper()
	if o.Error == "" && json.Valid([]byte(want)) {
		if reflect.DeepEqual(masked("", parsed(o.Value)), parsed([]byte(want))) {
			return
		}
	} else if o.String() == want {
		return
	}
	t.Errorf("the SDK gave\n%s\nwant\n%s", o, want)
}

func parsed(text []byte) any {
	var v any
	if err := json.Unmarshal(text, &v); err != nil {
		return err
	}
	return v
}

// masks are the members whose values a hub makes by chance or by the time.
var masks = map[string]string{
	"primaryKey": "KEY", "secondaryKey": "KEY", "etag": "ETAG", "deviceEtag": "ETAG", "generationId": "GENERATION",
}

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
	aTime = regexp.MustCompile(`2\d{3}-\d\d-\d\dT[0-9:.]+Z`) // not the year 1, which stands for never
	aUUID = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
	aETag = regexp.MustCompile(`its etag is [^ ,]+`)
)

func maskText(text string) string {
	text = aUUID.ReplaceAllString(aTime.ReplaceAllString(text, "TIME"), "UUID")
	return aETag.ReplaceAllString(text, "its etag is ETAG")
}
