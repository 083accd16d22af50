package provisioning

import (
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"reflect"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/eclipse/paho.mqtt.golang/packets"

	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/trust"
)

// assigning is the body of the service's answer while a registration is in progress.
const assigning = `{"operationId":"4.a.b","status":"assigning"}`

// TestRegister shows a normal registration. The service first says how long to wait,
// and then assigns a hub. The clock of a synctest bubble starts in the year 2000.
func TestRegister(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, answer{"202", "&retry-after=3", assigning}, answer{"202", "", assigning}, assigned("hub.example", "door-1"))
		start := time.Now()
		a, err := Register(t.Context(), s.options())
		want := Assignment{Endpoint: "service.example", IDScope: "0ne1", RegistrationID: "door-1", Hub: "hub.example", DeviceID: "door-1"}
		if err != nil || !reflect.DeepEqual(a, want) {
			t.Fatalf("got %+v, %v", a, err)
		}
		c := <-s.connects
		const user = "0ne1/registrations/door-1/api-version=2019-03-31&ClientVersion=latchd"
		if c.ClientIdentifier != "door-1" || c.Username != user || !c.CleanSession || c.Keepalive != 180 || c.ProtocolVersion != 4 {
			t.Errorf("CONNECT %v", c)
		}
		if got := string(c.Password); !strings.HasPrefix(got, "SharedAccessSignature sr=0ne1/registrations/door-1&sig=") || !strings.HasSuffix(got, "&skn=registration&se=946688400") {
			t.Errorf("password %s", got)
		}
		if token, err := iothub.ParseSignature(string(c.Password)); err != nil || !token.SignedBy(iothub.Key("secret")) {
			t.Errorf("token %+v, %v", token, err)
		}
		for i, want := range []request{
			{"$dps/registrations/PUT/iotdps-register/?$rid=1", `{"registrationId":"door-1"}`, start},
			{"$dps/registrations/GET/iotdps-get-operationstatus/?$rid=2&operationId=4.a.b", " ", start.Add(3 * time.Second)},
			{"$dps/registrations/GET/iotdps-get-operationstatus/?$rid=3&operationId=4.a.b", " ", start.Add(5 * time.Second)},
		} {
			if got := <-s.requests; got != want {
				t.Errorf("request %d: got %v, want %v", i, got, want)
			}
		}
		<-s.ended
	})
}

// A device with a certificate must send no password. It can send a payload.
func TestRegisterWithCertificate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, answer{"200", "", `{"status":"assigned","registrationState":{"assignedHub":"h","deviceId":"d","payload":{"floor":3}}}`})
		o := s.options()
		shown, _ := certificate(t, "door-1")
		o.Key, o.Certificate = nil, func() (tls.Certificate, error) { return shown, nil }
		o.Payload = json.RawMessage(`{"site":"north"}`)
		a, err := Register(t.Context(), o)
		if err != nil || string(a.Payload) != `{"floor":3}` {
			t.Fatalf("got %+v, %v", a, err)
		}
		if c := <-s.connects; c.PasswordFlag {
			t.Errorf("CONNECT has the password %s", c.Password)
		}
		if name := <-s.certs; name != "door-1" {
			t.Errorf("the client sent the certificate of %s", name)
		}
		if r := <-s.requests; r.body != `{"registrationId":"door-1","payload":{"site":"north"}}` {
			t.Errorf("the request is %s", r.body)
		}
		<-s.ended
	})
}

// If the service is busy, Register must repeat its request on the same connection after
// the wait that the service asked for. It must send pings during a long wait.
func TestRegisterWaits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, answer{"429", "&retry-after=130", `{"errorCode":429001,"message":"Throttled"}`}, answer{"500", "", "not JSON"}, answer{"408", "", ""},
			answer{"202", "&retry-after=1", assigning}, answer{"503", "&retry-after=4", ""}, assigned("h", "d"))
		start := time.Now()
		if _, err := Register(t.Context(), s.options()); err != nil {
			t.Fatal(err)
		}
		for i, want := range []struct {
			after time.Duration
			poll  bool
		}{{0, false}, {130 * time.Second, false}, {132 * time.Second, false}, {134 * time.Second, false}, {135 * time.Second, true}, {139 * time.Second, true}} {
			r := <-s.requests
			if got := r.at.Sub(start); got != want.after || strings.Contains(r.topic, "operationstatus") != want.poll {
				t.Errorf("request %d after %s: %s", i, got, r.topic)
			}
		}
		<-s.ended
		if s.pings != 2 {
			t.Errorf("%d pings", s.pings)
		}
	})
}

