package hub_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/latchd/latchd/transport/hub"
	"github.com/latchd/latchd/transport/iothub"
)

// running is a hub on free ports, with an API client that has the owner's key.
type running struct {
	t     *testing.T
	dir   string
	at    hub.Addresses
	owner iothub.Service
	roots *x509.CertPool
	http  *http.Client
	end   context.CancelFunc
	ended chan error
}

func start(t *testing.T, dir string) *running {
	t.Helper()
	return startWith(t, dir, func(*hub.Options) {})
}

func startWith(t *testing.T, dir string, change func(*hub.Options)) *running {
	t.Helper()
	ctx, end := context.WithCancel(t.Context())
	r := &running{t: t, dir: dir, end: end, ended: make(chan error, 1)}
	ready := make(chan hub.Addresses, 1)
	go func() {
		opts := hub.Options{
			DataDir: dir, MQTTAddr: "127.0.0.1:0", HTTPSAddr: "127.0.0.1:0", Name: "hub.test",
			Ready: func(a hub.Addresses) { ready <- a },
		}
		change(&opts)
		r.ended <- hub.Run(ctx, opts)
	}()
	select {
	case r.at = <-ready:
	case err := <-r.ended:
		t.Fatalf("start the hub: %v", err)
	}
	t.Cleanup(r.stop)
	text, err := os.ReadFile(filepath.Join(dir, "service.connection-string"))
	if err != nil {
		t.Fatal(err)
	}
	if r.owner, err = iothub.ParseService(string(text)); err != nil {
		t.Fatal(err)
	}
	ca, err := os.ReadFile(filepath.Join(dir, "ca.pem"))
	if err != nil {
		t.Fatal(err)
	}
	r.roots = x509.NewCertPool()
	r.roots.AppendCertsFromPEM(ca)
	r.http = &http.Client{Transport: &http.Transport{TLSClientConfig: r.tls()}}
	return r
}

// stop stops the hub and checks that it ends without an error.
func (r *running) stop() {
	if r.end == nil {
		return
	}
	r.end()
	r.end = nil
	if err := <-r.ended; err != nil {
		r.t.Errorf("the hub ended with %v", err)
	}
	r.http.CloseIdleConnections()
}

// id returns the hub's id, which its answers carry, even to clients without a token.
func (r *running) id() iothub.HubID {
	r.t.Helper()
	answer, err := r.http.Get("https://" + r.at.HTTPS.String() + "/")
	if err != nil {
		r.t.Fatal(err)
	}
	answer.Body.Close()

	id := answer.Header.Get(iothub.HubIDHeader)
	if err := iothub.CheckHubID(id); err != nil {
		r.t.Fatal(err)
	}
	return iothub.HubID(id)
}

func (r *running) tls() *tls.Config {
	return &tls.Config{RootCAs: r.roots, ServerName: "hub.test"}
}

// do sends a request with the owner's token and parses the answer into out.
func (r *running) do(method, path string, in, out any) {
	r.t.Helper()
	var body io.Reader
	if in != nil {
		text, err := json.Marshal(in)
		if err != nil {
			r.t.Fatal(err)
		}
		body = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(r.t.Context(), method,
		"https://"+r.at.HTTPS.String()+path+"?api-version="+iothub.APIVersion, body)
	if err != nil {
		r.t.Fatal(err)
	}
	request.Header.Set("Authorization", iothub.Sign("hub.test", r.owner.Key, r.owner.KeyName, time.Now().Add(time.Hour)))
	request.Header.Set("If-Match", `"*"`)
	if method == http.MethodPut {
		request.Header.Del("If-Match")
	}
	answer, err := r.http.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	if answer.StatusCode >= 300 {
		r.t.Fatalf("%s %s: %s %s", method, path, answer.Status, text)
	}
	if out != nil {
		if err := json.Unmarshal(text, out); err != nil {
			r.t.Fatalf("%s %s: %v in %s", method, path, err, text)
		}
	}
}

// createDevice creates a device and returns its primary key.
func (r *running) createDevice(id string) iothub.Key {
	r.t.Helper()
	var d iothub.DeviceIdentity
	r.do(http.MethodPut, "/devices/"+id, iothub.DeviceIdentity{DeviceID: id}, &d)
	key, err := iothub.ParseKey(d.Authentication.SymmetricKey.PrimaryKey)
	if err != nil {
		r.t.Fatal(err)
	}
	return key
}

// job waits until the job has ended, and returns it.
func (r *running) job(id string) (job iothub.Job) {
	r.t.Helper()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		r.do(http.MethodGet, "/jobs/v2/"+id, nil, &job)
		if job.Status.Ended() {
			return job
		}
		select {
		case <-tick.C:
		case <-r.t.Context().Done():
			r.t.Fatalf("job %s is still %s", id, job.Status)
		}
	}
}

