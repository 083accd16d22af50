package broker

import (
	"encoding/json"
	"errors"
	"net/http"
	"strconv"

	"github.com/google/uuid"
	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/iothub"
)

// handle processes a message from a device. It returns an error if the device must send
// the message again.
func (b *Broker) handle(l *link, r request, payload []byte, retain bool) error {
	switch r.kind {
	case eventRequest:
		return b.backend.Event(b.ctx, l.deviceID, withRetain(r.bag, retain), payload)
	case twinGetRequest:
		b.answerTwin(l, r.requestID)
	case twinReportRequest:
		b.answerReport(l, r, payload)
	case methodAnswer:
		b.calls.answer(l.deviceID, r.requestID, r.status, payload)
	case registerRequest, operationRequest:
		b.handleRegistration(l, r, payload)
	}
	return nil
}

// withRetain adds the property "mqtt-retain" if the device sent its message with MQTT's
// RETAIN flag. Like IoT Hub, the hub does not retain the message.
func withRetain(bag iothub.Bag, retain bool) iothub.Bag {
	if retain {
		bag = append(bag, iothub.Property{Name: "mqtt-retain", Value: "true"})
	}
	return bag
}

// answerTwin sends the device its twin, in answer to a request. If the hub sends a
// newer desired patch while answerTwin reads the twin, answerTwin reads it again.
// Otherwise the older twin would undo the patch in the device.
func (b *Broker) answerTwin(l *link, requestID string) {
	for attempts := 3; ; attempts-- {
		twin, err := b.backend.Twin(b.ctx, l.deviceID)
		if err != nil {
			b.refuseTwin(l, requestID, err)
			return
		}
		body, err := json.Marshal(twin)
		if err != nil {
			b.refuseTwin(l, requestID, err)
			return
		}

		l.mu.Lock()
		if twin.Desired.Version() >= l.desiredSent || attempts == 1 {
			b.respond(l, iothub.TwinResponse{Status: http.StatusOK, RequestID: requestID}, body)
			l.mu.Unlock()
			return
		}
		l.mu.Unlock()
	}
}

// answerReport stores a patch of the device's reported properties and answers the
// device's request.
func (b *Broker) answerReport(l *link, r request, payload []byte) {
	version, err := b.report(l.deviceID, r, payload)
	if err != nil {
		b.refuseTwin(l, r.requestID, err)
		return
	}
	b.respond(l, iothub.TwinResponse{Status: http.StatusNoContent, RequestID: r.requestID, Version: version}, nil)
}

// report stores a patch of the device's reported properties and returns their new
// version. If the device named a version, the patch applies only to this version.
func (b *Broker) report(deviceID string, r request, payload []byte) (version int64, err error) {
	patch, err := iothub.ParseObject(payload)
	if err != nil {
		return 0, iothub.Errorf(iothub.CodeArgumentInvalid, "the reported properties are not a JSON object: %v", err)
	}

	ifVersion := int64(0)
	if r.version != "" {
		if ifVersion, err = strconv.ParseInt(r.version, 10, 64); err != nil || ifVersion < 1 {
			return 0, iothub.Errorf(iothub.CodeArgumentInvalid, "$version is %.20q, want the version of the reported properties", r.version)
		}
	}
	return b.backend.Report(b.ctx, deviceID, patch, ifVersion)
}

// respond sends the response to a twin request if the device is subscribed to twin
// responses.
func (b *Broker) respond(l *link, r iothub.TwinResponse, body []byte) {
	if l.subs.has(twinResponseTopics) {
		b.send(l, r.Topic(), body)
	}
}

// twinError is the JSON body of a refused twin request. The official SDKs recognize a
// refusal by errorCode and show message to the user.
type twinError struct {
	ErrorCode  int    `json:"errorCode"`
	Message    string `json:"message"`
	TrackingID string `json:"trackingId"`
}

// refuseTwin answers a twin request with an error. The device receives an error with
// status 400, 412, 413 or 429 unchanged. Any other error is logged, and the device
// receives status 500.
func (b *Broker) refuseTwin(l *link, requestID string, err error) {
	e, known := errors.AsType[*iothub.Error](err)
	if known {
		switch e.Status {
		case http.StatusBadRequest, http.StatusPreconditionFailed, http.StatusRequestEntityTooLarge, http.StatusTooManyRequests:
		default:
			known = false
		}
	}

	trackingID := uuid.NewString()
	if !known {
		b.remoteLog.Warn("a twin request failed", zap.String("device_id", l.deviceID), zap.String("tracking_id", trackingID), zap.Error(err))
		e = iothub.Errorf(iothub.CodeServerError, "the hub failed to process the request: try again later")
	}
	body, _ := json.Marshal(twinError{ErrorCode: e.Code.Number(), Message: e.Message, TrackingID: trackingID})
	b.respond(l, iothub.TwinResponse{Status: e.Status, RequestID: requestID}, body)
}

// saveSession stores the device's subscriptions if its session is persistent. The
// broker acknowledges the subscriptions afterwards. If the store fails, saveSession
// closes the connection, so that the device gets no acknowledgement.
func (b *Broker) saveSession(l *link) {
	if l.clean {
		return
	}
	if stored, ok := b.links.session(l.deviceID); ok && stored == l.subs {
		return
	}

	if err := b.backend.SaveSession(b.ctx, l.deviceID, l.subs.filters(l.deviceID)); err != nil {
		b.remoteLog.Warn("cannot save the session", zap.String("device_id", l.deviceID), zap.Error(err))
		l.close("the hub could not save the device's subscriptions")
		return
	}
	b.links.setSession(l.deviceID, l.subs)
}

// SendDesired sends a change of the desired properties to a device that is connected and
// subscribed to such changes. The change must contain $version. SendDesired sends
// changes in the order in which it is called. Store the change in the Backend before you
// call SendDesired.
func (b *Broker) SendDesired(deviceID string, change iothub.Object) {
	l := b.links.subscribedTo(desiredTopics, deviceID)
	if l == nil {
		return
	}
	body, err := json.Marshal(change)
	if err != nil {
		b.remoteLog.Error("cannot encode a desired patch as JSON", zap.String("device_id", deviceID), zap.Error(err))
		return
	}

	version := change.Version()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.desiredSent = max(l.desiredSent, version)
	b.send(l, iothub.DesiredTopic(version), body)
}
