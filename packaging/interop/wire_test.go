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

// everywhere lists differences that are allowed in every request, each with its reason.
var everywhere = map[string]string{
	"header Host":            "the hub under test has another port than 443, the only port that the SDK uses",
	"header User-Agent":      "each client sends its own name",
	"header Accept-Encoding": "our client accepts gzip; a hub need not send it",
	"header Connection":      "the SDK sends keep-alive, which is the default of HTTP/1.1",
}

// differences lists differences that are allowed in single requests, each with its
// reason. The test fails if a request has a difference that is not listed, or if a
// listed difference is absent.
var differences = map[string]map[string]string{
	"invoke method, with defaults":              connectTimeout,
	"invoke method, with defaults, by latchctl": connectTimeout,
	"schedule method, at once":                  maxExecution,
	"schedule method, at once, by latchctl":     maxExecution,
	"schedule method, by latchctl":              caller,
	"get job, by latchctl": {
		"requests": "latchctl also reads the results of the devices, to judge them",
	},
	"statistics": {
		"requests": "a second request reads the number of connected devices from /statistics/service; the SDK has no method for it",
	},
}

// TestWire checks that transport/rest and latchctl send the same requests as the
// official service SDK.
func TestWire(t *testing.T) {
	needSDK(t)
	hub := startRecorder(t)
	var sdk struct{ Made, Methods, Scopes []string }
	harness.Run(t, node("wire.js", nil, []string{"HUB_CONNECTION_STRING=" + hub.connectionString(),
		"NODE_EXTRA_CA_CERTS=" + hub.caFile, "HUB_HTTPS_PORT=" + hub.port})).Want(t, 0).JSON(t, &sdk)
	everyMethod(t, sdk.Methods)
	if want := []string{entra.Scope}; !slices.Equal(sdk.Scopes, want) {
		t.Errorf("the SDK requests tokens with the scopes %q, we with %q", sdk.Scopes, want)
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
			t.Fatalf("the next operation is %q, but wire.js made %q", op.name, sdk.Made)
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

// compare reports each difference between two requests that is not listed as allowed.
// The requests come from the official SDK and from this project. compare also reports
// listed differences that do not exist.
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
				t.Errorf("%s is listed as a difference, but does not differ", what)
			}
		}
	}
}

var (
	connectTimeout = map[string]string{"body.connectTimeoutInSeconds": "we send 0, which is the hub's default"}
	caller         = map[string]string{"body.cloudToDeviceMethod.payload.by": "latchctl tells the door who calls"}
	maxExecution   = map[string]string{"body.maxExecutionTimeInSeconds": "we send one hour, which is the hub's default"}
)

// compared lists the methods of the official SDK's clients that wire.js calls.
var compared = []string{
	"Registry.create", "Registry.get", "Registry.list", "Registry.update", "Registry.delete", "Registry.addDevices", "Registry.updateDevices",
	"Registry.getRegistryStatistics", "Registry.getTwin", "Registry.updateTwin", "Registry.createQuery",
	"Client.invokeDeviceMethod",
	"JobClient.scheduleDeviceMethod", "JobClient.scheduleTwinUpdate", "JobClient.getJob", "JobClient.cancelJob", "JobClient.createQuery",
}

// leftOut lists the methods of the official SDK's clients that the test does not
// compare. The keys are the reasons.
var leftOut = map[string][]string{
	"removes many devices at once; latchctl deletes them one by one on purpose": {"Registry.removeDevices"},
	"imports and exports devices with files in Azure Storage": {"Registry.importDevicesFromBlob", "Registry.importDevicesFromBlobByIdentity",
		"Registry.exportDevicesToBlob", "Registry.exportDevicesToBlobByIdentity", "Registry.listJobs", "Registry.getJob", "Registry.cancelJob"},
	"manages modules, which doors do not have": {"Registry.addModule", "Registry.getModulesOnDevice", "Registry.getModule", "Registry.updateModule",
		"Registry.removeModule", "Registry.getModuleTwin", "Registry.updateModuleTwin"},
	"manages configurations of Azure IoT Edge": {"Registry.addConfiguration", "Registry.getConfiguration", "Registry.getConfigurations",
		"Registry.updateConfiguration", "Registry.removeConfiguration", "Registry.applyConfigurationContentOnDevice"},
	"sends messages over AMQP": {"Client.open", "Client.close", "Client.send", "Client.getFeedbackReceiver", "Client.getFileNotificationReceiver"},
	"makes no request":         {"Client.setRetryPolicy"},
}

// everyMethod fails the test unless each method of the official SDK's clients is
// listed, either in compared or in leftOut.
func everyMethod(t *testing.T, methods []string) {
	t.Helper()
	known := slices.Clone(compared)
	for _, names := range leftOut {
		known = append(known, names...)
	}
	slices.Sort(known)
	slices.Sort(methods)
	if !slices.Equal(known, methods) {
		t.Errorf("the SDK has the methods\n%q, but the lists contain\n%q", methods, known)
	}
}
