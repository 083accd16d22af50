package main

import (
	"context"
	"crypto/tls"
	"encoding/pem"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/agent/config"
	"github.com/latchd/latchd/packaging/test/certs"
)

// gateway is a directory with the files of one agent, which runs in the test's process.
type gateway struct {
	dir  string
	file string // the configuration
	out  lockedBuilder
	stop context.CancelFunc
	done chan error
}

// lockedBuilder is a strings.Builder for two goroutines.
type lockedBuilder struct {
	mu   sync.Mutex
	text strings.Builder
}

func (b *lockedBuilder) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *lockedBuilder) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

// newGateway writes files, whose names are relative to the gateway's directory.
func newGateway(t *testing.T, files map[string]string) *gateway {
	t.Helper()
	dir := t.TempDir()
	g := &gateway{dir: dir, file: filepath.Join(dir, "latchd.toml"), done: make(chan error, 1)}
	for name, text := range files {
		g.write(t, name, text)
	}
	return g
}

func (g *gateway) write(t *testing.T, name, text string) {
	t.Helper()
	file := filepath.Join(g.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// start runs the agent until the test ends.
func (g *gateway) start(t *testing.T) {
	t.Helper()
	ctx, stop := context.WithCancel(t.Context())
	g.stop = stop
	go func() { g.done <- run(ctx, g.file, &g.out) }()
	t.Cleanup(func() {
		stop()
		if err := <-g.done; err != nil {
			t.Errorf("the agent ended with %v", err)
		}
	})
}

// await waits until the agent's status satisfies the condition.
func (g *gateway) await(t *testing.T, what string, satisfied func(status map[string]any) bool) map[string]any {
	t.Helper()
	var status map[string]any
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if answer, err := askStatus(g.file); err == nil {
			if status = answer; satisfied(status) {
				return status
			}
		}
	}
	t.Fatalf("%s: not so within 20 s; the status is %v, the log is\n%s", what, status, &g.out)
	return nil
}

func problemsIn(status map[string]any) string {
	var texts []string
	problems, _ := status["problems"].([]any)
	for _, problem := range problems {
		texts = append(texts, problem.(string))
	}
	return strings.Join(texts, "\n")
}

// silentHub returns the address of a hub that accepts connections and never answers.
func silentHub(t *testing.T) string {
	t.Helper()
	hub, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { hub.Close() })
	return hub.Addr().String()
}

const goodSecret = "HostName=localhost;DeviceId=door-1;SharedAccessKey=c2VjcmV0"