// The error of each refusal must contain the right reason and say what to do.
func TestRefused(t *testing.T) {
	const at = "provisioning service at service.example:8883: "
	const unauthorized = at + `it refused the login of "door-1" as not authorized; check the registration id, its key and the ID scope 0ne1, that the device is enrolled and enabled, and this computer's clock (2000-01-01T00:00:00Z)`

	for _, test := range []struct {
		name    string
		connack byte
		answer  answer
		reason  Reason
		after   time.Duration
		refused bool
		want    string
	}{
		{"login", packets.ErrRefusedNotAuthorised, answer{}, Unauthorized, 0, true, unauthorized},
		{"login, not now", packets.ErrRefusedServerUnavailable, answer{}, Unavailable, 0, false, at + "it is temporarily unavailable"},
		{"login, no service", packets.ErrRefusedIDRejected, answer{}, BadRequest, 0, true,
			at + "it refused the connection with code 2; check that the address belongs to a provisioning service"},
		{"401", 0, answer{"401", "", `{"errorCode":401002,"trackingId":"t","message":"Invalid certificate."}`}, Unauthorized, 0, true,
			unauthorized + `: it says "Invalid certificate" (code 401002)`},
		{"404", 0, answer{"404", "", `{"errorCode":404201}`}, NotEnrolled, 0, true,
			at + `it has no enrollment for "door-1" in the ID scope 0ne1; enroll the device, or check the registration id and the ID scope (code 404201)`},
		{"400", 0, answer{"400", "", ""}, BadRequest, 0, true, at + `it refused the registration of "door-1" with status 400`},
		{"409", 0, answer{"409", "", `{"errorCode":409001,"message":"The device exists."}`}, Conflict, 0, false,
			at + `the registration of "door-1" conflicts with another one: it says "The device exists" (code 409001)`},
		{"disabled", 0, answer{"200", "", `{"status":"disabled"}`}, Disabled, 0, true, at + `the enrollment of "door-1" is disabled; enable it`},
		{"failed", 0, answer{"200", "", `{"status":"Failed","registrationState":{"errorCode":400207,"errorMessage":"Custom allocation failed."}}`}, Failed, 0, true,
			at + `it could not assign a hub to "door-1": it says "Custom allocation failed" (code 400207)`},
		{"throttled for longer than there is time", 0, answer{"429", "&retry-after=600", ""}, Throttled, 10 * time.Minute, false,
			at + "it receives too many requests"},
		{"not well for longer than there is time", 0, answer{"500", "&retry-after=600", ""}, Unavailable, 10 * time.Minute, false, at + "it answered with status 500"},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newService(t, test.answer)
				s.connack = test.connack
				_, err := Register(t.Context(), s.options())
				e, ok := errors.AsType[*Error](err)
				if !ok || e.Reason != test.reason || e.RetryAfter() != test.after || e.Refused() != test.refused {
					t.Fatalf("got %+v (%v)", e, err)
				}
				if err.Error() != test.want {
					t.Errorf("got  %s\nwant %s", err, test.want)
				}
				<-s.ended
			})
		})
	}
}

// An answer that does not follow the protocol counts as a refusal, so that a device does
// not flood a service that always answers so.
func TestUnexpectedAnswers(t *testing.T) {
	for name, test := range map[string]struct {
		change func(s *service)
		want   string
	}{
		"no subscription": {func(s *service) { s.suback = 0x80 }, "it refused the subscription to its answers"},
		"no JSON":         {func(s *service) { s.answers = []answer{{"200", "", "{"}} }, "it sent an invalid answer: the answer is not JSON"},
		"no state":        {func(s *service) { s.answers = []answer{{"200", "", `{"status":"assigned"}`}} }, `it assigned a hub with the invalid name ""`},
		"no operation": {func(s *service) { s.answers = []answer{{"202", "", `{"status":"assigning"}`}} },
			"it answered the registration with neither a hub nor an operation to wait for"},
		"no hub":    {func(s *service) { s.answers = []answer{assigned("", "door-1")} }, `it assigned a hub with the invalid name ""`},
		"no device": {func(s *service) { s.answers = []answer{assigned("h", "")} }, "it assigned an unusable device id: the device id is empty"},
		"a b":       {func(s *service) { s.answers = []answer{assigned("h", "a b")} }, "it assigned an unusable device id: the device id contains ' '"},
		"no topic":  {func(s *service) { s.answers = []answer{assigned("h", "a+b")} }, "it assigned an unusable device id: the device id contains '+'"},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newService(t)
				test.change(s)
				_, err := Register(t.Context(), s.options())
				e, ok := errors.AsType[*Error](err)
				if !ok || e.Reason != InvalidAnswer || !e.Refused() || !strings.HasPrefix(e.Message, "provisioning service at service.example:8883: "+test.want) {
					t.Errorf("got %+v (%v)", e, err)
				}
				<-s.ended
			})
		})
	}
}

