package iothub

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Code is the name of an error of IoT Hub's service API, such as DeviceNotFound. The
// name follows "ErrorCode:" in the body of an error answer.
type Code string

// The error codes that the embedded hub sends and that clients distinguish. They come
// from IoT Hub's public tables of error codes.
const (
	CodeInvalidOperation    Code = "InvalidOperation"
	CodeArgumentInvalid     Code = "ArgumentInvalid"
	CodeUnauthorizedAccess  Code = "IotHubUnauthorizedAccess"
	CodeUnauthorized        Code = "IotHubUnauthorized"
	CodeForbidden           Code = "IotHubForbidden"
	CodeQuotaExceeded       Code = "IotHubQuotaExceeded"
	CodeJobQuotaExceeded    Code = "JobQuotaExceeded"
	CodeDeviceNotFound      Code = "DeviceNotFound"
	CodeJobNotFound         Code = "JobNotFound"
	CodeNotFound            Code = "NotFound"
	CodeDeviceNotOnline     Code = "DeviceNotOnline"
	CodeConnectionClosed    Code = "DeviceConnectionClosedRemotely"
	CodeMethodNotAllowed    Code = "MethodNotAllowed"
	CodeDeviceAlreadyExists Code = "DeviceAlreadyExists"
	CodeJobAlreadyExists    Code = "JobAlreadyExists"
	CodePreconditionFailed  Code = "PreconditionFailed"
	CodeMessageTooLarge     Code = "MessageTooLarge"
	CodeThrottling          Code = "ThrottlingException"
	CodeTooManyJobs         Code = "ThrottlingMaxActiveJobCountExceeded"
	CodeServerError         Code = "ServerError"
	CodeNotImplemented      Code = "NotImplemented"
	CodeInvalidResponse     Code = "InvalidResponse"
	CodeServiceUnavailable  Code = "ServiceUnavailable"
	CodeGatewayTimeout      Code = "GatewayTimeout"
)

// numbers maps each error code to its six-digit number. The first three digits are the
// HTTP status. IoT Hub's public tables give no number for some codes. The project chose
// numbers ending in 000 for them.
var numbers = map[Code]int{
	CodeInvalidOperation:    400003,
	CodeArgumentInvalid:     400004,
	CodeUnauthorizedAccess:  401002,
	CodeUnauthorized:        401003,
	CodeForbidden:           403000,
	CodeQuotaExceeded:       403002,
	CodeJobQuotaExceeded:    403003,
	CodeDeviceNotFound:      404001,
	CodeJobNotFound:         404002,
	CodeNotFound:            404000,
	CodeDeviceNotOnline:     404103,
	CodeConnectionClosed:    404104,
	CodeMethodNotAllowed:    405000,
	CodeDeviceAlreadyExists: 409001,
	CodeJobAlreadyExists:    409000,
	CodePreconditionFailed:  412001,
	CodeMessageTooLarge:     413001,
	CodeThrottling:          429001,
	CodeTooManyJobs:         429004,
	CodeServerError:         500001,
	CodeNotImplemented:      501000,
	CodeInvalidResponse:     502000,
	CodeServiceUnavailable:  503001,
	CodeGatewayTimeout:      504101,
}

// Number returns the code's six-digit number, or 0 for an unknown code.
func (c Code) Number() int { return numbers[c] }

// Error is a hub's answer to a request that it refused.
type Error struct {
	Status     int           // HTTP status
	Code       Code          // empty if the answer contained no code
	Message    string        // the hub's reason, for people
	TrackingID string        // identifies the answer in the hub's log
	RetryAfter time.Duration // how long the hub asked the client to wait; 0 if it asked for no wait
}

// withoutSemicolons rewrites a message without semicolons. A comma replaces a semicolon
// between two sentences. Other semicolons come from a request and must not be shown as
// another character.
var withoutSemicolons = strings.NewReplacer("';'", "a semicolon", "; ", ", ", ";", `\u003b`)