// Whatever is wrong with the credentials, the agent serves the lock, names the problem in
// its status, in 'latchd check' and in the log, and uses the corrected files without a
// restart. It shows no key.
func TestBadCredentials(t *testing.T) {
	const secret = "credentials/connection-string"
	good := strings.Replace(testConfig, "ENDPOINT", silentHub(t), 1)
	with := func(keys string) string { return strings.Replace(good, "[hub]", "[hub]\n"+keys, 1) }

	for name, tc := range map[string]struct {
		config, secret string
		want           string // part of the problem
	}{
		"no file":         {good, "", "read the connection string: open "},
		"empty":           {good, "\n", "the text is empty"},
		"UTF-16":          {good, strings.Join(strings.Split(goodSecret, ""), "\x00"), "connection-string is UTF-16 text without a byte order mark; save it as UTF-8"},
		"half a quote":    {good, "'" + goodSecret, `connection-string: connection string: it begins with the quote ' but does not end with it; remove the quote`},
		"MQTT wildcard":   {good, strings.Replace(goodSecret, "door-1", "door+1", 1), "the device id contains '+', which a topic of MQTT cannot carry; choose another id"},
		"a folder":        {strings.Replace(good, "credentials/connection-string", "credentials", 1), goodSecret, "credentials is not a file"},
		"no text":         {good, "\x00\x01\xff", "connection string: "},
		"of a service":    {good, "HostName=localhost;SharedAccessKey=c2VjcmV0", "DeviceId is missing (use the device's own connection string, not one of a service)"},
		"bad key":         {good, "HostName=localhost;DeviceId=door-1;SharedAccessKey=c2Vjcm*", "connection string: SharedAccessKey: the key is not base64"},
		"no certificate":  {good, "HostName=localhost;DeviceId=door-1;x509=true", "the connection string has x509=true but no certificate is configured; set hub.certificate_file and hub.certificate_key_file"},
		"bad certificate": {with("certificate_file = \"latchd.toml\"\ncertificate_key_file = \"latchd.toml\""), goodSecret, "latchd.toml: tls: failed to find any PEM data in certificate input"},
		"encrypted key":   {with("certificate_file = \"latchd.toml\"\ncertificate_key_file = \"latchd.toml\"") + "\n# -----BEGIN ENCRYPTED PRIVATE KEY-----\n", goodSecret, "latchd.toml: the certificate's file has 1 PEM blocks, of which 1 cannot be read; copy the file again"},

		"bad CA":               {with(`ca_file = "latchd.toml"`), goodSecret, "latchd.toml contains no certificate in PEM format"},
		"no CA":                {with(`ca_file = "none.pem"`), goodSecret, "none.pem"},
		"bad proxy":            {with(`proxy_file = "latchd.toml"`), goodSecret, "latchd.toml"},
		"syntax error in hub":  {with(`ca_file = no quotes`), goodSecret, "latchd.toml:4: "},
		"unknown key in hub":   {with(`ca = "x"`), goodSecret, "latchd.toml:4: unknown key hub.ca"},
		"no hub in the config": {strings.NewReplacer("[hub]", "", "connection_string_file", "#", "endpoint", "#").Replace(good), goodSecret, "hub.connection_string_file: missing"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			g := newGateway(t, map[string]string{"latchd.toml": tc.config})
			if tc.secret != "" {
				g.write(t, secret, tc.secret)
			}
			g.start(t)

			g.await(t, "the problem is in the status", func(status map[string]any) bool {
				return strings.Contains(problemsIn(status), tc.want)
			})
			g.await(t, "the lock is served", func(status map[string]any) bool {
				return textAt(status, "lock", "position") == "locked"
			})
			if err := move(g.file, moveOptions{unlock: true}, io.Discard); err != nil {
				t.Errorf("latchd unlock: %v", err)
			}

			var check strings.Builder
			checkCommand(t.Context(), g.file, "text", &check)
			for where, text := range map[string]string{"check": check.String(), "the log": g.out.String()} {
				if !strings.Contains(text, tc.want) {
					t.Errorf("%s does not contain %q:\n%s", where, tc.want, text)
				}
				if strings.Contains(text, "c2Vjcm") {
					t.Errorf("%s shows the key:\n%s", where, text)
				}
			}

			// The technician corrects the files and reloads.
			g.write(t, "latchd.toml", good)
			g.write(t, secret, goodSecret)
			g.reload(t)
			g.await(t, "the corrected files are used", func(status map[string]any) bool {
				return problemsIn(status) == "" && status["deviceId"] == "door-1"
			})
		})
	}
}

// A connection string works as Windows and shells leave it.
func TestForeignConnectionStrings(t *testing.T) {
	t.Parallel()
	utf16 := "\xff\xfe" + strings.Join(strings.Split(goodSecret, ""), "\x00") + "\x00"
	for name, secret := range map[string]string{
		"byte order mark":  "\ufeff" + goodSecret + "\r\n",
		"UTF-16":           utf16,
		"quotes":           `"` + goodSecret + `"` + "\n",
		"mark and quotes":  "\ufeff'" + goodSecret + "'",
		"space after ;":    strings.ReplaceAll(goodSecret, ";", "; "),
		"semicolon in end": goodSecret + ";\n",
	} {
		dir := t.TempDir()
		file := filepath.Join(dir, "connection-string")
		if err := os.WriteFile(file, []byte(secret), 0o600); err != nil {
			t.Fatal(err)
		}
		id, errs := readIdentity(config.Config{Hub: config.Hub{ConnectionStringFile: file}}, zap.NewNop())
		if len(errs) > 0 || id.name != "door-1" || id.mqtt.Device.Key.Base64() != "c2VjcmV0" {
			t.Errorf("%s: %q, %v", name, id.name, errs)
		}
	}
}

// The agent names all unusable files at once, so that a technician needs one visit.
func TestAllProblemsOfTheLogin(t *testing.T) {
	t.Parallel()

	in := func(name string) string { return filepath.Join(t.TempDir(), name) }
	hub := config.Hub{CAFile: in("ca.pem"), ProxyFile: in("proxy"), CertificateFile: in("cert.pem"), CertificateKeyFile: in("key.pem"), ConnectionStringFile: in("connection-string")}
	_, errs := readIdentity(config.Config{Hub: hub}, zap.NewNop())
	text := errors.Join(errs...).Error()
	for _, file := range []string{"/ca.pem", "/proxy", "/cert.pem", "/connection-string"} {
		if strings.Count(text, file) != 1 {
			t.Errorf("the problems do not name %s once: %s", file, text)
		}
	}
}

