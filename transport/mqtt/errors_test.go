package mqtt_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/mqtt"
	"github.com/latchd/latchd/transport/trust"
)

// After a refused login, the device must wait longer and log the reason without
// secrets.
func TestRefused(t *testing.T) {
	t.Parallel()

	for _, test := range []struct {
		name string
		code byte
		want string
	}{
		{"not authorized", packets.ErrRefusedNotAuthorised,
			`it refused the login of device "d1" as not authorized; check the device id and the key, that the device exists and is enabled in localhost, and this computer's clock (2026-11-23T11:37:12Z)`},
		{"bad user name or password", packets.ErrRefusedBadUsernameOrPassword,
			`it refused the login of device "d1" as not authorized; check the device id and the key, that the device exists and is enabled in localhost, and this computer's clock (2026-11-23T11:37:12Z)`},
		{"client id", packets.ErrRefusedIDRejected, `it refused the client id "d1"; check the device id`},
		{"protocol", packets.ErrRefusedBadProtocolVersion, `it does not accept MQTT 3.1.1; check that the address belongs to an IoT Hub`},
		{"unknown", 255, `it refused the connection with code 255, which MQTT 3.1.1 does not define; check that the address belongs to an IoT Hub`},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPeer(t, func(p *peer) { p.connack = func(int) byte { return test.code } })
			d := startDevice(t, p, nil)
			for _, delay := range []time.Duration{15 * time.Second, 30 * time.Second, 45 * time.Second, 45 * time.Second} {
				s := p.next(t)
				d.clock.fire(t, delay)
				if s.connect.ProtocolVersion != 4 {
					t.Errorf("tried protocol level %d", s.connect.ProtocolVersion)
				}
			}
			wantLogged(t, d, "hub at "+p.address+": "+test.want)
		})
	}
}

// A hub refuses a certificate only after the client has finished the TLS handshake.
func TestRefusedCertificate(t *testing.T) {
	t.Parallel()

	p := newPeer(t, func(p *peer) { p.clientCAs = x509.NewCertPool() })
	shown, _ := testCertificate(t, "d1", time.Now().Add(-time.Hour), time.Now().Add(time.Hour)) // certificate that is valid now, because the simulated hub uses the real clock
	d := startDevice(t, p, func(o *mqtt.Options) {
		o.Device.Key, o.Device.X509 = nil, true
		o.Certificate = func() (tls.Certificate, error) { return shown, nil }
	})
	d.clock.fire(t, 500*time.Millisecond)
	d.stop(t)
	wantLogged(t, d, "hub at "+p.address+": it refused the device's certificate (tls: unknown certificate authority); check that the certificate is valid now and is registered for the device")
}

func TestNoConnection(t *testing.T) {
	t.Parallel()

	plain := listen(t, "SSH-2.0-x\r\n")
	closing := listen(t, "")
	nobody := listen(t, "")
	nobody.Close()
	_, otherRoots := testCertificate(t, "localhost", connectedAt.Add(-time.Hour), connectedAt.Add(time.Hour))

	for _, test := range []struct {
		name   string
		change func(o *mqtt.Options)
		want   string // error after "hub at ADDRESS: "
		delay  time.Duration
	}{
		{"unknown authority", func(o *mqtt.Options) { o.RootCAs = trust.Pool(otherRoots) },
			"its certificate was issued by an authority that this computer does not trust; if the server is your own, set ca_file to the file with its CA certificate", 0},
		{"another name", func(o *mqtt.Options) { o.Endpoint = strings.Replace(o.Endpoint, "localhost", "127.0.0.1", 1) },
			"its certificate is for localhost, not for 127.0.0.1; use one of the certificate's names as the endpoint", 0},
		{"clock before the certificate", func(o *mqtt.Options) { o.Now = func() time.Time { return time.Unix(1000, 0) } },
			"its certificate has expired or is not valid yet; compare this computer's clock (1970-01-01T00:16:40Z) with the dates of the certificate", 0},
		{"nobody listens", func(o *mqtt.Options) { o.Endpoint = nobody.Addr().String() },
			"it refused the connection; check that the server is running, and check the port", 0},
		{"no TLS", func(o *mqtt.Options) { o.Endpoint = plain.Addr().String() },
			"it does not speak TLS on this port; check the port of the endpoint", 0},
		{"no such host", func(o *mqtt.Options) {
			o.Dial = func(context.Context, string, string) (net.Conn, error) {
				return nil, &net.OpError{Op: "dial", Net: "tcp", Err: &net.DNSError{Err: "no such host", Name: "localhost", IsNotFound: true}}
			}
		}, "there is no host named localhost; check the host name and this computer's DNS", 7500 * time.Millisecond},
		{"look-up fails", func(o *mqtt.Options) {
			o.Dial = func(context.Context, string, string) (net.Conn, error) {
				return nil, &net.DNSError{Err: "server misbehaving", Name: "localhost", IsTemporary: true}
			}
		}, "the name localhost could not be looked up (server misbehaving); check the network and this computer's DNS", 0},
		{"no answer", func(o *mqtt.Options) {
			o.Dial = func(context.Context, string, string) (net.Conn, error) { return nil, context.DeadlineExceeded }
		}, "no answer within 30s; check the network, and that no firewall blocks the port", 0},
		{"closed before CONNACK", func(o *mqtt.Options) {
			o.Endpoint = closing.Addr().String()
		}, "it closed the connection before it answered the login; check that the address belongs to the MQTT server of an IoT Hub", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			p := newPeer(t, nil)
			var address string
			d := startDevice(t, p, func(o *mqtt.Options) { test.change(o); address = o.Endpoint })
			d.clock.fire(t, max(test.delay, 500*time.Millisecond))
			d.stop(t)
			wantLogged(t, d, "hub at "+address+": "+test.want)
		})
	}
}

