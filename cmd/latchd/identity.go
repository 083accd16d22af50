package main

import (
	"bytes"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net/url"
	"os"
	"reflect"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/agent"
	"github.com/latchd/latchd/agent/config"
	"github.com/latchd/latchd/systemd"
	"github.com/latchd/latchd/transport/durable"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/mqtt"
	"github.com/latchd/latchd/transport/mqtt/dial"
	"github.com/latchd/latchd/transport/provisioning"
	"github.com/latchd/latchd/transport/textfile"
	"github.com/latchd/latchd/transport/trust"
)

// identity holds the device's credentials and the way to its hub.
type identity struct {
	name string // the device ID or, with provisioning, the registration ID
	hub  string // for messages: the hub's name, or a description of how it is assigned
	mqtt mqtt.Options
	// caFile is the file that mqtt.RootCAs reads; empty for the system's CA certificates.
	caFile string
	dps    *provisioning.Options // nil if the configuration names the hub
}

// equal reports whether two identities are the same to the hub. It ignores the contents
// of certificates and of the CA file: they are read again for each login.
func (id identity) equal(other identity) bool {
	a, b := id.mqtt, other.mqtt
	same := id.name == other.name && id.hub == other.hub && reflect.DeepEqual(a.Device, b.Device) &&
		reflect.DeepEqual(a.Proxy, b.Proxy) && id.caFile == other.caFile &&
		a.Endpoint == b.Endpoint && (a.Certificate == nil) == (b.Certificate == nil) && (id.dps == nil) == (other.dps == nil)
	return same && (id.dps == nil || bytes.Equal(id.dps.Key, other.dps.Key))
}

// productInfo names this program and its version to the hub.
func productInfo() string { return "latchd/" + version }

// readIdentity reads the files that the configuration names for the login. It logs a
// warning for each secret that other users can read. It returns all problems, so that a
// technician can solve them in one visit.
func readIdentity(c config.Config, log *zap.Logger) (identity, []error) {
	var errs []error
	check := func(err error) {
		if err != nil {
			errs = append(errs, err)
		}
	}

	id := identity{caFile: c.Hub.CAFile, mqtt: mqtt.Options{
		Endpoint: c.Hub.Endpoint, WebSocket: c.Hub.WebSocket, ModelID: agent.ModelID, ProductInfo: productInfo(),
	}}
	if c.Hub.CAFile != "" {
		id.mqtt.RootCAs = trust.CAFile(c.Hub.CAFile)
		_, err := id.mqtt.RootCAs()
		check(err)
	}
	proxy, err := readProxy(c.Hub, log)
	check(err)
	id.mqtt.Proxy = proxy
	if c.Hub.CertificateFile != "" {
		id.mqtt.Certificate = certificateReader(c.Hub)
		_, err := id.mqtt.Certificate()
		check(err)
	}

	if c.Provisioning.IDScope != "" {
		id, err = id.provisioned(c.Provisioning, log)
	} else {
		id, err = id.connected(c.Hub, log)
	}
	check(err)
	return id, errs
}

// connected completes the identity of a device that has a connection string.
func (id identity) connected(hub config.Hub, log *zap.Logger) (identity, error) {
	file := hub.ConnectionStringFile
	text, err := readSecret("the connection string", file, log)
	if err != nil {
		return identity{}, err
	}
	device, err := iothub.ParseDevice(text)
	if err != nil {
		return identity{}, fmt.Errorf("%s: %w", file, err)
	}

	if device.X509 && id.mqtt.Certificate == nil {
		return identity{}, fmt.Errorf("%s: the connection string has x509=true but no certificate is configured; set hub.certificate_file and hub.certificate_key_file", file)
	}
	if !device.X509 && id.mqtt.Certificate != nil {
		return identity{}, fmt.Errorf("%s: the connection string has a key although hub.certificate_file is set; replace the key by x509=true, or remove hub.certificate_file", file)
	}

	id.name, id.hub = device.DeviceID, device.HostName
	id.mqtt.Device = device
	return id, nil
}

