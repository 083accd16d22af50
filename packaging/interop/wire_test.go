package interop

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/latchd/latchd/cmd/latchctl/entra"
	"github.com/latchd/latchd/packaging/test/harness"
)

// everywhere are the differences that every request has, by what differs.
var everywhere = map[string]string{
	"header Host":            "the test's hub has a port of its own; the SDK knows 443 only, and is led there",
	"header User-Agent":      "each says what it is",
	"header Accept-Encoding": "the client takes gzip, and reads it; no hub need send it",
	"header Connection":      "the SDK says keep-alive, which HTTP/1.1 means where nothing is said",
}

// differences are those of single requests. What differs and does not stand
// here fails the test, and so does what stands here and does not differ.
var differences = map[string]map[string]string{
	"invoke method, with defaults":              connectTimeout,
	"invoke method, with defaults, by latchctl": connectTimeout,
	"schedule method, at once":                  maxExecution,
	"schedule method, at once, by latchctl":     maxExecution,
	"statistics": {
		"requests": "a second one asks /statistics/service how many devices are connected, which the SDK has no method for",
	},
}

// TestWire holds the requests of transport/rest and of latchctl to those of the
// official service SDK, recorded in the same run.
func TestWire(t *testing.T) {
	needSDK(t)
	hub := startRecorder(t)
	var sdk struct{ Made, Methods, Scopes []string }
	harness.Run(t, node("wire.js", nil, []string{"HUB_CONNECTION_STRING=" + hub.connectionString(),
		"NODE_EXTRA_CA_CERTS=" + hub.caFile, "HUB_HTTPS_PORT=" + hub.port})).Want(t, 0).JSON(t, &sdk)
	everyMethod(t, sdk.Methods)
	if want := []string{entra.Scope}; !slices.Equal(sdk.Scopes, want) {
		t.Errorf("the SDK asks for tokens for %q, we for %q", sdk.Scopes, want)
	}
	theirs := hub.take()
	if len(theirs) != len(sdk.Made) {
		t.Fatalf("the SDK made %d requests, want %d", len(theirs), len(sdk.Made))
	}

	byKey, byToken := hub.client(nil), hub.client(func(context.Context) (string, error) { return "a-token", nil })
	defer byKey.CloseIdleConnections()
	defer byToken.CloseIdleConnections()
	for _, op := range operations() {
		n := max(op.pages, 1)
		if len(sdk.Made) < n || sdk.Made[0] != op.name {
			t.Fatalf("here comes %q, in wire.js %q", op.name, sdk.Made)
		}
		want := theirs[:n]
		sdk.Made, theirs = sdk.Made[n:], theirs[n:]
		client := byKey
		if op.entra {
			client = byToken
		}
		t.Run(op.name, func(t *testing.T) {
			if err := op.call(t.Context(), client); err != nil {
				t.Fatal(err)
			}
			compare(t, op.name, want, hub.take())
		})
		if op.command != nil {
			t.Run(op.name+", by latchctl", func(t *testing.T) {
				cmd := bin.Ctl(append(op.command, "--endpoint", hub.URL, "--ca-file", hub.caFile)...)
				cmd.Env = append(cmd.Env, "LATCHCTL_HUB="+hub.connectionString())
				harness.Run(t, cmd).Want(t, 0)
				compare(t, op.name+", by latchctl", want, hub.take())
			})
		}
	}
	if len(sdk.Made) > 0 {
		t.Errorf("wire.js made more requests: %q", sdk.Made)
	}
}

// compare reports what differs between the SDK's requests and ours, and is not
// listed.
func compare(t *testing.T, name string, theirs, ours []recorded) {
	t.Helper()
	found := make(map[string]string)
	if len(ours) != len(theirs) {
		found["requests"] = fmt.Sprintf("%d, the SDK made %d", len(ours), len(theirs))
	}
	if len(ours) < len(theirs) {
		t.Fatal(found["requests"])
	}
	for i := range theirs {
		maps.Copy(found, theirs[i].differences(ours[i]))
	}
	for _, what := range slices.Sorted(maps.Keys(found)) {
		if everywhere[what] == "" && differences[name][what] == "" {
			t.Errorf("%s: %s", what, found[what])
		}
	}
	for _, listed := range []map[string]string{everywhere, differences[name]} {
		for what := range listed {
			if found[what] == "" {
				t.Errorf("%s is listed as a difference, and is none", what)
			}
		}
	}
}

var (
	connectTimeout = map[string]string{"body.connectTimeoutInSeconds": "0 is what a hub takes where nothing is said"}
	maxExecution   = map[string]string{"body.maxExecutionTimeInSeconds": "an hour, which is a hub's own default, is said"}
)

// compared are the methods of the SDK's clients that wire.js calls.
var compared = []string{
	"Registry.create", "Registry.get", "Registry.list", "Registry.update", "Registry.delete", "Registry.addDevices", "Registry.updateDevices",
	"Registry.getRegistryStatistics", "Registry.getTwin", "Registry.updateTwin", "Registry.createQuery",
	"Client.invokeDeviceMethod",
	"JobClient.scheduleDeviceMethod", "JobClient.scheduleTwinUpdate", "JobClient.getJob", "JobClient.cancelJob", "JobClient.createQuery",
}

// leftOut are the others: what they are for, and so why there is no such request here.
var leftOut = map[string][]string{
	"removes many devices at once; latchctl deletes one by one, on purpose": {"Registry.removeDevices"},
	"import and export by files in Azure's storage": {"Registry.importDevicesFromBlob", "Registry.importDevicesFromBlobByIdentity",
		"Registry.exportDevicesToBlob", "Registry.exportDevicesToBlobByIdentity", "Registry.listJobs", "Registry.getJob", "Registry.cancelJob"},
	"modules, which a door has not": {"Registry.addModule", "Registry.getModulesOnDevice", "Registry.getModule", "Registry.updateModule",
		"Registry.removeModule", "Registry.getModuleTwin", "Registry.updateModuleTwin"},
	"configurations of Azure IoT Edge": {"Registry.addConfiguration", "Registry.getConfiguration", "Registry.getConfigurations",
		"Registry.updateConfiguration", "Registry.removeConfiguration", "Registry.applyConfigurationContentOnDevice"},
	"messages over AMQP": {"Client.open", "Client.close", "Client.send", "Client.getFeedbackReceiver", "Client.getFileNotificationReceiver"},
	"makes no request":   {"Client.setRetryPolicy"},
}

// everyMethod fails unless each method that the SDK's clients have is compared,
// or left out for a reason.
func everyMethod(t *testing.T, methods []string) {
	t.Helper()
	known := slices.Clone(compared)
	for _, names := range leftOut {
		known = append(known, names...)
	}
	slices.Sort(known)
	slices.Sort(methods)
	if !slices.Equal(known, methods) {
		t.Errorf("the SDK has the methods\n%q, compared or left out are\n%q", methods, known)
	}
}