// device is a simulated device with the real MQTT client. It answers each method with
// the method's name. It passes desired patches to a channel.
type device struct {
	mqtt.Client
	desired chan iothub.Object
	lost    chan error
	calls   chan string
}

func (r *running) connect(id string, key iothub.Key, clean bool) (*device, error) {
	d := &device{desired: make(chan iothub.Object, 10), lost: make(chan error, 1), calls: make(chan string, 10)}
	opts := mqtt.NewClientOptions().AddBroker("ssl://" + r.at.MQTT.String()).SetTLSConfig(r.tls()).
		SetProtocolVersion(4).SetClientID(id).SetCleanSession(clean).SetAutoReconnect(false).SetConnectRetry(false).
		SetUsername(iothub.UserName{HostName: "hub.test", DeviceID: id, ModelID: "dtmi:latchd:DoorLock;1"}.String()).
		SetPassword(iothub.Sign(iothub.DeviceResource("hub.test", id, ""), key, "", time.Now().Add(time.Hour))).
		SetConnectionLostHandler(func(_ mqtt.Client, err error) { d.lost <- err }).
		SetDefaultPublishHandler(func(c mqtt.Client, m mqtt.Message) {
			if name, rid, err := iothub.ParseMethodRequest(m.Topic()); err == nil {
				d.calls <- name
				go c.Publish(iothub.MethodResponseTopic(200, rid), 0, false, fmt.Sprintf(`{"did":%q}`, name)).Wait()
			} else if _, err := iothub.ParseDesired(m.Topic()); err == nil {
				patch, err := iothub.ParseObject(m.Payload())
				if err != nil {
					r.t.Errorf("desired patch %s: %v", m.Payload(), err)
				}
				d.desired <- patch
			}
		})
	d.Client = mqtt.NewClient(opts)
	token := d.Connect()
	token.Wait()
	if token.Error() == nil {
		r.t.Cleanup(func() { d.Disconnect(0) })
	}
	return d, token.Error()
}

func (d *device) subscribe(t *testing.T) {
	t.Helper()
	token := d.SubscribeMultiple(map[string]byte{iothub.MethodsFilter: 0, iothub.DesiredFilter: 0}, nil)
	if token.Wait(); token.Error() != nil {
		t.Fatal(token.Error())
	}
}

// methodJob returns a job that calls lockDoor on the devices for which the condition is
// true.
func methodJob(id, condition string) iothub.Job {
	return iothub.Job{JobID: id, Type: iothub.ScheduleDeviceMethod, QueryCondition: condition,
		CloudToDeviceMethod: &iothub.MethodRequest{MethodName: "lockDoor", ResponseTimeoutInSeconds: 15}}
}

