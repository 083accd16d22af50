package credentials

import (
	"crypto/x509"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"go.uber.org/zap"
)

var start = time.Date(2026, 11, 23, 12, 0, 0, 0, time.UTC)

func TestFirstStartCreatesCertificates(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	c := load(t, dir, start, "hub.test", "127.0.0.1", "::1")
	ca, leaf := c.ca.cert, c.current.Leaf
	if !ca.IsCA || ca.NotAfter.Sub(ca.NotBefore) < 9*365*24*time.Hour {
		t.Errorf("the CA: IsCA %v, expires %v", ca.IsCA, ca.NotAfter)
	}
	roots := x509.NewCertPool()
	roots.AddCert(ca)
	for _, name := range []string{"hub.test", "127.0.0.1", "::1"} {
		if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: name, CurrentTime: start}); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	if life := leaf.NotAfter.Sub(leaf.NotBefore); life >= 365*24*time.Hour {
		t.Errorf("the server certificate lasts %v, want less than a year", life)
	}
	for file, mode := range map[string]os.FileMode{"ca.pem": 0o644, "ca.key": 0o600, "server.pem": 0o644, "server.key": 0o600} {
		if info, err := os.Stat(filepath.Join(dir, file)); err != nil || info.Mode().Perm() != mode {
			t.Errorf("%s: %v, %v, want mode %v", file, info, err, mode)
		}
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".*")); len(left) > 0 {
		t.Errorf("temporary files are left: %v", left)
	}
}

func TestServerCertificateIsRenewed(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct {
		after   time.Duration
		names   []string
		renewed bool
	}{
		"the next day":           {24 * time.Hour, []string{"hub.test"}, false},
		"long before its end":    {serverLifetime - renewBefore - time.Hour, []string{"hub.test"}, false},
		"near its end":           {serverLifetime - renewBefore + time.Hour, []string{"hub.test"}, true},
		"after its end":          {serverLifetime + time.Hour, []string{"hub.test"}, true},
		"the clock was set back": {-48 * time.Hour, []string{"hub.test"}, true},
		"another name":           {0, []string{"other.test"}, true},
		"an additional name":     {0, []string{"hub.test", "10.0.0.7"}, true},
		"a name in other case":   {0, []string{"HUB.test"}, false},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			first := load(t, dir, start, "hub.test")
			second := load(t, dir, start.Add(test.after), test.names...)
			if renewed := !first.current.Leaf.Equal(second.current.Leaf); renewed != test.renewed {
				t.Errorf("renewed: %v, want %v", renewed, test.renewed)
			}
			if !first.ca.cert.Equal(second.ca.cert) {
				t.Error("the CA has changed")
			}
			if !second.usable(second.current.Leaf) {
				t.Error("the certificate in use is not usable")
			}
			third := load(t, dir, start.Add(test.after), test.names...)
			if !third.current.Leaf.Equal(second.current.Leaf) {
				t.Error("the certificate is renewed again at the next start")
			}
		})
	}
}

func TestServerCertificateIsRenewedWhileTheHubRuns(t *testing.T) {
	t.Parallel()

	now := start
	c := load(t, t.TempDir(), start, "hub.test")
	c.now = func() time.Time { return now }
	first, err := c.get(nil)
	if err != nil {
		t.Fatal(err)
	}
	now = start.Add(serverLifetime)
	second, err := c.get(nil)
	if err != nil || first.Leaf.Equal(second.Leaf) || !c.usable(second.Leaf) {
		t.Errorf("a year later: %v, expires %v", err, second.Leaf.NotAfter)
	}
}

func TestServerCertificateNeverOutlivesTheCA(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	first := load(t, dir, start, "hub.test")
	last := first.ca.cert.NotAfter
	c := load(t, dir, last.Add(-time.Hour), "hub.test")
	if c.current.Leaf.NotAfter.After(last) || !c.usable(c.current.Leaf) {
		t.Errorf("expires %v, the CA expires %v", c.current.Leaf.NotAfter, last)
	}
	if _, err := loadCA(dir, "hub.test", last); err == nil {
		t.Error("an expired CA is used")
	}
}

func TestDamagedFiles(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct {
		file string
		bad  bool // true if the hub cannot start; false if it replaces the file
	}{
		"CA":                        {"ca.pem", true},
		"CA key":                    {"ca.key", true},
		"server certificate":        {"server.pem", false},
		"server key":                {"server.key", false},
		"key of another CA":         {"ca.key", true},
		"key of another server":     {"server.key", false},
		"certificate of another CA": {"server.pem", false},
	} {
		t.Run(name, func(t *testing.T) {
			dir, other := t.TempDir(), t.TempDir()
			load(t, dir, start, "hub.test")
			content := []byte("rubbish")
			if slices.Contains([]string{"key of another CA", "key of another server", "certificate of another CA"}, name) {
				load(t, other, start, "hub.test")
				var err error
				if content, err = os.ReadFile(filepath.Join(other, test.file)); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(filepath.Join(dir, test.file), content, 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := loadCA(dir, "hub.test", start)
			if (err != nil) != test.bad {
				t.Fatalf("got %v, want an error: %v", err, test.bad)
			}
			if err == nil {
				load(t, dir, start, "hub.test")
			}
		})
	}
}

func TestRenamedHubKeepsTheOwnerKey(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	first, err := loadOwnerKey(dir, "hub.test")
	if err != nil {
		t.Fatal(err)
	}
	second, err := loadOwnerKey(dir, "other.test")
	if err != nil || !slices.Equal(first, second) {
		t.Errorf("the key has changed, %v", err)
	}
	text, err := os.ReadFile(filepath.Join(dir, "service.connection-string"))
	want := "HostName=other.test;SharedAccessKeyName=iothubowner;SharedAccessKey=" + first.Base64() + "\n"
	if err != nil || string(text) != want {
		t.Errorf("the connection string is %q, %v", text, err)
	}
	if info, _ := os.Stat(filepath.Join(dir, "service.connection-string")); info.Mode().Perm() != 0o600 {
		t.Errorf("the mode is %v", info.Mode())
	}
}

// load loads the CA and the server certificate in dir. It creates those that are
// missing.
func load(t *testing.T, dir string, now time.Time, names ...string) *serverCertificate {
	t.Helper()
	ca, err := loadCA(dir, names[0], now)
	if err != nil {
		t.Fatal(err)
	}
	c := &serverCertificate{dir: dir, ca: ca, names: names, now: func() time.Time { return now }, log: zap.NewNop()}
	if err := c.load(); err != nil {
		t.Fatal(err)
	}
	return c
}