// IoT Hub's device ids can contain a semicolon.
func TestAssignedIDWithSemicolon(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, assigned("h", "X:1;2"))
		if a, err := Register(t.Context(), s.options()); err != nil || a.DeviceID != "X:1;2" {
			t.Errorf("got %+v, %v", a, err)
		}
		<-s.ended
	})
}

// Register must end in a limited time. An error of the connection must not look like a
// refusal by the service.
func TestRegisterEnds(t *testing.T) {
	for _, test := range []struct {
		name   string
		change func(s *service, o *Options)
		want   string
		after  time.Duration
	}{
		{"no answer", func(s *service, _ *Options) { s.answers = nil },
			"provisioning service at service.example:8883: the connection broke, or no answer arrived within 30s: ", 30 * time.Second},
		{"assigning for ever", func(s *service, _ *Options) {
			for range 100 {
				s.answers = append(s.answers, answer{"202", "&retry-after=4", assigning})
			}
		}, "provisioning service at service.example:8883: no assignment within 5m0s: context deadline exceeded", 5 * time.Minute},
		{"unknown authority", func(_ *service, o *Options) {
			_, other := certificate(t, "other")
			o.RootCAs = trust.Pool(other)
		},
			"provisioning service at service.example:8883: its certificate was issued by an authority that this computer does not trust", 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newService(t)
				o := s.options()
				test.change(s, &o)
				start := time.Now()
				_, err := Register(t.Context(), o)
				if _, isRefusal := errors.AsType[*Error](err); isRefusal || err == nil || !strings.HasPrefix(err.Error(), test.want) {
					t.Errorf("got  %v\nwant %s", err, test.want)
				}
				if waited := time.Since(start); waited != test.after {
					t.Errorf("after %s", waited)
				}
				<-s.ended
			})
		})
	}
}

func TestRegisterIsCancelled(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newService(t, answer{"202", "&retry-after=60", assigning})
		ctx, cancel := context.WithCancel(t.Context())
		go func() { <-s.requests; time.Sleep(time.Second); cancel() }()
		if _, err := Register(ctx, s.options()); !errors.Is(err, context.Canceled) {
			t.Errorf("got %v", err)
		}
		<-s.ended
	})
}

func TestOptionsThatCannotWork(t *testing.T) {
	good := Options{IDScope: "0ne1", RegistrationID: "door-1", Key: iothub.Key("k")}
	if err := good.Check(); err != nil {
		t.Fatal(err)
	}

	for want, change := range map[string]func(o *Options){
		`provisioning: the ID scope is ""; copy the ID scope of the provisioning service, such as 0ne00000A0A`: func(o *Options) { o.IDScope = "" },
		`provisioning: the registration id is "a/b"; want 1 to 128 letters, digits or -._: characters`:         func(o *Options) { o.RegistrationID = "a/b" },
		`provisioning: the device has no key and no certificate to register with; set one`:                     func(o *Options) { o.Key = nil },
		`provisioning: the device has both a key and a certificate; set only one`:                              func(o *Options) { o.Certificate = func() (tls.Certificate, error) { return tls.Certificate{}, nil } },
		`provisioning: invalid address "https://x"; want HOST or HOST:PORT`:                                    func(o *Options) { o.Endpoint = "https://x" },
	} {
		o := good
		change(&o)
		if _, err := Register(t.Context(), o); err == nil || err.Error() != want {
			t.Errorf("got %v, want %s", err, want)
		}
	}
}

// The group's key and the expected device keys come from an example in Azure's
// documentation.
func TestDeriveKey(t *testing.T) {
	group, err := iothub.ParseKey("8isrFI1sGsIlvvFSSFRiMfCNzv21fjbE/+ah/lSh3lF8e2YG1Te7w1KpZhJFFXJrqYKi9yegxkqIChbqOS9Egw==")
	if err != nil {
		t.Fatal(err)
	}
	if got, want := DeriveKey(group, "sn-007-888-abc-mac-a1-b2-c3-d4-e5-f6").Base64(), "Jsm0lyGpjaVYVP2g3FnmnmG9dI/9qU24wNoykUmermc="; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}
