package mqtt

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/logtext"
)

// twinTimeout limits the wait for the answer to a twin request. IoT Hub does not answer
// a twin request if it has an internal problem.
const twinTimeout = 30 * time.Second

// ErrNoAnswer means that the hub did not answer a twin request within 30 s. If the
// request reported properties, the hub may or may not have stored them.
var ErrNoAnswer = errors.New("the hub did not answer within 30 s")

// Twin reads the device's twin. If the hub refuses the request, the error is an
// *iothub.Error.
func (l *Link) Twin(ctx context.Context) (iothub.DeviceTwin, error) {
	var twin iothub.DeviceTwin

	// The request's body is one space, as in the official SDK. Some MQTT brokers drop
	// empty messages.
	answer, err := l.askTwin(ctx, iothub.TwinGet, []byte(" "))
	if err != nil {
		return twin, fmt.Errorf("read the twin: %w", err)
	}

	if err := json.Unmarshal(answer.payload, &twin); err != nil {
		return twin, fmt.Errorf("read the twin: the hub's answer is not a twin: %w", err)
	}
	if twin.Desired == nil || twin.Reported == nil {
		return twin, errors.New("read the twin: the hub's answer is not a twin: desired or reported is missing")
	}
	return twin, nil
}

// Report changes the reported properties of the device's twin. A null in patch deletes
// a property. Report returns the new version of the reported properties. If the hub
// refuses the request, the error is an *iothub.Error.
func (l *Link) Report(ctx context.Context, patch iothub.Object) (version int64, err error) {
	body, err := json.Marshal(patch)
	if err != nil {
		return 0, fmt.Errorf("report properties: %w", err)
	}

	answer, err := l.askTwin(ctx, iothub.TwinReport, body)
	if err != nil {
		return 0, fmt.Errorf("report properties: %w", err)
	}
	return answer.Version, nil
}

// askTwin sends a twin request and waits for the answer. If the hub refuses the
// request, the error is an *iothub.Error.
func (l *Link) askTwin(ctx context.Context, request iothub.TwinRequest, body []byte) (twinAnswer, error) {
	id, answers := l.requests.add()
	defer l.requests.remove(id)

	if err := l.publish(ctx, iothub.TwinRequestTopic(request, id), body); err != nil {
		return twinAnswer{}, err
	}

	select {
	case answer := <-answers:
		return answer, answer.refusal()
	case <-l.ended:
		return twinAnswer{}, l.endReason
	case <-ctx.Done():
		return twinAnswer{}, l.cancelled(ctx)
	case <-l.set.After(twinTimeout):
		return twinAnswer{}, ErrNoAnswer
	}
}

// twinAnswer is the hub's answer to a twin request.
type twinAnswer struct {
	iothub.TwinResponse
	payload []byte
}

// refusal returns the hub's refusal as an error, or nil if the answer's status is 2xx.
// IoT Hub refuses with the statuses 400, 429 and 500 or above.
func (a twinAnswer) refusal() error {
	if a.Status >= 200 && a.Status < 300 {
		return nil
	}

	refusal := &iothub.Error{Status: a.Status}
	switch {
	case a.Status == http.StatusBadRequest:
		refusal.Code = iothub.CodeArgumentInvalid
	case a.Status == http.StatusTooManyRequests:
		refusal.Code = iothub.CodeThrottling
	case a.Status >= 500:
		refusal.Code = iothub.CodeServerError
	}

	var body struct {
		Message    string `json:"message"`
		TrackingID string `json:"trackingId"`
	}
	if json.Unmarshal(a.payload, &body) == nil {
		refusal.Message, refusal.TrackingID = logtext.Cut(body.Message), logtext.Cut(body.TrackingID)
	}
	return refusal
}

// twinRequests holds the twin requests of one link that have no answer yet.
type twinRequests struct {
	mu      sync.Mutex
	lastID  int64
	waiting map[string]chan twinAnswer // key: request id
}

func newTwinRequests() *twinRequests {
	return &twinRequests{waiting: make(map[string]chan twinAnswer)}
}

// add registers a new twin request. It returns the request's id and the channel on
// which the answer arrives.
func (r *twinRequests) add() (id string, answers <-chan twinAnswer) {
	r.mu.Lock()
	defer r.mu.Unlock()

	r.lastID++
	id = strconv.FormatInt(r.lastID, 10)
	c := make(chan twinAnswer, 1)
	r.waiting[id] = c
	return id, c
}

// count returns the number of requests that wait for an answer.
func (r *twinRequests) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()

	return len(r.waiting)
}

func (r *twinRequests) remove(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()

	delete(r.waiting, id)
}

// answer passes the hub's answer to the twin request with the same id. It drops an
// answer whose request has already ended.
func (r *twinRequests) answer(response iothub.TwinResponse, payload []byte) {
	r.mu.Lock()
	c := r.waiting[response.RequestID]
	delete(r.waiting, response.RequestID)
	r.mu.Unlock()

	if c != nil {
		c <- twinAnswer{response, payload}
	}
}
