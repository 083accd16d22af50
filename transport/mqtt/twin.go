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
)

// twinTimeout bounds a twin request whose context does not end before. IoT Hub
// drops a request without an answer if something breaks on its side.
const twinTimeout = 30 * time.Second

// ErrNoAnswer is the error of a twin request that the hub did not answer within
// 30 s. Whether a report was taken is not known.
var ErrNoAnswer = errors.New("the hub did not answer within 30 s")

// Twin reads the device's twin. A refusal by the hub is an *iothub.Error.
func (l *Link) Twin(ctx context.Context) (iothub.DeviceTwin, error) {
	var twin iothub.DeviceTwin
	// One space is what the official SDK sends; some brokers drop an empty message.
	answer, err := l.ask(ctx, iothub.TwinGet, []byte(" "))
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

// Report sends a patch of the reported properties (null deletes), and returns
// the version that they have after it. A refusal by the hub is an *iothub.Error.
func (l *Link) Report(ctx context.Context, patch iothub.Object) (version int64, err error) {
	body, err := json.Marshal(patch)
	if err != nil {
		return 0, fmt.Errorf("report properties: %w", err)
	}
	answer, err := l.ask(ctx, iothub.TwinReport, body)
	if err != nil {
		return 0, fmt.Errorf("report properties: %w", err)
	}
	return answer.Version, nil
}

// ask sends a twin request and awaits its answer, whose status is good.
func (l *Link) ask(ctx context.Context, request iothub.TwinRequest, body []byte) (twinAnswer, error) {
	id, answered := l.requests.begin()
	defer l.requests.forget(id)
	if err := l.publish(ctx, iothub.TwinRequestTopic(request, id), body); err != nil {
		return twinAnswer{}, err
	}
	select {
	case answer := <-answered:
		return answer, answer.refusal()
	case <-l.ended:
		return twinAnswer{}, l.why
	case <-ctx.Done():
		return twinAnswer{}, ctx.Err()
	case <-l.set.After(twinTimeout):
		return twinAnswer{}, ErrNoAnswer
	}
}

// twinAnswer is the hub's answer to a twin request.
type twinAnswer struct {
	iothub.TwinResponse
	payload []byte
}

// refusal returns nil for 200 and 204. Other statuses that IoT Hub is known to
// send are 400, 429 and those from 500.
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
		refusal.Message, refusal.TrackingID = body.Message, body.TrackingID
	}
	return refusal
}

// requests are the twin requests of one link that wait for their answers.
type requests struct {
	mu      sync.Mutex
	last    int64
	waiting map[string]chan twinAnswer
}

func newRequests() *requests { return &requests{waiting: make(map[string]chan twinAnswer)} }

func (r *requests) begin() (id string, answered <-chan twinAnswer) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.last++
	id = strconv.FormatInt(r.last, 10)
	c := make(chan twinAnswer, 1)
	r.waiting[id] = c
	return id, c
}

func (r *requests) forget(id string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.waiting, id)
}

// answer passes an answer to who waits for it. One that nobody waits for any
// more came too late.
func (r *requests) answer(response iothub.TwinResponse, payload []byte) {
	r.mu.Lock()
	c := r.waiting[response.RequestID]
	delete(r.waiting, response.RequestID)
	r.mu.Unlock()
	if c != nil {
		c <- twinAnswer{response, payload}
	}
}
