package hub_test

import (
	"crypto/sha256"
	"crypto/tls"
	"fmt"
	"net/http"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/latchd/latchd/packaging/test/certs"
	"github.com/latchd/latchd/transport/iothub"
)

// selfSigned returns a self-signed certificate and its SHA-256 thumbprint.
func selfSigned(t *testing.T, commonName string) (tls.Certificate, string) {
	t.Helper()
	p := certs.Issue(t, nil, commonName, false, time.Now())
	return p.TLS(), fmt.Sprintf("%x", sha256.Sum256(p.Cert.Raw))
}

func TestLoginByCertificate(t *testing.T) {
	t.Parallel()

	r := start(t, t.TempDir())
	first, firstPrint := selfSigned(t, "door1")
	second, secondPrint := selfSigned(t, "door1")
	other, _ := selfSigned(t, "door1")
	r.do(http.MethodPut, "/devices/door1", iothub.DeviceIdentity{DeviceID: "door1", Authentication: &iothub.Authentication{
		Type: "selfSigned", X509Thumbprint: iothub.X509Thumbprint{PrimaryThumbprint: &firstPrint, SecondaryThumbprint: &secondPrint},
	}}, nil)
	r.createDevice("door2") // this device logs in with a key

	connect := func(url, id string, certificates ...tls.Certificate) error {
		config := r.tls()
		config.Certificates = certificates
		c := mqtt.NewClient(mqtt.NewClientOptions().AddBroker(url).SetTLSConfig(config).
			SetProtocolVersion(4).SetClientID(id).SetAutoReconnect(false).SetConnectRetry(false).
			SetUsername(iothub.UserName{HostName: "hub.test", DeviceID: id}.String()))
		token := c.Connect()
		token.Wait()
		c.Disconnect(0)
		return token.Error()
	}
	for _, listener := range []struct{ name, url string }{
		{"TLS", "ssl://" + r.at.MQTT.String()},
		{"WebSocket", "wss://" + r.at.HTTPS.String() + "/$iothub/websocket"},
	} {
		for _, test := range []struct {
			name, device string
			certificates []tls.Certificate
			in           bool
		}{
			{"primary", "door1", []tls.Certificate{first}, true},
			{"secondary", "door1", []tls.Certificate{second}, true},
			{"of another device", "door1", []tls.Certificate{other}, false},
			{"none", "door1", nil, false},
			{"a device with a key", "door2", []tls.Certificate{first}, false},
			{"an unknown device", "door3", []tls.Certificate{first}, false},
		} {
			t.Run(listener.name+" "+test.name, func(t *testing.T) {
				err := connect(listener.url, test.device, test.certificates...)
				if test.in && err != nil {
					t.Errorf("refused: %v", err)
				}
				if !test.in && (err == nil || !strings.Contains(strings.ToLower(err.Error()), "not authorized")) {
					t.Errorf("got %v, want a refusal", err)
				}
			})
		}
	}
}

// A device that logs in with a certificate of an authority can connect while the hub has
// this authority. If the authority is deleted, the device is disconnected. A device that
// logs in with a key stays connected.
func TestLoginByAuthority(t *testing.T) {
	t.Parallel()

	r := start(t, t.TempDir())
	now := time.Now()
	root, second := certs.Issue(t, nil, "root", true, now), certs.Issue(t, nil, "second", true, now)
	between := certs.Issue(t, root, "between", true, now)
	shown := certs.Issue(t, between, "door1", false, now).TLS(between)
	r.do(http.MethodPut, "/devices/door1", iothub.DeviceIdentity{DeviceID: "door1",
		Authentication: &iothub.Authentication{Type: "certificateAuthority"}}, nil)
	key := r.createDevice("door2")

	lost := make(chan struct{}, 1)
	in := func(want bool) {
		t.Helper()
		config := r.tls()
		config.Certificates = []tls.Certificate{shown}
		c := mqtt.NewClient(mqtt.NewClientOptions().AddBroker("ssl://" + r.at.MQTT.String()).SetTLSConfig(config).
			SetProtocolVersion(4).SetClientID("door1").SetAutoReconnect(false).SetConnectRetry(false).
			SetConnectionLostHandler(func(mqtt.Client, error) { lost <- struct{}{} }).
			SetUsername(iothub.UserName{HostName: "hub.test", DeviceID: "door1"}.String()))
		token := c.Connect()
		token.Wait()
		t.Cleanup(func() { c.Disconnect(0) })
		if err := token.Error(); (err == nil) != want {
			t.Fatalf("the device can log in: %v, want %v: %v", err == nil, want, err)
		}
	}
	add := func(name string, a *certs.Pair) {
		t.Helper()
		r.do(http.MethodPut, "/certificates/"+name, map[string]any{"properties": map[string]any{"certificate": a.Cert.Raw}}, nil)
	}
	in(false)
	add("second", second)
	in(false)
	add("root", root)
	in(true)
	other, err := r.connect("door2", key, true)
	if err != nil {
		t.Fatal(err)
	}
	r.do(http.MethodDelete, "/certificates/root", nil, nil)
	select {
	case <-lost:
	case <-time.After(20 * time.Second):
		t.Fatal("a device stays connected after its authority was deleted")
	}
	in(false)
	if !other.IsConnected() {
		t.Error("the device with a key was disconnected")
	}
}
