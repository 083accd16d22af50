package system

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/packaging/test/harness"
	"github.com/latchd/latchd/transport/iothub"
)

// latchd must be able to log in with a certificate, with the key of an enrollment, and
// with a key derived from the key of an enrollment group. It must connect over
// MQTT and over WebSocket.
func TestWaysToLogIn(t *testing.T) {
	t.Parallel()

	h := harness.StartHub(t, bin)
	scope := strings.TrimSpace(h.Enrollment(t, "scope").Want(t, 0).Stdout)
	_, port, err := net.SplitHostPort(h.HTTPS)
	if err != nil {
		t.Fatal(err)
	}
	secret := func(name, text string) string {
		t.Helper()
		file := filepath.Join(t.TempDir(), name)
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	enroll := func(enrollment string) (key string) {
		t.Helper()
		out := h.Enrollment(t, "apply", secret("enrollment.json", enrollment)).Want(t, 0).Stdout
		var made struct {
			Attestation struct{ SymmetricKey struct{ PrimaryKey string } }
		}
		if err := json.Unmarshal([]byte(out), &made); err != nil {
			t.Fatalf("%v in %s", err, out)
		}
		return made.Attestation.SymmetricKey.PrimaryKey
	}

	certificate, key, thumbprint := selfSigned(t, "by-certificate")
	if _, err := h.Client(t).CreateDevice(t.Context(), iothub.DeviceIdentity{
		DeviceID: "by-certificate",
		Authentication: &iothub.Authentication{
			Type: "selfSigned", X509Thumbprint: iothub.X509Thumbprint{PrimaryThumbprint: &thumbprint},
		},
	}); err != nil {
		t.Fatal(err)
	}

	byKey := h.CreateDevice(t, "by-websocket")
	for id, config := range map[string]string{
		"by-certificate": fmt.Sprintf("[hub]\nendpoint = %q\nconnection_string_file = %q\ncertificate_file = %q\ncertificate_key_file = %q\n",
			h.MQTT, secret("string", "HostName=localhost;DeviceId=by-certificate;x509=true"), secret("cert.pem", certificate), secret("key.pem", key)),
		"by-websocket": fmt.Sprintf("[hub]\nendpoint = %q\nwebsocket = true\nconnection_string_file = %q\n",
			"localhost:"+port, secret("string", byKey.ConnectionString())),
		"by-enrollment": fmt.Sprintf("[hub]\nendpoint = %q\n[provisioning]\nendpoint = %q\nid_scope = %q\nregistration_id = \"by-enrollment\"\nkey_file = %q\n",
			h.MQTT, h.MQTT, scope, secret("key", enroll(`{"registrationId":"by-enrollment","attestation":{"type":"symmetricKey"}}`))),
		"by-group": fmt.Sprintf("[hub]\nendpoint = %q\n[provisioning]\nendpoint = %q\nid_scope = %q\nregistration_id = \"by-group\"\ngroup_key_file = %q\n",
			h.MQTT, h.MQTT, scope, secret("key", enroll(`{"enrollmentGroupId":"site","attestation":{"type":"symmetricKey"}}`))),
	} {
		t.Run(id, func(t *testing.T) {
			d := harness.NewDoor(t, h, iothub.Device{HostName: "localhost", DeviceID: id, Key: iothub.Key("k")}, "")
			text := fmt.Sprintf("state_dir = %q\n", d.State) +
				strings.Replace(config, "[hub]\n", fmt.Sprintf("[hub]\nca_file = %q\n", h.CA()), 1) +
				"[lock]\ndriver = \"mock\"\nat_power_on = \"unlocked\"\n"
			if err := os.WriteFile(d.Config, []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
			d.Start(t)
			d.ExpectFunc(t, "the line about the connection", func(line string) (string, bool) { return line, strings.Contains(line, "connected to the hub") })
			if r := h.Invoke(t, id, "lockDoor", nil); r.Status != 200 {
				t.Errorf("lockDoor answers %d %s", r.Status, r.Payload)
			}
			// The name of the assigned hub is on disk, so the next start of latchd must
			// not ask the provisioning service.
			d.Kill()
			d.Start(t)
			d.ExpectFunc(t, "the line about the connection", func(line string) (string, bool) { return line, strings.Contains(line, "connected to the hub") })
			if strings.Contains(d.Output(), "assigned to a hub") {
				t.Error("the second start asked the provisioning service again")
			}
			if code := d.Stop(t); code != 0 {
				t.Errorf("latchd ended with exit code %d", code)
			}
		})
	}
}

// selfSigned makes a self-signed certificate for a device. It returns the certificate
// and its key in PEM format, and the certificate's thumbprint.
func selfSigned(t *testing.T, name string) (certificate, key, thumbprint string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	pkcs8, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(der)
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: pkcs8})), hex.EncodeToString(sum[:])
}
