package hub_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/transport/hub"
	"github.com/latchd/latchd/transport/invitation"
	"github.com/latchd/latchd/transport/iothub"
)

// invitePerson requests an invitation of a person and returns the person's policy with the
// one-time key.
func (r *running) invitePerson(name, body string) iothub.Service {
	r.t.Helper()
	var answer struct{ Code string }
	r.do(http.MethodPut, "/invitations/people/"+name, json.RawMessage(body), &answer)
	person, err := invitation.ParsePerson(answer.Code)
	if err != nil || person.Hub != "hub.test:"+port(r.at.HTTPS) || person.Policy != name {
		r.t.Fatalf("the code is for %s at %s, %v", person.Policy, person.Hub, err)
	}
	return iothub.Service{HostName: "hub.test", KeyName: person.Policy, Key: person.Key}
}

// token returns a token of a policy.
func token(policy iothub.Service) string {
	return iothub.Sign("hub.test", policy.Key, policy.KeyName, time.Now().Add(time.Hour))
}

// ask sends a request with a key of a policy.
func (r *running) ask(policy iothub.Service, method, path string) (status int, body []byte) {
	r.t.Helper()
	request, err := http.NewRequestWithContext(r.t.Context(), method, "https://"+r.at.HTTPS.String()+path+"?api-version=2021-04-12", strings.NewReader("{}"))
	if err != nil {
		r.t.Fatal(err)
	}
	request.Header.Set("Authorization", token(policy))
	answer, err := r.http.Do(request)
	if err != nil {
		r.t.Fatal(err)
	}
	defer answer.Body.Close()
	body, err = io.ReadAll(answer.Body)
	if err != nil {
		r.t.Fatal(err)
	}
	return answer.StatusCode, body
}

// redeem exchanges the one-time key of a policy for the person's own key.
func (r *running) redeem(policy iothub.Service) iothub.Service {
	r.t.Helper()
	status, body := r.ask(policy, http.MethodPost, "/invitations/people/"+policy.KeyName+"/redeem")
	var answer struct{ Key string }
	json.Unmarshal(body, &answer)
	key, err := iothub.ParseKey(answer.Key)
	if status != http.StatusOK || err != nil || bytes.Equal(key, policy.Key) {
		r.t.Fatalf("redeem: %d %s, %v", status, body, err)
	}
	policy.Key = key
	return policy
}

// A viewer reads; an operator also acts on doors. Neither can read keys, change devices or
// invite others, nor log in as a device.
func TestRoles(t *testing.T) {
	t.Parallel()

	r := start(t, t.TempDir())
	r.createDevice("door1")
	requests := []struct {
		request, may string // whether viewer and operator may send the request
	}{
		{"GET /twins/door1", "yy"}, {"GET /jobs/v2/query", "yy"}, {"GET /statistics/service", "yy"}, {"POST /devices/query", "yy"},
		{"PATCH /twins/door1", "ny"}, {"POST /twins/door1/methods", "ny"}, {"PUT /jobs/v2/j", "ny"}, {"POST /jobs/v2/j/cancel", "ny"},
		{"GET /devices/door1", "nn"}, {"PUT /devices/door2", "nn"}, {"DELETE /devices/door1", "nn"}, {"GET /enrollments/x", "nn"},
		{"GET /policies", "nn"}, {"PUT /invitations/people/bob", "nn"}, {"PUT /invitations/doors/x", "nn"}, {"DELETE /policies/vera", "nn"},
		{"POST /invitations/people/vera/redeem", "nn"}, {"POST /invitations/people/oscar/redeem", "nn"},
	}
	for i, person := range []struct{ name, role string }{{"vera", "viewer"}, {"oscar", "operator"}} {
		own := r.redeem(r.invitePerson(person.name, `{"role":"`+person.role+`"}`))
		for _, request := range requests {
			method, path, _ := strings.Cut(request.request, " ")
			status, body := r.ask(own, method, path)
			refused := status == http.StatusUnauthorized && bytes.Contains(body, []byte("does not have the right"))
			if may := request.may[i] == 'y'; may == refused {
				t.Errorf("%s as %s: %d %s, allowed: %v", request.request, person.role, status, body, may)
			}
		}
		if r.canLogIn(own, "door1") {
			t.Errorf("a %s can log in as a device", person.role)
		}
	}

	// The holder of another policy cannot make itself an operator.
	for _, name := range []string{"service", "registryReadWrite"} {
		if status := r.status(t, policy(t, r.dir, name, false), http.MethodPut, "/invitations/people/eve"); status != http.StatusUnauthorized {
			t.Errorf("the policy %s may invite persons: %d", name, status)
		}
	}
}

// The first request with the person's own key ends the code, also across a restart.
func TestStolenCodeOfAPerson(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	r := start(t, dir)
	code := r.invitePerson("anna", `{"role":"viewer"}`)
	if status, _ := r.ask(code, http.MethodGet, "/twins/x"); status != http.StatusUnauthorized {
		t.Errorf("the one-time key reads a twin: %d", status)
	}
	lost := r.redeem(code)
	own := r.redeem(code) // the first answer is lost
	if status, _ := r.ask(lost, http.MethodGet, "/jobs/v2/query"); status != http.StatusUnauthorized {
		t.Errorf("the key of the first use is still valid: %d", status)
	}
	if status, body := r.ask(own, http.MethodGet, "/jobs/v2/query"); status != http.StatusOK {
		t.Fatalf("the person's own key: %d %s", status, body)
	}

	refused := func() {
		t.Helper()
		if status, body := r.ask(code, http.MethodPost, "/invitations/people/anna/redeem"); status != http.StatusUnauthorized {
			t.Errorf("the stolen code at its second use: %d %s", status, body)
		}
	}
	refused()
	r.stop()
	r = start(t, dir)
	refused()
	if status, _ := r.ask(own, http.MethodGet, "/jobs/v2/query"); status != http.StatusOK {
		t.Errorf("the person has no access after a restart: %d", status)
	}
}

