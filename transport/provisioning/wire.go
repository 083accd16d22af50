package provisioning

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

// The service's topics, user name and bodies.

const (
	apiVersion     = "2019-03-31"
	responseFilter = "$dps/registrations/res/#"
	responsePrefix = "$dps/registrations/res/"
	registerPrefix = "$dps/registrations/PUT/iotdps-register/?$rid="
	pollPrefix     = "$dps/registrations/GET/iotdps-get-operationstatus/?$rid="

	// usualRetry is how long to wait where the service does not say.
	usualRetry = 2 * time.Second
)

func userName(idScope, registrationID, product string) string {
	return idScope + "/registrations/" + registrationID + "/api-version=" + apiVersion + "&ClientVersion=" + iothub.Escape(product)
}

// password signs the registration. Unlike a hub's, its resource is not encoded.
func password(idScope, registrationID string, key iothub.Key, expiry time.Time) string {
	return iothub.Sign(idScope+"/registrations/"+registrationID, key, "registration", expiry)
}

func registerTopic(requestID string) string { return registerPrefix + requestID }

func pollTopic(requestID, operationID string) string {
	return pollPrefix + requestID + "&operationId=" + iothub.Escape(operationID)
}

func registerBody(registrationID string, payload json.RawMessage) ([]byte, error) {
	body, err := json.Marshal(struct {
		RegistrationID string          `json:"registrationId"`
		Payload        json.RawMessage `json:"payload,omitempty"`
	}{registrationID, payload})
	if err != nil {
		return nil, fmt.Errorf("the payload for the service is not JSON: %w", err)
	}
	return body, nil
}

// response is an answer of the service.
type response struct {
	status     int
	requestID  string
	retryAfter time.Duration // 0 if it does not say
	body       body
}

// body is what may stand in an answer: the state of an operation, or an error.
type body struct {
	OperationID string `json:"operationId"`
	Status      string `json:"status"`
	State       struct {
		AssignedHub  string          `json:"assignedHub"`
		DeviceID     string          `json:"deviceId"`
		ErrorCode    int             `json:"errorCode"`
		ErrorMessage string          `json:"errorMessage"`
		Payload      json.RawMessage `json:"payload"`
	} `json:"registrationState"`

	ErrorCode  int    `json:"errorCode"`
	Message    string `json:"message"`
	TrackingID string `json:"trackingId"`
}

// parseResponse reads an answer. The body of an error need not be JSON.
func parseResponse(topic string, payload []byte) (response, error) {
	rest, ok := strings.CutPrefix(topic, responsePrefix)
	if !ok {
		return response{}, errors.New("the topic is not that of an answer")
	}
	status, query, ok := strings.Cut(rest, "/?")
	if !ok {
		return response{}, errors.New("the topic of the answer has no properties")
	}
	var r response
	var err error
	if r.status, err = strconv.Atoi(status); err != nil || r.status < 100 || r.status > 599 {
		return response{}, errors.New("the status of the answer is not a number from 100 to 599")
	}
	properties, err := url.ParseQuery(query)
	if err != nil {
		return response{}, errors.New("the properties of the answer are not encoded as they should be")
	}
	if r.requestID = properties.Get("$rid"); r.requestID == "" {
		return response{}, errors.New("the answer does not say which request it is to")
	}
	if text := properties.Get("retry-after"); text != "" {
		seconds, err := strconv.ParseUint(text, 10, 31)
		if err != nil {
			return response{}, errors.New("retry-after is not a number of seconds")
		}
		r.retryAfter = time.Duration(seconds) * time.Second
	}
	if err := json.Unmarshal(payload, &r.body); err != nil && r.status < 300 {
		return response{}, errors.New("the answer is not JSON")
	}
	return r, nil
}

// wait is how long to leave the service alone after the answer.
func (r response) wait() time.Duration {
	if r.retryAfter > 0 {
		return r.retryAfter
	}
	return usualRetry
}