func TestBothJobsOnARealDevice(t *testing.T) {
	t.Parallel()

	r := start(t, t.TempDir())
	key := r.createDevice("door1")
	r.createDevice("door2") // this device stays offline
	d, err := r.connect("door1", key, true)
	if err != nil {
		t.Fatal(err)
	}
	d.subscribe(t)

	r.do(http.MethodPut, "/jobs/v2/lock", methodJob("lock", "deviceId IN ['door1','door2']"), nil)
	job := r.job("lock")
	want := iothub.JobStatistics{DeviceCount: 2, SucceededCount: 1, FailedCount: 1}
	if job.Status != iothub.JobCompleted || *job.DeviceJobStatistics != want {
		t.Errorf("the method job ended with %s %+v", job.Status, *job.DeviceJobStatistics)
	}
	var rows []iothub.DeviceJob
	r.do(http.MethodPost, "/devices/query", map[string]string{"query": "SELECT * FROM devices.jobs WHERE devices.jobs.jobId = 'lock'"}, &rows)
	outcomes := map[string]iothub.Outcome{}
	for _, row := range rows {
		outcomes[row.DeviceID] = row.Judge().Outcome
	}
	if len(rows) != 2 || outcomes["door1"] != iothub.Succeeded || outcomes["door2"] != iothub.Offline {
		t.Errorf("outcomes: %v", outcomes)
	}

	r.do(http.MethodPut, "/jobs/v2/floor", json.RawMessage(
		`{"type":"scheduleUpdateTwin","queryCondition":"deviceId = 'door1'","updateTwin":{"etag":"*","desired":{"building":"43","floor":3}}}`), nil)
	if job := r.job("floor"); job.Status != iothub.JobCompleted || job.DeviceJobStatistics.SucceededCount != 1 {
		t.Errorf("the twin job ended with %s %+v", job.Status, *job.DeviceJobStatistics)
	}
	if patch := <-d.desired; patch["building"] != "43" || patch.Version() != 2 {
		t.Errorf("the device received %v", patch)
	}
	var twin iothub.Twin
	r.do(http.MethodGet, "/twins/door1", nil, &twin)
	if twin.Properties.Desired["building"] != "43" || twin.ConnectionState != iothub.Connected || twin.ModelID != "dtmi:latchd:DoorLock;1" {
		t.Errorf("the twin: %+v", twin)
	}
	var answer iothub.MethodResponse
	r.do(http.MethodPost, "/twins/door1/methods", iothub.MethodRequest{MethodName: "ping"}, &answer)
	if answer.Status != 200 || string(answer.Payload) != `{"did":"ping"}` {
		t.Errorf("the answer to the method is %d %s", answer.Status, answer.Payload)
	}
}

// A job waits for a device that is offline, with its row pending, and calls it as soon as
// it connects.
func TestJobWaitsForARealDevice(t *testing.T) {
	t.Parallel()

	r := start(t, t.TempDir())
	key := r.createDevice("door1")
	waiting := methodJob("lock", "deviceId = 'door1'")
	waiting.CloudToDeviceMethod.ConnectTimeoutInSeconds = 60
	r.do(http.MethodPut, "/jobs/v2/lock", waiting, nil)

	d, err := r.connect("door1", key, true)
	if err != nil {
		t.Fatal(err)
	}
	var rows []iothub.DeviceJob
	r.do(http.MethodPost, "/devices/query", map[string]string{"query": "SELECT * FROM devices.jobs"}, &rows)
	if len(rows) > 0 && rows[0].Status != iothub.DevicePending {
		t.Errorf("before the device subscribes, its row is %+v", rows[0])
	}

	d.subscribe(t)
	if job := r.job("lock"); job.Status != iothub.JobCompleted || job.DeviceJobStatistics.SucceededCount != 1 {
		t.Errorf("the job ended with %s %+v", job.Status, *job.DeviceJobStatistics)
	}
}

func TestDisabledDeviceIsDisconnected(t *testing.T) {
	t.Parallel()

	for name, change := range map[string]iothub.DeviceIdentity{
		"disabled": {Status: iothub.Disabled},
		"new keys": {Authentication: &iothub.Authentication{Type: "sas", SymmetricKey: iothub.SymmetricKey{
			PrimaryKey: iothub.NewKey().Base64(), SecondaryKey: iothub.NewKey().Base64()}}},
	} {
		t.Run(name, func(t *testing.T) {
			r := start(t, t.TempDir())
			key := r.createDevice("door1")
			d, err := r.connect("door1", key, true)
			if err != nil {
				t.Fatal(err)
			}
			change.DeviceID = "door1"
			r.do(http.MethodPost, "/devices", []map[string]any{{
				"id": "door1", "importMode": "Update", "status": change.Status, "authentication": change.Authentication,
			}}, nil)
			<-d.lost
			if _, err := r.connect("door1", key, true); err == nil || !strings.Contains(strings.ToLower(err.Error()), "not authorized") {
				t.Errorf("the device can log in again: %v", err)
			}
		})
	}
}

