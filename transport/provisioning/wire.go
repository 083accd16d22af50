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

	// Topics of the service's answers and of the device's requests.
	responseFilter = "$dps/registrations/res/#"
	responsePrefix = "$dps/registrations/res/"
	registerPrefix = "$dps/registrations/PUT/iotdps-register/?$rid="
	pollPrefix     = "$dps/registrations/GET/iotdps-get-operationstatus/?$rid="

	// defaultRetryAfter is how long the device waits if the service's answer gives no
	// time.
	defaultRetryAfter = 2 * time.Second
)

// userName returns the MQTT user name with which the device logs in to the service.
func userName(idScope, registrationID, product string) string {
	return idScope + "/registrations/" + registrationID + "/api-version=" + apiVersion + "&ClientVersion=" + iothub.Escape(product)
}

// password returns the token with which the device logs in to the service. The token's
// resource is not percent-encoded, unlike the resource in a token for a hub.
func password(idScope, registrationID string, key iothub.Key, expiry time.Time) string {
	return iothub.Sign(idScope+"/registrations/"+registrationID, key, "registration", expiry)
}

// registerTopic returns the topic of the request that starts a registration.
func registerTopic(requestID string) string { return registerPrefix + requestID }

// pollTopic returns the topic of the request that asks whether a registration is
// complete.
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

// response is an answer of the provisioning service.
type response struct {
	status     int // HTTP status code
	requestID  string
	retryAfter time.Duration // how long to wait before the next request; 0 if the answer gives no time
	body       responseBody
}

// responseBody is the JSON body of an answer. It holds the state of a registration, or
// an error.
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

// parseResponse parses an answer of the service. The body of an error answer need not
// be JSON.
func parseResponse(topic string, payload []byte) (response, error) {
	rest, ok := strings.CutPrefix(topic, responsePrefix)
	if !ok {
		return response{}, errors.New("the topic does not belong to an answer")
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

// wait returns how long the device must wait before its next request.
func (r response) wait() time.Duration {
	if r.retryAfter > 0 {
		return r.retryAfter
	}

	return defaultRetryAfter
}
