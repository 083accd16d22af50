package broker

import (
	"errors"
	"net/http"
	"time"

	"github.com/mochi-mqtt/server/v2/packets"
	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/iothub"
)

// Return codes of CONNACK.
const (
	refusedVersion     = 1
	refusedUnavailable = 3
	refusedLogin       = 5
)

// maxKeepAlive is the longest keepalive interval, in seconds, that IoT Hub
// grants. It stands in for longer ones, and for none.
const maxKeepAlive = 1767

// readConnect checks a CONNECT, keeps what the link needs of it, and returns the
// packet that the MQTT server is to see: one of version 3.1.1, without a will,
// and with a clean session, since wills and sessions are the broker's own.
func (b *Broker) readConnect(l *link, pk packets.Packet) packets.Packet {
	l.connectSeen = true
	if err := l.readConnect(pk); err != nil {
		b.refuse(l, err)
	}
	c := &pk.Connect
	if l.isRegistration() {
		c.ClientIdentifier = l.deviceID // the MQTT server is not to take it for a device's
	}
	pk.ProtocolVersion = 4
	pk.Properties = packets.Properties{}
	c.Clean = true
	c.WillFlag, c.WillRetain, c.WillQos, c.WillTopic, c.WillPayload = false, false, 0, "", nil
	c.WillProperties = packets.Properties{}
	c.PasswordFlag = len(c.Password) > 0
	if c.Keepalive == 0 || c.Keepalive > maxKeepAlive {
		c.Keepalive = maxKeepAlive
	}
	return pk
}

// refusedConnect is why a CONNECT is refused, with the code for CONNACK.
type refusedConnect struct {
	code   byte
	reason string
}

func (e refusedConnect) Error() string { return e.reason }

func (l *link) readConnect(pk packets.Packet) error {
	c := pk.Connect
	if string(c.ProtocolName) != "MQTT" || pk.ProtocolVersion != 4 {
		return refusedConnect{refusedVersion, "the protocol is not MQTT 3.1.1"}
	}
	if scope, id, ok := parseRegistrationUser(string(c.Username)); ok {
		return l.readRegistration(c, scope, id)
	}
	user, err := iothub.ParseUserName(string(c.Username))
	switch {
	case err != nil:
		return refusedConnect{refusedLogin, err.Error()}
	case user.ModuleID != "":
		return refusedConnect{refusedLogin, "modules are not served"}
	case c.ClientIdentifier != user.ClientID():
		return refusedConnect{refusedLogin, "client id and user name do not name the same device"}
	}
	if err := iothub.CheckDeviceID(user.DeviceID); err != nil {
		return refusedConnect{refusedLogin, err.Error()}
	}
	l.deviceID, l.prefix, l.modelID = user.DeviceID, prefixOf(user.DeviceID), user.ModelID
	l.login.User, l.login.ClientID, l.login.Password = user, c.ClientIdentifier, string(c.Password)
	l.clean = c.Clean
	if !c.WillFlag {
		return nil
	}
	request, err := parseRequest(c.WillTopic, l.deviceID)
	switch {
	case err != nil || request.kind != eventRequest:
		return refusedConnect{refusedLogin, "the will's topic is not the device's own for events"}
	case c.WillQos > 1:
		return refusedConnect{refusedLogin, "the will asks for QoS 2"}
	}
	l.will = &will{request: request, payload: c.WillPayload, retain: c.WillRetain}
	return nil
}

// readRegistration reads the CONNECT of a device that comes to register. It has
// no session and no will.
func (l *link) readRegistration(c packets.ConnectParams, scope, id string) error {
	switch {
	case c.ClientIdentifier != id:
		return refusedConnect{refusedLogin, "client id and user name do not name the same registration"}
	case c.WillFlag:
		return refusedConnect{refusedLogin, "a device that registers has no will"}
	}
	if err := iothub.CheckDeviceID(id); err != nil {
		return refusedConnect{refusedLogin, err.Error()}
	}
	l.deviceID = registrationPrefix + id
	l.prefix, l.clean = prefixOf(l.deviceID), true
	_, webSocket := l.Conn.(*socketConn)
	l.registrationLogin = RegistrationLogin{IDScope: scope, RegistrationID: id, Password: string(c.Password),
		Shown: l.login.Shown, WebSocket: webSocket}
	l.login = Login{}
	return nil
}

// refuse notes that the device may not come in.
func (b *Broker) refuse(l *link, err error) {
	l.refusal = refusedUnavailable
	var bad refusedConnect
	if errors.As(err, &bad) {
		l.refusal = bad.code
	}
	var e *iothub.Error
	if errors.As(err, &e) && e.Status < 500 && e.Status != http.StatusTooManyRequests {
		l.refusal = refusedLogin
	}
	b.log.Info("device refused", zap.String("device", l.deviceID), zap.Stringer("remote", l.RemoteAddr()),
		zap.Uint8("code", l.refusal), zap.Error(err))
}

// enter logs the device in, takes over from its former link and finds its session.
func (b *Broker) enter(l *link) error {
	b.registry.login(l)
	var err error
	if l.isRegistration() {
		l.expires, err = b.admit(l)
	} else {
		l.expires, err = b.backend.Login(b.ctx, l.login)
	}
	if err != nil {
		return err
	}
	l.login = Login{} // they are not needed any more
	if !b.registry.claim(l) {
		return refusedConnect{refusedUnavailable, "the link was closed during the login"}
	}
	subs, ok := b.registry.session(l.deviceID)
	switch {
	case !l.clean:
		l.subs, l.present = subs, ok
	case ok:
		if err := b.backend.DeleteSession(b.ctx, l.deviceID); err != nil {
			return err
		}
		b.registry.dropSession(l.deviceID)
	}
	return nil
}

// established is called when the device was told that it is in.
func (b *Broker) established(l *link) {
	l.established = true
	if !l.clean && !l.present {
		b.registry.setSession(l.deviceID, l.subs)
	}
	// A login without an end has a timer too, which never fires: one rule less.
	l.expiry = time.AfterFunc(time.Duration(1<<63-1), func() { l.close("the device's token expired") })
	if !l.expires.IsZero() {
		l.expiry.Reset(l.expires.Sub(b.opts.Now()))
	}
	b.registry.setReady(l, l.subs)
	if !l.isRegistration() {
		b.backend.Connection(l.deviceID, true, l.modelID)
	}
	b.log.Debug("link up", zap.String("device", l.deviceID), zap.Bool("clean", l.clean), zap.Bool("present", l.present))
}
