package config

import "strings"

// Hub says where the hub is, who the device is there, and how it is reached.
type Hub struct {
	// ConnectionStringFile holds the device's connection string; only its owner
	// should be able to read it.
	ConnectionStringFile string `toml:"connection_string_file"`
	// CertificateFile and CertificateKeyFile hold the certificate, with those that
	// lead to its authority, and the key of a device that logs in by it, in PEM.
	CertificateFile    string `toml:"certificate_file"`
	CertificateKeyFile string `toml:"certificate_key_file"`
	// Endpoint is the host:port to connect to, where it is not the hub's name and
	// the usual port.
	Endpoint string `toml:"endpoint"`
	// CAFile holds the certificates that the hub's must lead to, in PEM, where
	// they are not the system's.
	CAFile string `toml:"ca_file"`
	// WebSocket connects to port 443 by WebSocket, where 8883 is closed.
	WebSocket bool `toml:"websocket"`
	// Proxy is socks5://HOST:PORT, or http://HOST:PORT with WebSocket.
	Proxy string `toml:"proxy"`
	// ProxyFile holds the proxy's address where there is a password in it.
	ProxyFile string `toml:"proxy_file"`
}

// Provisioning says who asks the provisioning service for the hub. It proves
// itself by a key, its own or its group's, or by the certificate of Hub.
type Provisioning struct {
	// IDScope names the service's instance.
	IDScope string `toml:"id_scope"`
	// RegistrationID is the device's name at the service.
	RegistrationID string `toml:"registration_id"`
	// KeyFile holds the device's own key.
	KeyFile string `toml:"key_file"`
	// GroupKeyFile holds its group's key, from which its own is made.
	GroupKeyFile string `toml:"group_key_file"`
	// Endpoint is the service's host:port, where it is not Azure's.
	Endpoint string `toml:"endpoint"`
}

// given reports whether a provisioning service is to be asked.
func (p Provisioning) given() bool { return p != Provisioning{} }

func (h Hub) check(k *checker, p Provisioning) {
	if !p.given() {
		k.required("hub.connection_string_file", h.ConnectionStringFile, "the file that holds the device's connection string")
	}
	if s := h.ConnectionStringFile; strings.Contains(s, "HostName=") && strings.Contains(s, ";") { // not quoted: it is a secret
		k.fail("hub.connection_string_file", "want the name of a file that holds the connection string, not the string itself")
	}
	k.onlyFor("hub.connection_string_file", h.ConnectionStringFile != "", !p.given(), "a device without [provisioning]")
	if h.CertificateFile != "" {
		k.required("hub.certificate_key_file", h.CertificateKeyFile, "the file that holds the key of certificate_file")
	}
	k.onlyFor("hub.certificate_key_file", h.CertificateKeyFile != "", h.CertificateFile != "", "a device with a certificate_file")
	k.address("hub.endpoint", h.Endpoint)
	if h.Proxy != "" {
		scheme, rest, found := strings.Cut(h.Proxy, "://")
		if !found || rest == "" || strings.Contains(rest, "@") {
			k.fail("hub.proxy", "want socks5://HOST:PORT or http://HOST:PORT; one with a password belongs into a file, which proxy_file names")
		} else {
			k.oneOf("hub.proxy", scheme, "socks5", "socks5h", "http")
		}
		k.onlyFor("hub.proxy", scheme == "http", scheme != "http" || h.WebSocket, "websocket = true, if it is an HTTP proxy")
		k.onlyFor("hub.proxy", true, h.ProxyFile == "", "a device without a proxy_file")
	}
}

func (p Provisioning) check(k *checker, h Hub) {
	if !p.given() {
		return
	}
	k.required("provisioning.id_scope", p.IDScope, "that of the service's instance, such as 0ne00000A0A")
	k.required("provisioning.registration_id", p.RegistrationID, "the device's name at the provisioning service")
	ways := 0
	for _, file := range []string{p.KeyFile, p.GroupKeyFile, h.CertificateFile} {
		if file != "" {
			ways++
		}
	}
	if ways != 1 {
		k.fail("provisioning.key_file", "the device proves who it is in %d ways; want one of key_file, group_key_file and the hub's certificate_file", ways)
	}
	k.address("provisioning.endpoint", p.Endpoint)
}
