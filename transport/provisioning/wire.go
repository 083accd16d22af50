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

const (
	apiVersion = "2019-03-31"

	// The topics of the service's answers and of a device's requests.
	responseFilter = "$dps/registrations/res/#"
	responsePrefix = "$dps/registrations/res/"
	registerPrefix = "$dps/registrations/PUT/iotdps-register/?$rid="
	pollPrefix     = "$dps/registrations/GET/iotdps-get-operationstatus/?$rid="

	// defaultRetryAfter is how long to wait if an answer does not say it.
	defaultRetryAfter = 2 * time.Second
)

// userName returns the MQTT user name of a device that registers.
func userName(idScope, registrationID, product string) string {
	return idScope + "/registrations/" + registrationID + "/api-version=" + apiVersion + "&ClientVersion=" + iothub.Escape(product)
}

// password returns the token of a device that registers. Its resource is not
// percent-encoded, unlike the resource of a hub's token.
func password(idScope, registrationID string, key iothub.Key, expiry time.Time) string {
	return iothub.Sign(idScope+"/registrations/"+registrationID, key, "registration", expiry)
}

// registerTopic returns the topic of the request that starts a registration.
func registerTopic(requestID string) string { return registerPrefix + requestID }

// pollTopic returns the topic of the request for the state of a registration.
func pollTopic(requestID, operationID string) string {
	return pollPrefix + requestID + "&operationId=" + iothub.Escape(operationID)
}

// registerBody returns the body of the request that starts a registration. payload is
// the JSON for a custom allocation, or nil.
func registerBody(registrationID string, payload json.RawMessage) ([]byte, error) {
	body, err := json.Marshal(struct {
		RegistrationID string          `json:"registrationId"`
		Payload        json.RawMessage `json:"payload,omitempty"`
	}{registrationID, payload})
	if err != nil {
		return nil, fmt.Errorf("the payload for the provisioning service is not JSON: %w", err)
	}

	return body, nil
}

// response is an answer of the service.
type response struct {
	status     int // as in HTTP
	requestID  string
	retryAfter time.Duration // 0 if the answer does not say
	body       responseBody
}

// responseBody is the body of an answer: the state of a registration, or an error.
type responseBody struct {
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

// parseResponse parses an answer. The body of an error may be something else than JSON.
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
		return response{}, errors.New("the properties of the answer are not percent-encoded")
	}
	if r.requestID = properties.Get("$rid"); r.requestID == "" {
		return response{}, errors.New("the answer has no request id")
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

// wait returns how long to wait before the next request.
func (r response) wait() time.Duration {
	if r.retryAfter > 0 {
		return r.retryAfter
	}

	return defaultRetryAfter
}