// A renewed CA file is used at the next attempt to connect.
func TestRenewedCAFileIsUsed(t *testing.T) {
	t.Parallel()
	oldCA := certs.Issue(t, nil, "old CA", true, time.Now())
	issued := httptest.NewTLSServer(nil) // only its certificate for 127.0.0.1 is used
	issued.Close()
	address, handshakes := tlsHub(t, issued.TLS.Certificates[0])
	g := newGateway(t, map[string]string{
		"latchd.toml":                   strings.NewReplacer("ENDPOINT", address, "[hub]", "[hub]\nca_file = \"ca.pem\"").Replace(testConfig),
		"credentials/connection-string": goodSecret, "ca.pem": string(oldCA.PEM()),
	})
	g.start(t)
	if err := <-handshakes; err == nil {
		t.Fatal("the agent trusts the hub of another CA")
	}

	g.write(t, "ca.pem", string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: issued.Certificate().Raw})))
	for {
		select {
		case err := <-handshakes:
			if err == nil {
				return
			}
		case <-time.After(20 * time.Second):
			t.Fatal("the agent does not trust the hub of the new CA")
		}
	}
}

// tlsHub starts a hub that ends each connection after the TLS handshake. It returns the
// hub's address and the results of the handshakes.
func tlsHub(t *testing.T, certificate tls.Certificate) (address string, handshakes <-chan error) {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{certificate}})
	if err != nil {
		t.Fatal(err)
	}

	results, ended := make(chan error), make(chan struct{})
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			err = conn.(*tls.Conn).HandshakeContext(t.Context())
			conn.Close()
			select {
			case results <- err:
			case <-ended:
			}
		}
	}()
	t.Cleanup(func() { close(ended); l.Close() })
	return l.Addr().String(), results
}

// The agent reads corrected credentials by itself, too, before each attempt to connect.
func TestCorrectedKeyIsUsed(t *testing.T) {
	t.Parallel()
	hub, err := net.Listen("tcp", "127.0.0.1:0") // closed: each attempt fails at once
	if err != nil {
		t.Fatal(err)
	}
	hub.Close()

	const secret = "credentials/connection-string"
	g := newGateway(t, map[string]string{
		"latchd.toml": strings.Replace(testConfig, "ENDPOINT", hub.Addr().String(), 1), secret: goodSecret,
	})
	g.start(t)
	g.await(t, "the device's name is known", func(status map[string]any) bool { return status["deviceId"] == "door-1" })

	g.write(t, secret, "'")
	g.await(t, "a file that broke meanwhile is reported", func(status map[string]any) bool {
		return strings.Contains(problemsIn(status), "it begins with the quote '")
	})
	g.write(t, secret, strings.Replace(goodSecret, "door-1", "door-2", 1))
	g.await(t, "the new identity is used", func(status map[string]any) bool {
		return status["deviceId"] == "door-2" && problemsIn(status) == ""
	})
}

// An unusable state directory leaves the lock served. Its state is then in memory.
func TestUnusableStateDirectory(t *testing.T) {
	t.Parallel()
	g := newGateway(t, map[string]string{
		"latchd.toml":                   strings.Replace(testConfig, "ENDPOINT", silentHub(t), 1),
		"credentials/connection-string": goodSecret,
		"state":                         "a file where the directory should be",
	})
	g.start(t)

	for end := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if text := g.out.String(); strings.Contains(text, "connecting to the hub") && strings.Contains(text, "the state directory") {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("the agent does not serve without a state directory:\n%s", &g.out)
		}
	}
}

// Without its state directory, the agent of a strike ends: after a crash, 'latchd
// release' would not know which lines to release.
func TestStrikeNeedsItsStateDirectory(t *testing.T) {
	t.Parallel()
	g := newGateway(t, map[string]string{
		"latchd.toml": strings.Replace(strikeConfig, "CHIP", "none", 1),
		"secret":      goodSecret,
		"state":       "a file where the directory should be",
	})
	err := run(t.Context(), g.file, io.Discard)
	if err == nil || !strings.Contains(err.Error(), "the modes pulse and dual need the directory") {
		t.Errorf("err = %v", err)
	}
}
