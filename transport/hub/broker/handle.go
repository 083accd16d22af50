package broker

import (
	"encoding/json"
	"errors"
	"net/http"

	"github.com/google/uuid"
	"github.com/mochi-mqtt/server/v2/packets"
	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/iothub"
)

// handle does what a device's message asks for, in the link's reading
// goroutine. It may block on the backend, which holds up this device alone. An
// error ends the link.
func (b *Broker) handle(l *link, r request, payload []byte, retain bool) error {
	switch r.kind {
	case eventRequest:
		return b.backend.Event(b.ctx, l.deviceID, retained(r.bag, retain), payload)
	case twinGetRequest:
		b.answerTwin(l, r.rid)
	case twinReportRequest:
		b.answerReport(l, r.rid, payload)
	case methodAnswer:
		b.calls.answer(l.deviceID, r.rid, r.status, payload)
	case registerRequest, operationRequest:
		b.handleRegistration(l, r, payload)
	}
	return nil
}

// retained marks a message that had RETAIN set: IoT Hub does not keep it, but
// hands it on with this application property.
func retained(bag iothub.Bag, retain bool) iothub.Bag {
	if retain {
		bag = append(bag, iothub.Property{Name: "mqtt-retain", Value: "true"})
	}
	return bag
}

// answerTwin sends the twin. A twin that is older than a desired patch which
// was sent meanwhile would undo that patch in the device, so it is read again.
func (b *Broker) answerTwin(l *link, rid string) {
	for attempts := 3; ; attempts-- {
		twin, err := b.backend.Twin(b.ctx, l.deviceID)
		if err != nil {
			b.refuseTwin(l, rid, err)
			return
		}
		body, err := json.Marshal(twin)
		if err != nil {
			b.refuseTwin(l, rid, err)
			return
		}
		l.mu.Lock()
		if twin.Desired.Version() >= l.desiredSent || attempts == 1 {
			b.respond(l, iothub.TwinResponse{Status: http.StatusOK, RequestID: rid}, body)
			l.mu.Unlock()
			return
		}
		l.mu.Unlock()
	}
}

func (b *Broker) answerReport(l *link, rid string, payload []byte) {
	patch, err := iothub.ParseObject(payload)
	if err != nil {
		b.refuseTwin(l, rid, iothub.Errorf(iothub.CodeArgumentInvalid, "the reported properties are not a JSON object: %v", err))
		return
	}
	version, err := b.backend.Report(b.ctx, l.deviceID, patch)
	if err != nil {
		b.refuseTwin(l, rid, err)
		return
	}
	b.respond(l, iothub.TwinResponse{Status: http.StatusNoContent, RequestID: rid, Version: version}, nil)
}

// respond sends the answer to a twin request, if the device listens for such.
func (b *Broker) respond(l *link, r iothub.TwinResponse, body []byte) {
	if l.subs.has(twinAnswers) {
		b.send(l, r.Topic(), body)
	}
}

// refusal is the body of a refused twin request. The official SDKs see a
// refusal by errorCode and show the message.
type refusal struct {
	ErrorCode  int    `json:"errorCode"`
	Message    string `json:"message"`
	TrackingID string `json:"trackingId"`
}

func (b *Broker) refuseTwin(l *link, rid string, err error) {
	var e *iothub.Error
	known := errors.As(err, &e)
	if known {
		switch e.Status {
		case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusTooManyRequests:
		default:
			known = false
		}
	}
	id := uuid.NewString()
	if !known {
		b.log.Warn("a twin request failed", zap.String("device", l.deviceID), zap.String("tracking", id), zap.Error(err))
		e = iothub.Errorf(iothub.CodeServerError, "the hub could not do it, try again later")
	}
	body, _ := json.Marshal(refusal{ErrorCode: e.Code.Number(), Message: e.Message, TrackingID: id})
	b.respond(l, iothub.TwinResponse{Status: e.Status, RequestID: rid}, body)
}

// saveSession makes the link's subscriptions durable, if its session is to last.
// It runs before they are acknowledged; if it fails the link is closed and they
// never are.
func (b *Broker) saveSession(l *link) {
	if l.clean {
		return
	}
	if stored, ok := b.registry.session(l.deviceID); ok && stored == l.subs {
		return
	}
	if err := b.backend.SaveSession(b.ctx, l.deviceID, l.subs.filters(l.deviceID)); err != nil {
		b.log.Warn("a session could not be saved", zap.String("device", l.deviceID), zap.Error(err))
		l.close("its subscriptions could not be saved")
		return
	}
	b.registry.setSession(l.deviceID, l.subs)
}

// SendDesired sends a change of the desired properties, with its $version, to
// the device if it is connected and subscribed to them. Changes go out in the
// order of the calls. Call it after the change can be read through the Backend.
func (b *Broker) SendDesired(deviceID string, change iothub.Object) {
	l := b.registry.of(deviceID, desired)
	if l == nil {
		return
	}
	body, err := json.Marshal(change)
	if err != nil {
		b.log.Error("a desired patch is not JSON", zap.String("device", deviceID), zap.Error(err))
		return
	}
	version := change.Version()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.desiredSent = max(l.desiredSent, version)
	b.send(l, iothub.DesiredTopic(version), body)
}

// send puts a message into the device's queue; the caller knows that the device
// is subscribed to the topic. It does not block: a device that lets its queue run full loses its link.
func (b *Broker) send(l *link, topic string, payload []byte) {
	err := b.server.InjectPacket(b.origin, packets.Packet{
		FixedHeader: packets.FixedHeader{Type: packets.Publish},
		TopicName:   l.prefix + topic,
		Payload:     payload,
	})
	if err != nil {
		b.log.Error("a message could not be sent", zap.String("device", l.deviceID), zap.String("topic", topic), zap.Error(err))
	}
}
