package interop

import (
	"encoding/json"
	"fmt"
	"net"
	"testing"
	"time"

	"github.com/latchd/latchd/packaging/test/harness"
	"github.com/latchd/latchd/transport/iothub"
)

// The official device SDK subscribes only once and then relies on its persistent MQTT
// session. Its subscriptions must therefore survive lost connections and restarts of
// the hub.
func TestOfficialDeviceSurvivesHubRestarts(t *testing.T) {
	h := harness.StartHub(t, bin, "--log-level", "debug")
	device := startDevice(t, h, "d1")
	checkAllWorks(t, h, device, 1)
	for i, end := range []struct {
		how string
		do  func()
	}{
		{"killed", func() { h.Kill() }},
		{"killed, and down while the device tries to connect", func() { h.Kill(); refuseOnce(t, h.MQTT) }},
		{"stopped", func() { h.Stop(t) }},
	} {
		t.Log("the hub is " + end.how + " and started again")
		end.do()
		h.Start(t)
		checkAllWorks(t, h, device, i+2)
	}
}

// refuseOnce listens at the address, accepts one connection and closes it.
func refuseOnce(t *testing.T, address string) {
	t.Helper()
	l, err := net.Listen("tcp", address)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	l.(*net.TCPListener).SetDeadline(time.Now().Add(harness.Patience))
	c, err := l.Accept()
	if err != nil {
		t.Fatalf("no connection to %s: %v", address, err)
	}
	c.Close()
}

// checkAllWorks exchanges all kinds of messages between hub and device: a method, a
// change of the desired properties, the report that the device sends after this change,
// and the twin.
func checkAllWorks(t *testing.T, h *harness.Hub, device *harness.Process, round int) {
	t.Helper()
	if r := h.Invoke(t, "d1", "lockDoor", map[string]int{"round": round}); r.Status != 200 || string(r.Payload) != "null" {
		t.Errorf("round %d: lockDoor answered %d %s, want 200 null", round, r.Status, r.Payload)
	}
	number := json.Number(fmt.Sprint(round))
	expectJSON(t, device, "method", func(o iothub.Object) bool {
		payload, _ := o["payload"].(map[string]any)
		return payload["round"] == number
	})

	version := h.UpdateDesired(t, "d1", fmt.Sprintf(`{"round":%d}`, round))
	patch := expectJSON(t, device, "desired", func(o iothub.Object) bool { return o["round"] == number })
	if patch.Version() != version {
		t.Errorf("round %d: the patch has $version %v, want %d", round, patch["$version"], version)
	}
	expectJSON(t, device, "reported", func(o iothub.Object) bool { return o["seen"] == json.Number(fmt.Sprint(version)) })
	if seen := h.Twin(t, "d1").Properties.Reported["seen"]; seen != json.Number(fmt.Sprint(version)) {
		t.Errorf("round %d: the hub has the report %v, want %d", round, seen, version)
	}

	device.Send(t, "twin")
	twin := expectJSON(t, device, "twin", func(iothub.Object) bool { return true })
	desired, _ := twin["desired"].(map[string]any)
	reported, _ := twin["reported"].(map[string]any)
	if desired["round"] != number || reported["seen"] != json.Number(fmt.Sprint(version)) {
		t.Errorf("round %d: the device's twin is %v", round, twin)
	}
	if n := device.Count("Locking Door!"); n != round {
		t.Errorf("round %d: the door was locked %d times", round, n)
	}
}
