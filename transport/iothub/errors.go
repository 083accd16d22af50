package iothub

import (
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// Code names an error of the service API, as it stands after "ErrorCode:".
type Code string

// The codes that the hub uses and clients tell apart. Numbers and statuses are
// those of the public tables of IoT Hub's error codes.
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

// numbers gives each code its number; the first three digits are the HTTP
// status. Numbers that end in 000 are this project's: no public table has one.
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

// Number returns the code's six-digit number, or 0 for a code that is not known.
func (c Code) Number() int { return numbers[c] }

// Error is a refusal by the service API.
type Error struct {
	Status     int    // HTTP status
	Code       Code   // name; empty if the answer had none
	Message    string // for people
	TrackingID string
	RetryAfter time.Duration // what the hub asked to wait; 0 if it did not say
}

// Errorf makes an error with the status that belongs to its code.
func Errorf(code Code, format string, args ...any) *Error {
	// The SDKs split the text at semicolons and take the second part.
	message := strings.ReplaceAll(fmt.Sprintf(format, args...), ";", ",")
	status := code.Number() / 1000
	if status == 0 {
		status = http.StatusInternalServerError
	}
	return &Error{Status: status, Code: code, Message: message}
}

// Error gives the message with the code's name and number.
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

// Is makes errors.Is compare by code, so that errors.Is(err, &Error{Code: c}) works.
func (e *Error) Is(target error) bool {
	t, ok := target.(*Error)
	return ok && t.Code != "" && t.Code == e.Code
}

type errorBody struct {
	Message          string `json:"Message"`
	ExceptionMessage string `json:"ExceptionMessage"`
}

// methodErrorText is what stands in Message when a direct method fails.
type methodErrorText struct {
	ErrorCode    int       `json:"errorCode"`
	TrackingID   string    `json:"trackingId"`
	Message      string    `json:"message"`
	Info         any       `json:"info"`
	TimestampUTC time.Time `json:"timestampUtc"`
}

// Body returns the body of the answer: {"Message":"ErrorCode:NAME;TEXT",
// "ExceptionMessage":"Tracking ID:...-TimeStamp:..."}, which is what the SDKs take apart.
func (e *Error) Body(now time.Time) []byte {
	body, _ := json.Marshal(errorBody{
		Message:          "ErrorCode:" + string(e.Code) + ";" + e.Message,
		ExceptionMessage: "Tracking ID:" + e.TrackingID + "-TimeStamp:" + now.UTC().Format("01/02/2006 15:04:05"),
	})
	return body
}

// MethodBody is Body for a failed direct method, where IoT Hub puts a JSON
// object with the code's number into the message.
func (e *Error) MethodBody(now time.Time) []byte {
	text, _ := json.Marshal(methodErrorText{
		ErrorCode: e.Code.Number(), TrackingID: e.TrackingID, Message: e.Message, TimestampUTC: now.UTC(),
	})
	body, _ := json.Marshal(errorBody{Message: "ErrorCode:" + string(e.Code) + ";" + string(text)})
	return body
}

// ParseError reads the answer to a refused request. It always returns an
// error; where the body is of no known form, its beginning is the message.
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

func codeOf(number int) Code {
	for code, n := range numbers {
		if n == number {
			return code
		}
	}
	return ""
}

func firstLine(text string) string {
	text, _, _ = strings.Cut(strings.TrimSpace(text), "\n")
	if len(text) > 300 {
		text = strings.ToValidUTF8(text[:300], "") + "..."
	}
	return strings.TrimSpace(text)
}