// A revoked person loses access at once: the open stream of events ends, a running request
// is refused, and so is the next one.
func TestRevokedPerson(t *testing.T) {
	t.Parallel()

	r := start(t, t.TempDir())
	r.createDevice("door1")
	own := r.redeem(r.invitePerson("anna", `{"role":"operator"}`))
	other := r.redeem(r.invitePerson("bert", `{"role":"operator"}`))

	stream := r.listen("", own.KeyName, own.Key)
	events := &eventReader{t, bufio.NewReader(stream.Body)}
	if kind, _ := events.next(); kind != "ready" {
		t.Fatalf("the first event is %s", kind)
	}
	waiting := make(chan int)
	go func() { // a method call that waits for the device to connect
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPost,
			"https://"+r.at.HTTPS.String()+"/twins/door1/methods?api-version=2021-04-12",
			strings.NewReader(`{"methodName":"lockDoor","connectTimeoutInSeconds":300}`))
		if err != nil {
			t.Error(err)
		}
		request.Header.Set("Authorization", token(own))
		answer, err := r.http.Do(request)
		if err != nil {
			t.Error(err)
			close(waiting)
			return
		}
		answer.Body.Close()
		waiting <- answer.StatusCode
	}()

	r.do(http.MethodDelete, "/policies/ANNA", nil, nil)
	if status, _ := r.ask(own, http.MethodGet, "/jobs/v2/query"); status != http.StatusUnauthorized {
		t.Errorf("the next request of the revoked person: %d", status)
	}
	if kind, data := events.next(); kind != "end" || data["reason"] != "the access has been revoked" {
		t.Errorf("the last event is %s %v", kind, data)
	}
	if _, err := events.lines.ReadString('\n'); err != io.EOF {
		t.Errorf("the stream of events goes on: %v", err)
	}
	if status := <-waiting; status != http.StatusUnauthorized {
		t.Errorf("the running request got %d", status)
	}
	if status, _ := r.ask(other, http.MethodGet, "/jobs/v2/query"); status != http.StatusOK {
		t.Errorf("another person lost access: %d", status)
	}
	if status, _ := r.ask(r.owner, http.MethodDelete, "/policies/anna"); status != http.StatusNotFound {
		t.Errorf("the second revocation: %d", status)
	}
}

func TestRefusedInvitationsOfPersons(t *testing.T) {
	t.Parallel()

	r := start(t, t.TempDir())
	r.redeem(r.invitePerson("anna", `{"role":"viewer"}`))
	for _, test := range []struct {
		name, body string
		status     int
	}{
		{"anna", `{"role":"viewer"}`, http.StatusConflict},
		{"Anna", `{"role":"viewer"}`, http.StatusConflict},
		{"service", `{"role":"viewer"}`, http.StatusBadRequest},
		{"IoTHubOwner", `{"role":"viewer"}`, http.StatusBadRequest},
		{"bert", `{"role":"owner"}`, http.StatusBadRequest},
		{"bert", `{}`, http.StatusBadRequest},
		{"-bert", `{"role":"viewer"}`, http.StatusBadRequest},
		{"bert", `{"role":"viewer","validSeconds":604801}`, http.StatusBadRequest},
	} {
		request, err := http.NewRequestWithContext(t.Context(), http.MethodPut,
			"https://"+r.at.HTTPS.String()+"/invitations/people/"+test.name+"?api-version=2021-04-12", strings.NewReader(test.body))
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("Authorization", token(r.owner))
		answer, err := r.http.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != test.status {
			t.Errorf("%s %s: %d, want %d", test.name, test.body, answer.StatusCode, test.status)
		}
	}
}

// A restore ends codes, but a person who uses the hub keeps the access.
func TestRestoreKeepsPersons(t *testing.T) {
	t.Parallel()

	dir, file := t.TempDir(), filepath.Join(t.TempDir(), "backup.tar")
	r := start(t, dir)
	code := r.invitePerson("anna", `{"role":"viewer"}`)
	own := r.redeem(code)
	never := r.invitePerson("bert", `{"role":"viewer"}`)
	if err := hub.Backup(t.Context(), dir, file); err != nil {
		t.Fatal(err)
	}
	r.stop()

	restored := t.TempDir()
	if _, err := hub.Restore(t.Context(), restored, file); err != nil {
		t.Fatal(err)
	}
	r = start(t, restored)
	for _, old := range []iothub.Service{code, never} {
		if status, _ := r.ask(old, http.MethodPost, "/invitations/people/"+old.KeyName+"/redeem"); status != http.StatusUnauthorized {
			t.Errorf("the code of %s is valid at the restored hub: %d", old.KeyName, status)
		}
	}
	if status, _ := r.ask(own, http.MethodGet, "/jobs/v2/query"); status != http.StatusOK {
		t.Errorf("the person lost access: %d", status)
	}
}
