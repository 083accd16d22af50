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