// provisioned completes the identity of a device that asks a provisioning service for
// its hub.
func (id identity) provisioned(p config.Provisioning, log *zap.Logger) (identity, error) {
	id.name, id.hub = p.RegistrationID, "the hub that "+p.IDScope+" assigns"
	id.dps = &provisioning.Options{
		Endpoint: p.Endpoint, IDScope: p.IDScope, RegistrationID: p.RegistrationID,
		Certificate: id.mqtt.Certificate, ProductInfo: productInfo(),
		RootCAs: id.mqtt.RootCAs, WebSocket: id.mqtt.WebSocket, Proxy: id.mqtt.Proxy,
	}

	file := p.KeyFile + p.GroupKeyFile // at most one is set; none with a certificate
	if file != "" {
		text, err := readSecret("the provisioning key", file, log)
		if err != nil {
			return identity{}, err
		}
		key, err := iothub.ParseKey(strings.TrimSpace(text))
		if err != nil {
			return identity{}, fmt.Errorf("%s: %w", file, err)
		}
		if p.GroupKeyFile != "" {
			key = provisioning.DeriveKey(key, p.RegistrationID)
		}
		id.dps.Key = key
	}

	return id, id.dps.Check()
}

// options returns the options for connecting to the hub. With provisioning, the
// assigned hub is kept in store.
func (id identity) options(store *agent.Store, now func() time.Time, log *zap.Logger) mqtt.Options {
	o := id.mqtt
	o.Now, o.Logger = now, log
	if id.dps == nil {
		return o
	}

	id.dps.Now = now
	locator := &provisioning.Locator{Options: *id.dps, Save: keepAssignment(store), Logger: log}
	if kept := store.Get().Assignment; kept != nil {
		if err := json.Unmarshal(kept, &locator.Assignment); err != nil {
			log.Warn("cannot read the saved hub assignment; asking the provisioning service again", zap.Error(err))
		}
	}
	o.Locate = locator.Locate
	return o
}

func keepAssignment(store *agent.Store) func(provisioning.Assignment) error {
	return func(a provisioning.Assignment) error {
		text, err := json.Marshal(a)
		if err != nil {
			return err
		}

		saved := make(chan error, 1)
		store.Update(func(s *agent.State) { s.Assignment = text }, func(err error) { saved <- err })
		return <-saved
	}
}

// certificateReader returns a function that reads the device's certificate and key.
// It is called for each login, so that a renewed certificate takes effect without a
// restart.
func certificateReader(hub config.Hub) func() (tls.Certificate, error) {
	return func() (tls.Certificate, error) {
		chain, err := readCredential(hub.CertificateFile)
		if err != nil {
			return tls.Certificate{}, fmt.Errorf("read the device's certificate: %w", err)
		}
		key, err := readCredential(hub.CertificateKeyFile)
		if err != nil {
			return tls.Certificate{}, fmt.Errorf("read the key of the device's certificate: %w", err)
		}

		pair, err := trust.KeyPair(chain, key)
		if err != nil {
			return tls.Certificate{}, fmt.Errorf("read the device's certificate %s and its key %s: %w", hub.CertificateFile, hub.CertificateKeyFile, err)
		}
		return pair, nil
	}
}

// readProxy returns the configured proxy, or nil if there is none.
func readProxy(hub config.Hub, log *zap.Logger) (*url.URL, error) {
	text, where := hub.Proxy, "hub.proxy"
	if hub.ProxyFile != "" {
		secret, err := readSecret("the proxy's address", hub.ProxyFile, log)
		if err != nil {
			return nil, err
		}
		text, where = strings.TrimSpace(secret), hub.ProxyFile
	}
	if text == "" {
		return nil, nil
	}

	proxy, err := dial.ParseProxy(text)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", where, err)
	}
	return proxy, nil
}

// readSecret reads a secret from a file, or from the copy that systemd made of the
// file. It logs a warning if other users can read the file.
func readSecret(what, path string, log *zap.Logger) (string, error) {
	text, err := readCredential(path)
	if errors.Is(err, fs.ErrPermission) && systemd.CopiedCredentials() != "" {
		return "", fmt.Errorf("read %s: the agent got no copy of %s, because the file is missing or unusable; run 'latchd check' as root", what, path)
	}
	if err != nil {
		return "", fmt.Errorf("read %s: %w", what, err)
	}

	file, copied := systemd.Credential(path)
	if info, err := os.Stat(file); err == nil && !copied && info.Mode().Perm()&0o077 != 0 {
		log.Warn("others can read "+what+"; run chmod 600 on the file", zap.String("file", path), zap.Stringer("mode", info.Mode()))
	}
	return text, nil
}

// readCredential reads the text of a secret file, or of the copy that systemd made of
// the file.
func readCredential(path string) (string, error) {
	file, _ := systemd.Credential(path)
	content, err := durable.ReadLinked(file, maxSecret)
	if err != nil {
		return "", err
	}

	text, err := textfile.Decode(content)
	if err != nil {
		return "", fmt.Errorf("%s %w", path, err)
	}
	return text, nil
}