// A service replaces a device's two keys, one after the other. At any time, one of them
// must work.
func TestKeyRotation(t *testing.T) {
	t.Parallel()

	r := start(t, t.TempDir())
	old := r.createDevice("door1")
	change := func(primary, secondary iothub.Key) {
		t.Helper()
		r.do(http.MethodPost, "/devices", []map[string]any{{"id": "door1", "importMode": "Update", "status": iothub.Enabled,
			"authentication": iothub.Authentication{Type: "sas", SymmetricKey: iothub.SymmetricKey{
				PrimaryKey: primary.Base64(), SecondaryKey: secondary.Base64()}}}}, nil)
	}
	in := func(what string, key iothub.Key, want bool) {
		t.Helper()
		d, err := r.connect("door1", key, true)
		if (err == nil) != want {
			t.Errorf("login with the %s key: %v", what, err)
		}
		d.Disconnect(0)
	}
	secondary, primary := iothub.NewKey(), iothub.NewKey()
	change(old, secondary)
	in("old primary", old, true)
	in("new secondary", secondary, true)
	change(primary, secondary)
	in("old primary", old, false)
	in("secondary", secondary, true)
	in("new primary", primary, true)
}

func TestEverythingSurvivesARestart(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	r := start(t, dir)
	key := r.createDevice("door1")
	d, err := r.connect("door1", key, false)
	if err != nil {
		t.Fatal(err)
	}
	d.subscribe(t)
	owner := r.owner
	ca, _ := os.ReadFile(filepath.Join(dir, "ca.pem"))
	r.stop()
	<-d.lost

	r = start(t, dir)
	if r.owner.ConnectionString() != owner.ConnectionString() {
		t.Error("the owner's connection string has changed")
	}
	if again, _ := os.ReadFile(filepath.Join(dir, "ca.pem")); !bytes.Equal(ca, again) {
		t.Error("the CA has changed")
	}
	// Like the official SDK, the device does not subscribe again after a reconnect.
	d, err = r.connect("door1", key, false)
	if err != nil {
		t.Fatal(err)
	}
	var answer iothub.MethodResponse
	r.do(http.MethodPost, "/twins/door1/methods", iothub.MethodRequest{MethodName: "ping", ConnectTimeoutInSeconds: 5}, &answer)
	if answer.Status != 200 || <-d.calls != "ping" {
		t.Errorf("the answer to the method is %d %s", answer.Status, answer.Payload)
	}
}

// Each hub has an id of its own, and keeps it.
func TestHubID(t *testing.T) {
	t.Parallel()
	north, south := start(t, t.TempDir()), start(t, t.TempDir())
	id := north.id()
	if other := south.id(); id.SameHub(other) {
		t.Errorf("two hubs have the ids %s and %s", id, other)
	}

	north.stop()
	if again := start(t, north.dir).id(); again != id {
		t.Errorf("after a restart the id is %s, want %s", again, id)
	}
}

func TestOneHubPerDirectory(t *testing.T) {
	t.Parallel()

	r := start(t, t.TempDir())
	err := hub.Run(t.Context(), hub.Options{DataDir: r.dir, MQTTAddr: "127.0.0.1:0", HTTPSAddr: "127.0.0.1:0"})
	if err == nil || !strings.Contains(err.Error(), "in use by another hub") {
		t.Errorf("a second hub with the same data directory: %v", err)
	}
}

func TestStartErrors(t *testing.T) {
	t.Parallel()

	r := start(t, t.TempDir())
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	halfCA, badOwner := t.TempDir(), t.TempDir()
	for path, text := range map[string]string{
		filepath.Join(halfCA, "ca.key"):                      "x",
		filepath.Join(badOwner, "service.connection-string"): "HostName=hub",
	} {
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for name, test := range map[string]struct {
		opts hub.Options
		want string
	}{
		"port in use":        {hub.Options{DataDir: t.TempDir(), MQTTAddr: r.at.MQTT.String(), HTTPSAddr: "127.0.0.1:0"}, "in use by another program; stop that program or choose another port with --mqtt"},
		"HTTPS port in use":  {hub.Options{DataDir: t.TempDir(), MQTTAddr: "127.0.0.1:0", HTTPSAddr: r.at.HTTPS.String()}, "--https"},
		"bad name":           {hub.Options{DataDir: t.TempDir(), Name: "https://hub"}, "want a host name"},
		"name with a port":   {hub.Options{DataDir: t.TempDir(), Name: "hub:8443"}, "want a host name"},
		"directory a file":   {hub.Options{DataDir: file}, "choose another with --data"},
		"half a CA":          {hub.Options{DataDir: halfCA}, "ca.pem is missing; restore the missing file, or remove"},
		"bad owner's string": {hub.Options{DataDir: badOwner}, "correct the file, or remove it to get a new key"},
	} {
		t.Run(name, func(t *testing.T) {
			err := hub.Run(t.Context(), test.opts)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}
