package broker

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"

	"github.com/latchd/latchd/transport/iothub"
)

// fakeProvisioner admits all devices that have the password "good".
type fakeProvisioner struct{ logins chan RegistrationLogin }

func (f fakeProvisioner) Admit(_ context.Context, l RegistrationLogin) (Registration, time.Time, error) {
	f.logins <- l
	if l.Password != "good" {
		return nil, time.Time{}, iothub.Errorf(iothub.CodeUnauthorized, "wrong key")
	}
	return fakeRegistration(l.RegistrationID), time.Time{}, nil
}

type fakeRegistration string

func (r fakeRegistration) Register(_ context.Context, payload []byte) RegistrationAnswer {
	return RegistrationAnswer{Status: 202, RetryAfter: 1500 * time.Millisecond, Body: append([]byte(r+" "), payload...)}
}

func (r fakeRegistration) Operation(_ context.Context, id string) RegistrationAnswer {
	return RegistrationAnswer{Status: 200, Body: []byte(r + " " + fakeRegistration(id))}
}

const registrationUser = "0ne1/registrations/d1/api-version=2019-03-31&ClientVersion=x"

func registrationPacket() packets.Packet {
	pk := connectPacket("d1")
	pk.Connect.Username = []byte(registrationUser)
	return pk
}

func startProvisioning(t *testing.T) (*front, fakeProvisioner) {
	p := fakeProvisioner{make(chan RegistrationLogin, 10)}
	return start(t, newFakeBackend(), Options{Provisioner: p}), p
}

func TestRegistration(t *testing.T) {
	f, p := startProvisioning(t)
	device := f.connect(t, "d1") // a device whose id is the same as the registration id
	f.nextConnection(t)
	c := f.dial(t)
	if ack := c.login(registrationPacket()); ack.ReasonCode != 0 || ack.SessionPresent {
		t.Fatalf("CONNACK has code %d", ack.ReasonCode)
	}
	if l := next(t, p.logins); l.IDScope != "0ne1" || l.RegistrationID != "d1" || l.Chain.Leaf == nil || l.WebSocket {
		t.Errorf("the login is %+v", l)
	}
	c.send(subscribePacket(1, "$dps/registrations/res/#"))
	if codes := c.expect(packets.Suback).ReasonCodes; len(codes) != 1 || codes[0] != 1 {
		t.Errorf("SUBACK has %v", codes)
	}
	for _, exchange := range []struct{ topic, payload, answerTopic, answer string }{
		{"$dps/registrations/PUT/iotdps-register/?$rid=a%201", "{}", "$dps/registrations/res/202/?$rid=a%201&retry-after=2", "d1 {}"},
		{"$dps/registrations/GET/iotdps-get-operationstatus/?$rid=2&operationId=op", " ", "$dps/registrations/res/200/?$rid=2", "d1 op"},
	} {
		c.send(publishPacket(1, exchange.topic, exchange.payload))
		var got packets.Packet
		for range 2 { // PUBACK and the answer may arrive in either order
			if pk, err := c.read(); err != nil {
				t.Fatal(err)
			} else if pk.FixedHeader.Type == packets.Publish {
				got = pk
			}
		}
		if got.TopicName != exchange.answerTopic || string(got.Payload) != exchange.answer {
			t.Errorf("%s: answered on %q %s", exchange.topic, got.TopicName, got.Payload)
		}
	}

	// A registration must not disturb the connected device with the same id.
	called := f.invoke("d1", "ping", "", 0)
	device.answer(200, "1")
	if got := next(t, called); got.err != nil {
		t.Errorf("the device's method: %v", got.err)
	}
	wantCode(t, next(t, f.invoke(registrationPrefix+"d1", "ping", "", 0)).err, iothub.CodeDeviceNotOnline)
	select {
	case was := <-f.backend.connections:
		t.Errorf("the backend was told of %+v", was)
	default:
	}

	again := f.dial(t)
	again.login(registrationPacket())
	c.expectEnd()
}

