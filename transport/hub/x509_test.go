package hub_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"fmt"
	"math/big"
	"net/http"
	"strings"
	"testing"
	"time"

	mqtt "github.com/eclipse/paho.mqtt.golang"

	"github.com/latchd/latchd/transport/iothub"
)

// selfSigned makes a certificate that nobody but its maker vouches for, and its
// thumbprint.
func selfSigned(t *testing.T, commonName string) (tls.Certificate, string) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: commonName},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{raw}, PrivateKey: key}, fmt.Sprintf("%x", sha256.Sum256(raw))
}

func TestLoginByCertificate(t *testing.T) {
	r := start(t, t.TempDir())
	first, firstPrint := selfSigned(t, "door1")
	second, secondPrint := selfSigned(t, "door1")
	other, _ := selfSigned(t, "door1")
	r.do(http.MethodPut, "/devices/door1", iothub.DeviceIdentity{DeviceID: "door1", Authentication: &iothub.Authentication{
		Type: "selfSigned", X509Thumbprint: iothub.X509Thumbprint{PrimaryThumbprint: &firstPrint, SecondaryThumbprint: &secondPrint},
	}}, nil)
	r.createDevice("door2") // logs in by key

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
	for _, front := range []struct{ name, url string }{
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
			{"another's", "door1", []tls.Certificate{other}, false},
			{"none", "door1", nil, false},
			{"a device with a key", "door2", []tls.Certificate{first}, false},
			{"an unknown device", "door3", []tls.Certificate{first}, false},
		} {
			t.Run(front.name+" "+test.name, func(t *testing.T) {
				err := connect(front.url, test.device, test.certificates...)
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

// authority is a certificate authority of the test's own.
type authority struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func (a *authority) issue(t *testing.T, commonName string, isCA bool) *authority {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: commonName}, IsCA: isCA,
		BasicConstraintsValid: true, NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	parent, signer := template, key
	if a != nil {
		parent, signer = a.cert, a.key
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(raw)
	if err != nil {
		t.Fatal(err)
	}
	return &authority{cert, key}
}

// A device by authority comes in while the authority is there, and loses its
// link with it; one by key stays.
func TestLoginByAuthority(t *testing.T) {
	r := start(t, t.TempDir())
	var nobody *authority
	root, second := nobody.issue(t, "root", true), nobody.issue(t, "second", true)
	between := root.issue(t, "between", true)
	device := between.issue(t, "door1", false)
	shown := tls.Certificate{Certificate: [][]byte{device.cert.Raw, between.cert.Raw}, PrivateKey: device.key}
	r.do(http.MethodPut, "/devices/door1", iothub.DeviceIdentity{DeviceID: "door1",
		Authentication: &iothub.Authentication{Type: "certificateAuthority"}}, nil)
	byKey := r.createDevice("door2")

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
			t.Fatalf("the device is in: %v, want %v: %v", err == nil, want, err)
		}
	}
	add := func(name string, a *authority) {
		t.Helper()
		r.do(http.MethodPut, "/certificates/"+name, map[string]any{"properties": map[string]any{"certificate": a.cert.Raw}}, nil)
	}
	in(false)
	add("second", second)
	in(false)
	add("root", root)
	in(true)
	other, err := r.connect("door2", byKey, true)
	if err != nil {
		t.Fatal(err)
	}
	r.do(http.MethodDelete, "/certificates/root", nil, nil)
	select {
	case <-lost:
	case <-time.After(20 * time.Second):
		t.Fatal("the link of a device whose authority was removed stays")
	}
	in(false)
	if !other.IsConnected() {
		t.Error("the device by key has lost its link")
	}
}
