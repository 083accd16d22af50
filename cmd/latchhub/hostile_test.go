package main

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/latchd/latchd/transport/termtext"
)

// hostileTexts are texts that another organization or a device could choose.
var hostileTexts = []string{
	"\x1b[2J\x1b]0;title\x07", "\u009b31m", "a\r\nvault  2099-01-01", "\u202ekcol", "zero\u200bwidth", "a\u00a0\u3000b", "\u2028line", "\u3164", "漢字🚪",
}

// No text from the hub's database can control the terminal of the person who runs
// latchhub, or draw a line of its own.
func TestOutputIsSafeToPrint(t *testing.T) {
	dir, address := serving(t)
	latchhub := func(stdin string, args ...string) string {
		var stdout, stderr bytes.Buffer
		if err := run(t.Context(), append(args, "--data", dir, "--https", address), strings.NewReader(stdin), &stdout, &stderr); err != nil {
			t.Fatalf("latchhub %q: %v", args, err)
		}
		return stdout.String()
	}

	for _, text := range hostileTexts {
		file := filepath.Join(t.TempDir(), "ca.pem")
		if err := os.WriteFile(file, authorityNamed(t, text), 0o600); err != nil {
			t.Fatal(err)
		}
		latchhub("", "ca", "add", "hostile", file)
		table := latchhub("", "ca", "list")
		latchhub("", "ca", "remove", "hostile")

		twin, err := json.Marshal(map[string]any{"registrationId": "door", "attestation": map[string]any{"type": "symmetricKey"},
			"initialTwin": map[string]any{"tags": map[string]any{"place": text}}})
		if err != nil {
			t.Fatal(err)
		}
		applied := latchhub(string(twin), "enrollment", "apply", "-")
		listed := latchhub("", "enrollment", "list")

		var message bytes.Buffer
		exitCode(errors.New("the hub says "+text), &message)
		var log bytes.Buffer
		newLogger(&log, zapcore.InfoLevel).Info("refused", zap.String("user", text))

		if n := strings.Count(table, "\n"); n != 2 {
			t.Errorf("ca list with the subject %+q has %d lines, want 2:\n%s", text, n, table)
		}
		for what, out := range map[string]string{"ca list": table, "enrollment apply": applied, "enrollment list": listed, "an error": message.String(), "the log": log.String()} {
			for line := range strings.Lines(out) {
				line = strings.ReplaceAll(strings.TrimSuffix(line, "\n"), "\t", " ")
				if termtext.Clean(line) != line {
					t.Errorf("%s with %+q is not safe to print: %+q", what, text, line)
				}
			}
		}
	}
}

// authorityNamed returns the certificate, as PEM, of a CA with the given common name.
func authorityNamed(t *testing.T, name string) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageCertSign,
	}

	der, err := x509.CreateCertificate(rand.Reader, &template, &template, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}
