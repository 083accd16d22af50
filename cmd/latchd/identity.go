package main

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/agent"
	"github.com/latchd/latchd/agent/config"
	"github.com/latchd/latchd/systemd"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/mqtt"
	"github.com/latchd/latchd/transport/mqtt/dial"
	"github.com/latchd/latchd/transport/provisioning"
	"github.com/latchd/latchd/transport/trust"
)

// identity is who the device is, whom it trusts and how it reaches its hub.
type identity struct {
	name string // the device's, or its registration's
	hub  string // the hub's name, or how it is found
	mqtt mqtt.Options
	dps  *provisioning.Options // nil for a device that knows its hub
}

// productInfo is what the hub is told of the program.
func productInfo() string { return "latchd/" + version }

// readIdentity reads what the configuration names. Secrets that others can read
// are warned of.
func readIdentity(c config.Config, log *zap.Logger) (identity, error) {
	var roots *x509.CertPool // nil means the system's CA certificates
	if c.Hub.CAFile != "" {
		pool, err := trust.ReadCAFile(c.Hub.CAFile)
		if err != nil {
			return identity{}, err
		}
		roots = pool
	}

	proxy, err := readProxy(c.Hub, log)
	if err != nil {
		return identity{}, err
	}
	i := identity{mqtt: mqtt.Options{
		Endpoint: c.Hub.Endpoint, RootCAs: roots, WebSocket: c.Hub.WebSocket, Proxy: proxy,
		ModelID: agent.ModelID, ProductInfo: productInfo(),
	}}
	if c.Hub.CertificateFile != "" {
		i.mqtt.Certificate = certificate(c.Hub)
		if _, err := i.mqtt.Certificate(); err != nil {
			return identity{}, err
		}
	}
	if c.Provisioning.IDScope != "" {
		return i.provisioned(c.Provisioning, log)
	}
	text, err := readSecret("the connection string", c.Hub.ConnectionStringFile, log)
	if err != nil {
		return identity{}, err
	}
	device, err := iothub.ParseDevice(text)
	if err != nil {
		return identity{}, fmt.Errorf("%s: %w", c.Hub.ConnectionStringFile, err)
	}
	if device.X509 && i.mqtt.Certificate == nil {
		return identity{}, fmt.Errorf("%s: it says x509=true, so hub.certificate_file and hub.certificate_key_file are needed", c.Hub.ConnectionStringFile)
	}
	if !device.X509 && i.mqtt.Certificate != nil {
		return identity{}, fmt.Errorf("%s: there is a certificate_file, and the connection string has a key; want one of them (x509=true in place of the key)", c.Hub.ConnectionStringFile)
	}
	i.name, i.hub, i.mqtt.Device = device.DeviceID, device.HostName, device
	return i, nil
}

// provisioned is the identity of a device that asks for its hub.
func (i identity) provisioned(p config.Provisioning, log *zap.Logger) (identity, error) {
	i.name, i.hub = p.RegistrationID, "the hub that "+p.IDScope+" assigns"
	i.dps = &provisioning.Options{
		Endpoint: p.Endpoint, IDScope: p.IDScope, RegistrationID: p.RegistrationID,
		Certificate: i.mqtt.Certificate, ProductInfo: productInfo(),
		RootCAs: i.mqtt.RootCAs, WebSocket: i.mqtt.WebSocket, Proxy: i.mqtt.Proxy,
	}
	file := p.KeyFile + p.GroupKeyFile // one of them, or none with a certificate
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
		i.dps.Key = key
	}
	return i, i.dps.Check()
}

// options returns the options of the link. An assignment to a hub is kept in store.
func (i identity) options(store *agent.Store, now func() time.Time, log *zap.Logger) mqtt.Options {
	o := i.mqtt
	o.Now, o.Logger = now, log
	if i.dps == nil {
		return o
	}
	i.dps.Now = now
	keeper := &provisioning.Keeper{Options: *i.dps, Keep: keepAssignment(store), Logger: log}
	if kept := store.Get().Assignment; kept != nil {
		if err := json.Unmarshal(kept, &keeper.Assignment); err != nil {
			log.Warn("the hub that was assigned before cannot be read; it is asked for again", zap.Error(err))
		}
	}
	o.Locate = keeper.Locate
	return o
}

func keepAssignment(store *agent.Store) func(provisioning.Assignment) error {
	return func(a provisioning.Assignment) error {
		text, err := json.Marshal(a)
		if err != nil {
			return err
		}
		onDisk := make(chan error, 1)
		store.Update(func(s *agent.State) { s.Assignment = text }, func(err error) { onDisk <- err })
		return <-onDisk
	}
}

// certificate returns what reads the device's certificate. It does so at each
// login, so that one which was renewed on disk is taken.
func certificate(hub config.Hub) func() (tls.Certificate, error) {
	return func() (tls.Certificate, error) {
		chain, _ := systemd.Credential(hub.CertificateFile)
		key, _ := systemd.Credential(hub.CertificateKeyFile)
		pair, err := tls.LoadX509KeyPair(chain, key)
		if err != nil {
			return tls.Certificate{}, fmt.Errorf("read the device's certificate %s and its key: %w", hub.CertificateFile, err)
		}
		return pair, nil
	}
}

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

// readSecret reads a file that only its owner should be able to read, or the copy
// that systemd has made of it.
func readSecret(what, path string, log *zap.Logger) (string, error) {
	file, copied := systemd.Credential(path)
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read %s: %w", what, err)
	}
	if info, err := os.Stat(file); err == nil && !copied && info.Mode().Perm()&0o077 != 0 {
		log.Warn("others can read "+what+"; run chmod 600 on it", zap.String("file", path), zap.Stringer("mode", info.Mode()))
	}
	return string(text), nil
}
