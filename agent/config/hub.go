package config

import "strings"

// Hub is the table [hub]: how the device connects to the hub and proves its identity.
type Hub struct {
	// ConnectionStringFile is the file with the device's connection string. Only the
	// file's owner should be able to read it.
	ConnectionStringFile string `toml:"connection_string_file"`
	// CertificateFile and CertificateKeyFile are PEM files with the device's
	// certificate chain and private key. Only a device that logs in with a certificate
	// needs them.
	CertificateFile    string `toml:"certificate_file"`
	CertificateKeyFile string `toml:"certificate_key_file"`
	// Endpoint is the HOST:PORT to connect to. The default is the hub's host name and
	// the standard port.
	Endpoint string `toml:"endpoint"`
	// CAFile is a PEM file with the CA certificates that the device trusts to sign the
	// hub's certificate. The default is the system's CA certificates.
	CAFile string `toml:"ca_file"`
	// WebSocket makes the device connect over WebSocket to port 443. Some firewalls
	// block MQTT's port 8883.
	WebSocket bool `toml:"websocket"`
	// Proxy is a URL: socks5://HOST:PORT, or with WebSocket also http://HOST:PORT.
	Proxy string `toml:"proxy"`
	// ProxyFile is a file that contains the proxy's URL. Use it instead of Proxy if the
	// URL contains a password.
	ProxyFile string `toml:"proxy_file"`
}

// Provisioning is the table [provisioning]: the Device Provisioning Service, which
// tells the device its hub. The device proves its identity with its own key, with its
// enrollment group's key or with the certificate in Hub.
type Provisioning struct {
	// IDScope identifies the customer's provisioning service.
	IDScope string `toml:"id_scope"`
	// RegistrationID is the device's name at the provisioning service.
	RegistrationID string `toml:"registration_id"`
	// KeyFile is a file with the device's own key.
	KeyFile string `toml:"key_file"`
	// GroupKeyFile is a file with the key of the device's enrollment group. latchd
	// derives the device's key from it.
	GroupKeyFile string `toml:"group_key_file"`
	// Endpoint is the HOST:PORT of the provisioning service. The default is Azure's
	// global endpoint.
	Endpoint string `toml:"endpoint"`
}

// configured reports whether the file sets any key of the table [provisioning].
func (p Provisioning) configured() bool { return p != Provisioning{} }

func (h Hub) check(k *checker, p Provisioning) {
	if !p.configured() {
		k.required("hub.connection_string_file", h.ConnectionStringFile, "the file that holds the device's connection string")
	}
	if s := h.ConnectionStringFile; strings.Contains(s, "HostName=") && strings.Contains(s, ";") { // the value is a connection string: a secret that the error must not quote
		k.fail("hub.connection_string_file", "this is a connection string; want the name of a file that holds it")
	}
	k.onlyIf("hub.connection_string_file", h.ConnectionStringFile != "", !p.configured(), "without [provisioning]")

	if h.CertificateFile != "" {
		k.required("hub.certificate_key_file", h.CertificateKeyFile, "the file that holds the key of certificate_file")
	}
	k.onlyIf("hub.certificate_key_file", h.CertificateKeyFile != "", h.CertificateFile != "", "with certificate_file")

	k.address("hub.endpoint", h.Endpoint)
	h.checkProxy(k)
}

func (h Hub) checkProxy(k *checker) {
	if h.Proxy == "" {
		return
	}

	scheme, rest, found := strings.Cut(h.Proxy, "://")
	if !found || rest == "" || strings.Contains(rest, "@") {
		k.fail("hub.proxy", "want socks5://HOST:PORT or http://HOST:PORT; put an address with a password into a file and name it in proxy_file")
	} else {
		k.oneOf("hub.proxy", scheme, "socks5", "socks5h", "http")
	}
	k.onlyIf("hub.proxy", scheme == "http", scheme != "http" || h.WebSocket, "with websocket = true, because it is an HTTP proxy")
	k.onlyIf("hub.proxy", true, h.ProxyFile == "", "without proxy_file")
}

func (p Provisioning) check(k *checker, h Hub) {
	if !p.configured() {
		return
	}

	k.required("provisioning.id_scope", p.IDScope, "the ID scope of the provisioning service, such as 0ne00000A0A")
	k.required("provisioning.registration_id", p.RegistrationID, "the device's name at the provisioning service")

	credentials := 0
	for _, file := range []string{p.KeyFile, p.GroupKeyFile, h.CertificateFile} {
		if file != "" {
			credentials++
		}
	}
	if credentials != 1 {
		k.fail("provisioning.key_file", "the device has %d credentials; want exactly one of provisioning.key_file, provisioning.group_key_file and hub.certificate_file", credentials)
	}

	k.address("provisioning.endpoint", p.Endpoint)
}