func TestRegistrationRefusals(t *testing.T) {
	f, _ := startProvisioning(t)
	for name, spoil := range map[string]func(*packets.Packet){
		"wrong password":              func(pk *packets.Packet) { pk.Connect.Password = []byte("bad") },
		"client id of another device": func(pk *packets.Packet) { pk.Connect.ClientIdentifier = "d2" },
		"client id with the prefix":   func(pk *packets.Packet) { pk.Connect.ClientIdentifier = registrationPrefix + "d1" },
		"id with a space": func(pk *packets.Packet) {
			pk.Connect.ClientIdentifier, pk.Connect.Username = "a b", []byte("0ne1/registrations/a b/api-version=1")
		},
		"will": withWill("devices/d1/messages/events/", 0),
	} {
		t.Run(name, func(t *testing.T) {
			c, pk := f.dial(t), registrationPacket()
			spoil(&pk)
			if ack := c.login(pk); ack.ReasonCode != 5 {
				t.Errorf("CONNACK has code %d, want 5", ack.ReasonCode)
			}
			c.expectEnd()
		})
	}
	t.Run("hub without a provisioner", func(t *testing.T) {
		f := start(t, newFakeBackend(), Options{})
		if ack := f.dial(t).login(registrationPacket()); ack.ReasonCode != 5 {
			t.Errorf("CONNACK has code %d, want 5", ack.ReasonCode)
		}
	})
}

// A device that registers must not use the topics of a device that has logged in. A
// device that has logged in must not use the topics for registration.
func TestRegistrationIsolation(t *testing.T) {
	f, _ := startProvisioning(t)
	for name, test := range map[string]struct {
		login  packets.Packet
		packet packets.Packet
	}{
		"a registration subscribes to methods":     {registrationPacket(), subscribePacket(0, iothub.MethodsFilter)},
		"a registration subscribes to all of $dps": {registrationPacket(), subscribePacket(0, "$dps/#")},
		"a registration sends events":              {registrationPacket(), publishPacket(0, "devices/d1/messages/events/", "x")},
		"a registration reads a twin":              {registrationPacket(), publishPacket(0, "$iothub/twin/GET/?$rid=1", "")},
		"a registration without a request id":      {registrationPacket(), publishPacket(0, "$dps/registrations/PUT/iotdps-register/?x=1", "{}")},
		"a registration of another operation":      {registrationPacket(), publishPacket(0, "$dps/registrations/PUT/iotdps-delete/?$rid=1", "{}")},
		"a device subscribes to registrations":     {connectPacket("d1"), subscribePacket(0, registrationFilter)},
		"a device registers":                       {connectPacket("d1"), publishPacket(0, "$dps/registrations/PUT/iotdps-register/?$rid=1", "{}")},
	} {
		t.Run(name, func(t *testing.T) {
			c := f.dial(t)
			if ack := c.login(test.login); ack.ReasonCode != 0 {
				t.Fatalf("CONNACK has code %d", ack.ReasonCode)
			}
			c.send(test.packet)
			c.expectEnd()
		})
	}
}

// FuzzRegistration checks two things: only a valid user name is parsed as a
// registration, and a request id is returned exactly as the device wrote it.
func FuzzRegistration(f *testing.F) {
	f.Add(registrationUser, "$dps/registrations/PUT/iotdps-register/?$rid=a%201")
	f.Add("0ne1/registrations/d1/?api-version=1", "$dps/registrations/GET/iotdps-get-operationstatus/?$rid=2&operationId=op")
	f.Fuzz(func(t *testing.T, user, topic string) {
		if scope, id, ok := parseRegistrationUser(user); ok {
			if !strings.HasPrefix(user, scope+"/registrations/"+id+"/api-version=") || strings.Contains(scope+id, "/") {
				t.Errorf("%q is parsed as scope %q, id %q", user, scope, id)
			}
		}
		if r, err := parseRegistrationRequest(topic); err == nil {
			if !strings.Contains(topic, "rid="+r.requestID) || r.requestID == "" || r.kind != registerRequest && r.kind != operationRequest {
				t.Errorf("%q is parsed as %+v", topic, r)
			}
		}
	})
}
