package broker

import (
	"errors"
	"net/http"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/hub/internal/admission"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/logtext"
)

// Return codes of the CONNACK packet in MQTT 3.1.1.
const (
	refusedVersion     = 1
	refusedUnavailable = 3
	refusedLogin       = 5
)

// maxKeepAlive is the longest keepalive interval, in seconds, that IoT Hub grants. The
// broker also uses it if a device requests no keepalive.
const maxKeepAlive = 1767

// refusedConnect is the reason for refusing a CONNECT packet, with the return code for
// CONNACK.
type refusedConnect struct {
	code   byte
	reason string
}

func (e refusedConnect) Error() string { return e.reason }

// readConnect checks a CONNECT packet and stores its content in the link.
func (l *link) readConnect(pk *packets.Packet) error {
	c := &pk.Connect
	if c.Keepalive == 0 || c.Keepalive > maxKeepAlive {
		c.Keepalive = maxKeepAlive
	}
	l.maxSilence = time.Duration(c.Keepalive+c.Keepalive/2) * time.Second

	l.userName = string(c.Username)
	if string(c.ProtocolName) != "MQTT" || pk.ProtocolVersion != 4 {
		return refusedConnect{refusedVersion, "the protocol is not MQTT 3.1.1"}
	}
	if scope, id, ok := parseRegistrationUser(l.userName); ok {
		return l.readRegistration(c, scope, id)
	}

	user, err := iothub.ParseUserName(l.userName)
	switch {
	case err != nil:
		return refusedConnect{refusedLogin, err.Error()}
	case user.ModuleID != "":
		return refusedConnect{refusedLogin, "the hub does not support modules"}
	case c.ClientIdentifier != user.ClientID():
		return refusedConnect{refusedLogin, "client id and user name do not name the same device"}
	}
	if err := iothub.CheckDeviceID(user.DeviceID); err != nil {
		return refusedConnect{refusedLogin, err.Error()}
	}
	l.deviceID = user.DeviceID
	l.modelID = user.ModelID
	l.login.User, l.login.ClientID = user, c.ClientIdentifier
	l.login.Password = string(c.Password)
	l.clean = c.Clean

	if c.WillFlag {
		return l.readWill(c)
	}
	return nil
}

func (l *link) readWill(c *packets.ConnectParams) error {
	request, err := parseRequest(c.WillTopic, l.deviceID)
	switch {
	case err != nil || request.kind != eventRequest:
		return refusedConnect{refusedLogin, "the will's topic is not the device's own event topic"}
	case c.WillQos > 1:
		return refusedConnect{refusedLogin, "the will asks for QoS 2; the hub supports 0 and 1"}
	}
	l.will = &will{request: request, payload: c.WillPayload, retain: c.WillRetain}
	return nil
}

// readRegistration reads the CONNECT packet of a device that registers itself. Such a
// device has no session and may not have a will.
func (l *link) readRegistration(c *packets.ConnectParams, scope, id string) error {
	switch {
	case c.ClientIdentifier != id:
		return refusedConnect{refusedLogin, "client id and user name do not name the same registration"}
	case c.WillFlag:
		return refusedConnect{refusedLogin, "a device that registers may not have a will"}
	}
	if err := iothub.CheckDeviceID(id); err != nil {
		return refusedConnect{refusedLogin, err.Error()}
	}

	l.deviceID = registrationPrefix + id
	l.clean = true
	_, webSocket := l.Conn.(*socketConn)
	l.registrationLogin = RegistrationLogin{IDScope: scope, RegistrationID: id, Password: string(c.Password),
		Chain: l.login.Chain, WebSocket: webSocket}
	l.login = Login{}
	return nil
}

// refuse sets the CONNACK return code that refuses the device, and logs the reason.
func (b *Broker) refuse(l *link, err error) {
	l.refusal = refusedUnavailable
	if bad, ok := errors.AsType[refusedConnect](err); ok {
		l.refusal = bad.code
	}
	if e, ok := errors.AsType[*iothub.Error](err); ok && e.Status < 500 && e.Status != http.StatusTooManyRequests {
		l.refusal = refusedLogin
	}

	b.remoteLog.Info("refused a device", zap.String("device_id", l.deviceID), zap.String("user_name", l.userName),
		zap.Stringer(logtext.Address, l.RemoteAddr()), zap.Uint8("code", l.refusal), zap.Error(err))
}

// logIn checks the device's credentials, closes the device's previous connection and
// loads the device's session.
func (b *Broker) logIn(l *link) error {
	b.links.addLogin(l)
	var err error
	if l.isRegistration() {
		l.expires, err = b.admitRegistration(l)
	} else {
		l.expires, err = b.backend.Login(b.ctx, l.login)
	}
	if err != nil {
		return err
	}
	admission.Authorize(l.Conn)
	l.userName, l.login = "", Login{} // the credentials are no longer needed
	if !b.links.claim(l) {
		return refusedConnect{refusedUnavailable, "the connection was closed during the login"}
	}

	subs, ok := b.links.session(l.deviceID)
	switch {
	case !l.clean:
		l.subs, l.sessionPresent = subs, ok
	case ok:
		if err := b.backend.DeleteSession(b.ctx, l.deviceID); err != nil {
			return err
		}
		b.links.dropSession(l.deviceID)
	}
	return nil
}

// loggedIn runs after the hub has sent a successful CONNACK. It lets the hub send
// messages to the device, and starts the timer that closes the connection when the
// login expires.
func (b *Broker) loggedIn(l *link) {
	l.established = true
	if !l.clean && !l.sessionPresent {
		b.links.setSession(l.deviceID, l.subs)
	}

	// A login that does not expire gets a timer that never fires, so that expiry is
	// never nil.
	l.expiry = time.AfterFunc(time.Duration(1<<63-1), func() { l.close("the device's token expired") })
	if !l.expires.IsZero() {
		l.expiry.Reset(l.expires.Sub(b.opts.Now()))
	}

	b.links.setReady(l, l.subs)
	if !l.isRegistration() {
		b.backend.Connection(l.deviceID, true, l.modelID)
	}
	b.log.Debug("device connected", zap.String("device_id", l.deviceID), zap.Bool("clean", l.clean), zap.Bool("session_present", l.sessionPresent))
}
