package api_test

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/transport/hub/internal/access"
	"github.com/latchd/latchd/transport/hub/internal/api"
	"github.com/latchd/latchd/transport/hub/internal/feed"
	"github.com/latchd/latchd/transport/hub/internal/jobs"
	"github.com/latchd/latchd/transport/hub/internal/people"
	"github.com/latchd/latchd/transport/hub/internal/provisioning"
	"github.com/latchd/latchd/transport/hub/internal/store"
	"github.com/latchd/latchd/transport/iothub"
)

// FuzzRequests sends random requests with the owner's token. The hub must not fail: each
// answer must be complete and have the documented form, and the store must remain
// readable.
func FuzzRequests(f *testing.F) {
	for _, seed := range []struct{ method, target, header, body string }{
		{"PUT", "/devices/d2", "", `{"deviceId":"d2","authentication":{"type":"sas","symmetricKey":{"primaryKey":"","secondaryKey":""}}}`},
		{"PUT", "/devices/d1", `If-Match: "*"`, `{"deviceId":"d1","status":"disabled","statusReason":"x"}`},
		{"DELETE", "/devices/d2", `If-Match: "MTIz"`, ""},
		{"GET", "/devices?top=3", "", ""},
		{"POST", "/devices", "", `[{"id":"d3","importMode":"create","tags":{"a":1}},{"id":"d1","importMode":"updateTwin","properties":{"desired":{"b":[1]}}}]`},
		{"POST", "/devices/query", "x-ms-max-item-count: 1", `{"query":"SELECT TOP 3 tags.a AS x, COUNT() AS n FROM devices WHERE deviceId IN ['d1'] GROUP BY tags.a"}`},
		{"POST", "/devices/query", "x-ms-continuation: abc", `{"query":"SELECT * FROM devices.jobs WHERE devices.jobs.jobId = 'j'"}`},
		{"PATCH", "/twins/d1", "", `{"tags":{"site":{"room":null}},"properties":{"desired":{"floor":3.5,"list":[true,{"x":"y"}]}}}`},
		{"PUT", "/twins/d1", `If-Match: AAAAAAAAAAE=`, `{"etag":"*","desired":{"floor":3}}`},
		{"POST", "/twins/d1/methods", "", `{"methodName":"lockDoor","payload":{"a":[1]},"responseTimeoutInSeconds":5}`},
		{"PUT", "/jobs/v2/j2", "", `{"type":"scheduleUpdateTwin","queryCondition":"tags.a > 1","updateTwin":{"tags":{"a":2}},"startTime":"2099-01-01T00:00:00Z"}`},
		{"PUT", "/jobs/v2/j3", "", `{"type":"scheduleDeviceMethod","queryCondition":"*","cloudToDeviceMethod":{"methodName":"m"},"maxExecutionTimeInSeconds":1}`},
		{"POST", "/jobs/v2/j2/cancel", "", ""},
		{"GET", "/jobs/v2/query?jobType=scheduleUpdateTwin&jobStatus=scheduled", "x-ms-continuation: am9iczox", ""},
		{"GET", "/jobs/v2/a%2Fb", "", ""},
		{"PUT", "/enrollments/e", "", `{"registrationId":"e","attestation":{"type":"symmetricKey"},"initialTwin":{"tags":{"a":1}}}`},
		{"PUT", "/enrollmentGroups/g", "", `{"attestation":{"type":"x509","x509":{"signingCertificates":{"primary":{"certificate":"AAAA"}}}}}`},
		{"POST", "/enrollments/query", "x-ms-max-item-count: 1", `{"query":"*"}`},
		{"PUT", "/certificates/c", "", `{"properties":{"certificate":"AAAA"}}`},
		{"GET", "/statistics/devices", "", ""},
		{"DELETE", "/devices/d1/commands", "", ""},
		{"POST", "/devices/d1/messages/devicebound", "", "x"},
	} {
		f.Add(seed.method, seed.target, seed.header, seed.body)
	}
	s, err := store.Open(filepath.Join(f.TempDir(), "hub.db"))
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { s.Close() })
	devices := impatientBroker{&fakeBroker{}}
	engine, err := jobs.Start(f.Context(), jobs.Options{Store: s, Devices: devices})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() { engine.Close(f.Context()) })
	if _, err := s.CreateDevice(f.Context(), iothub.DeviceIdentity{DeviceID: "d1"}); err != nil {
		f.Fatal(err)
	}
	events := feed.New(time.Now)
	events.Close() // an open stream of events would never end
	persons, err := people.Open(f.Context(), people.Options{Store: s, Now: time.Now, Hub: func() string { return "hub.test" }, CA: new(x509.Certificate)})
	if err != nil {
		f.Fatal(err)
	}
	handler := api.New(api.Options{
		Access: access.Checker{HostName: "hub.test", Policies: []access.Policy{{Name: access.OwnerPolicy, Keys: []iothub.Key{ownerKey}, Rights: access.EveryRight}}},
		Store:  s, People: persons, Broker: devices, Jobs: engine, Feed: events,
		Provisioning: provisioning.New(provisioning.Options{Store: s, Now: time.Now, Hub: func(bool) string { return "hub.test" }, CA: new(x509.Certificate)}),
	})
	token := iothub.Sign("hub.test", ownerKey, "iothubowner", time.Now().Add(24*time.Hour))
	f.Fuzz(func(t *testing.T, method, target, header, body string) {
		request, err := http.NewRequestWithContext(t.Context(), method, "http://hub.test"+target, strings.NewReader(body))
		if err != nil || !strings.HasPrefix(target, "/") {
			return // this is not a valid request
		}
		query := request.URL.Query()
		query.Set("api-version", iothub.APIVersion)
		request.URL.RawQuery = query.Encode()
		if name, value, ok := strings.Cut(header, ": "); ok && name != "" {
			request.Header.Set(name, value)
		}
		request.Header.Set("Authorization", token)
		w := httptest.NewRecorder()
		handler.ServeHTTP(w, request)
		if w.Code >= 500 && w.Code != http.StatusNotImplemented && !strings.HasPrefix(target, "/events") {
			t.Fatalf("%s %s\n%s\n%s\nanswered with %d %s", method, target, header, body, w.Code, w.Body)
		}
		if w.Body.Len() > 0 && w.Header().Get("Content-Type") == "application/json; charset=utf-8" && !json.Valid(w.Body.Bytes()) {
			t.Fatalf("%s %s\nis answered with %d and invalid JSON: %s", method, target, w.Code, w.Body)
		}
		if w.Code >= 400 && !strings.Contains(w.Body.String(), `"Message":"ErrorCode:`) && !strings.Contains(w.Body.String(), `"isSuccessful":false`) {
			t.Fatalf("%s %s\nis refused with %d %s", method, target, w.Code, w.Body)
		}
		if _, err := s.Twin(t.Context(), "d1"); err != nil && !isNotFound(err) {
			t.Fatalf("after %s %s\n%s\nreading the twin fails: %v", method, target, body, err)
		}
	})
}

// impatientBroker is a fakeBroker that does not wait for devices to connect.
type impatientBroker struct{ *fakeBroker }

func (impatientBroker) Wait(context.Context, string) error {
	return iothub.Errorf(iothub.CodeDeviceNotOnline, "the device is not connected")
}

// isNotFound reports whether err means that the device was deleted.
func isNotFound(err error) bool {
	return errors.Is(err, &iothub.Error{Code: iothub.CodeDeviceNotFound})
}