// Errorf returns an error with the given code and the HTTP status of that code. The
// message contains no semicolons, because the SDKs split an answer at semicolons and show
// only the second part.
func Errorf(code Code, format string, args ...any) *Error {
	message := withoutSemicolons.Replace(fmt.Sprintf(format, args...))

	status := code.Number() / 1000
	if status == 0 {
		status = http.StatusInternalServerError
	}

	return &Error{Status: status, Code: code, Message: message}
}

// Error returns the hub's message, followed by the name and number of the error code.
func (e *Error) Error() string {
	name := string(e.Code)
	if name == "" {
		name = "HTTP status " + strconv.Itoa(e.Status)
	} else if n := e.Code.Number(); n%1000 != 0 {
		name += " " + strconv.Itoa(n)
	}

	if e.Message == "" {
		return name
	}
	return fmt.Sprintf("%s (%s)", e.Message, name)
}

// Is makes errors.Is(err, &Error{Code: c}) true for each error with the code c.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code != "" && t.Code == e.Code
}

// errorBody is the JSON body of the hub's error answer.
type errorBody struct {
	Message          string `json:"Message"`
	ExceptionMessage string `json:"ExceptionMessage"`
}

// methodErrorText is the JSON object that IoT Hub puts into the message of an error
// answer when a direct method failed.
type methodErrorText struct {
	ErrorCode    int       `json:"errorCode"`
	TrackingID   string    `json:"trackingId"`
	Message      string    `json:"message"`
	Info         any       `json:"info"`
	TimestampUTC time.Time `json:"timestampUtc"`
}

// Body returns the JSON body of the hub's error answer, in the form that the SDKs
// parse: {"Message":"ErrorCode:NAME;TEXT","ExceptionMessage":"Tracking
// ID:...-TimeStamp:..."}.
func (e *Error) Body(now time.Time) []byte {
	body, _ := json.Marshal(errorBody{
		Message:          "ErrorCode:" + string(e.Code) + ";" + e.Message,
		ExceptionMessage: "Tracking ID:" + e.TrackingID + "-TimeStamp:" + now.UTC().Format("01/02/2006 15:04:05"),
	})
	return body
}

// MethodBody returns the JSON body of the hub's error answer to a failed direct method.
// Like IoT Hub, it puts a JSON object with the code's number into the message.
func (e *Error) MethodBody(now time.Time) []byte {
	text, _ := json.Marshal(methodErrorText{
		ErrorCode:    e.Code.Number(),
		TrackingID:   e.TrackingID,
		Message:      e.Message,
		TimestampUTC: now.UTC(),
	})

	body, _ := json.Marshal(errorBody{Message: "ErrorCode:" + string(e.Code) + ";" + string(text)})
	return body
}

// ParseError returns the error that is described by the status and the body of an HTTP
// answer. It never returns nil. If the body is not in IoT Hub's form, the error's
// message is the first line of the body.
func ParseError(status int, body []byte) *Error {
	e := &Error{Status: status}

	var b errorBody
	if json.Unmarshal(body, &b) != nil || b.Message == "" {
		e.Message = firstLine(string(body))
		return e
	}

	text := b.Message
	if rest, ok := strings.CutPrefix(text, "ErrorCode:"); ok {
		name, message, _ := strings.Cut(rest, ";")
		e.Code, text = Code(strings.TrimSpace(name)), message
	}

	var m methodErrorText
	if json.Unmarshal([]byte(text), &m) == nil && m.ErrorCode != 0 {
		text, e.TrackingID = m.Message, m.TrackingID
		if e.Code == "" {
			e.Code = codeOf(m.ErrorCode)
		}
	}
	e.Message = firstLine(text)

	if _, after, ok := strings.Cut(b.ExceptionMessage, "Tracking ID:"); ok {
		e.TrackingID, _, _ = strings.Cut(after, "-TimeStamp:")
	}
	return e
}

// codeOf returns the code with the given number, or "" for an unknown number.
func codeOf(number int) Code {
	for code, n := range numbers {
		if n == number {
			return code
		}
	}
	return ""
}

// firstLine returns the first line of text, cut after 300 bytes.
func firstLine(text string) string {
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	if len(text) > 300 {
		text = strings.ToValidUTF8(text[:300], "") + "..."
	}

	return strings.TrimSpace(text)
}