func TestOptionsThatCannotWork(t *testing.T) {
	t.Parallel()

	key := iothub.Key("k")
	good := iothub.Device{HostName: "h", DeviceID: "d", Key: key}

	for _, test := range []struct {
		name string
		opts mqtt.Options
		want string
	}{
		{"no device", mqtt.Options{}, "mqtt: the device's host name or id is missing; get both from its connection string"},
		{"no secret", mqtt.Options{Device: iothub.Device{HostName: "h", DeviceID: "d"}}, "mqtt: the device has no key, token or certificate to log in with; set one of them"},
		{"certificate", mqtt.Options{Device: iothub.Device{HostName: "h", DeviceID: "d", X509: true}},
			"mqtt: the connection string says x509=true, but the device has no certificate; set one"},
		{"certificate of a device with a key", mqtt.Options{Device: good, Certificate: func() (tls.Certificate, error) { return tls.Certificate{}, nil }},
			"mqtt: the device has a certificate, but its connection string does not say x509=true; add x509=true or remove the certificate"},
		{"HTTP proxy without WebSocket", mqtt.Options{Device: good, Proxy: &url.URL{Scheme: "http", Host: "proxy:80"}},
			"mqtt: an HTTP proxy works only with WebSocket; use WebSocket or a SOCKS proxy"},
		{"keep-alive", mqtt.Options{Device: good, KeepAlive: 1500 * time.Millisecond}, "mqtt: keep-alive is 1.5s; want whole seconds, 1 to 1767"},
		{"keep-alive too long", mqtt.Options{Device: good, KeepAlive: time.Hour}, "mqtt: keep-alive is 1h0m0s; want whole seconds, 1 to 1767"},
		{"token life", mqtt.Options{Device: good, TokenLife: time.Second}, "mqtt: token life is 1s; want 10 s or more"},
		{"endpoint", mqtt.Options{Device: good, Endpoint: "https://h:1"}, `mqtt: invalid address "https://h:1"; want HOST or HOST:PORT`},
		{"endpoint without host", mqtt.Options{Device: good, Endpoint: ":1"}, `mqtt: invalid address ":1"; want HOST or HOST:PORT`},
	} {
		t.Run(test.name, func(t *testing.T) {
			err := mqtt.Run(t.Context(), test.opts, nil)
			if err == nil || err.Error() != test.want {
				t.Errorf("got %v, want %s", err, test.want)
			}
		})
	}
}

// wantLogged fails the test unless the log gives text as the reason why there is no
// connection. It also fails the test if the log contains a secret.
func wantLogged(t *testing.T, d *device, text string) {
	t.Helper()

	found := false
	for _, entry := range d.logs.All() {
		for _, field := range entry.Context {
			value := field.String
			if err, ok := field.Interface.(error); ok {
				value = err.Error()
			}
			found = found || entry.Message == "not connected to the hub" && field.Key == "error" && value == text
			if strings.Contains(value, testKey) || strings.Contains(value, "sig=") {
				t.Errorf("the log contains a secret: %s", value)
			}
		}
	}

	if !found {
		t.Errorf("not logged: %s\nlogged: %v", text, d.logs.All())
	}
}

// listen starts a server that writes text to each connection and then closes the
// connection.
func listen(t *testing.T, text string) net.Listener {
	t.Helper()

	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })

	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			conn.Write([]byte(text))
			conn.Close()
		}
	}()

	return l
}
