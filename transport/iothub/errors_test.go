package iothub_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/latchd/latchd/transport/iothub"
)

func TestErrorf(t *testing.T) {
	t.Parallel()

	for _, test := range []struct {
		code   iothub.Code
		status int
		number int
		text   string
	}{
		{iothub.CodeArgumentInvalid, 400, 400004, "no x (ArgumentInvalid 400004)"},
		{iothub.CodeUnauthorizedAccess, 401, 401002, "no x (IotHubUnauthorizedAccess 401002)"},
		{iothub.CodeJobQuotaExceeded, 403, 403003, "no x (JobQuotaExceeded 403003)"},
		{iothub.CodeDeviceNotFound, 404, 404001, "no x (DeviceNotFound 404001)"},
		{iothub.CodeDeviceNotOnline, 404, 404103, "no x (DeviceNotOnline 404103)"},
		{iothub.CodeDeviceAlreadyExists, 409, 409001, "no x (DeviceAlreadyExists 409001)"},
		{iothub.CodePreconditionFailed, 412, 412001, "no x (PreconditionFailed 412001)"},
		{iothub.CodeThrottling, 429, 429001, "no x (ThrottlingException 429001)"},
		{iothub.CodeTooManyJobs, 429, 429004, "no x (ThrottlingMaxActiveJobCountExceeded 429004)"},
		{iothub.CodeGatewayTimeout, 504, 504101, "no x (GatewayTimeout 504101)"},
		{iothub.CodeNotImplemented, 501, 501000, "no x (NotImplemented)"}, // no public number
		{iothub.Code("Odd"), 500, 0, "no x (Odd)"},
	} {
		err := iothub.Errorf(test.code, "no %s", "x")
		if err.Status != test.status || test.code.Number() != test.number || err.Error() != test.text {
			t.Errorf("%s: status %d, number %d, %q", test.code, err.Status, test.code.Number(), err.Error())
		}
	}
}

// TestErrorfNamesSemicolons checks that a message has no semicolon, but still says which
// character of the request was wrong.
func TestErrorfNamesSemicolons(t *testing.T) {
	t.Parallel()

	for _, test := range []struct{ message, want string }{
		{"no device d1; sorry", "no device d1, sorry"},
		{"line 1:22: found ';', which", "line 1:22: found a semicolon, which"},
		{`the device id "a;b" contains ';'; use letters`, `the device id "a\u003bb" contains a semicolon, use letters`},
		{"ends with;", `ends with\u003b`},
	} {
		if got := iothub.Errorf(iothub.CodeArgumentInvalid, "%s", test.message).Message; got != test.want {
			t.Errorf("%s becomes %s, want %s", test.message, got, test.want)
		}
	}
}

func TestErrorIs(t *testing.T) {
	t.Parallel()

	err := fmt.Errorf("job j1: %w", iothub.Errorf(iothub.CodeDeviceNotFound, "no device d1"))
	if !errors.Is(err, &iothub.Error{Code: iothub.CodeDeviceNotFound}) {
		t.Error("errors.Is does not match the code")
	}
	if errors.Is(err, &iothub.Error{Code: iothub.CodeJobNotFound}) {
		t.Error("errors.Is matches another code")
	}
	if errors.Is(&iothub.Error{Status: 404}, &iothub.Error{}) {
		t.Error("errors.Is matches errors that have no code")
	}
}

var bodyTime = time.Date(2026, 11, 23, 13, 4, 5, 0, time.FixedZone("CET", 3600))

func TestErrorBody(t *testing.T) {
	t.Parallel()

	err := iothub.Errorf(iothub.CodeDeviceNotFound, "no device d1; sorry")
	err.TrackingID = "T1"
	const want = `{"Message":"ErrorCode:DeviceNotFound;no device d1, sorry","ExceptionMessage":"Tracking ID:T1-TimeStamp:11/23/2026 12:04:05"}`
	if got := string(err.Body(bodyTime)); got != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// The official Node SDK splits Message at semicolons. The first part names the error
// code, and the second part is the text. After a failed direct method, the text must be
// one JSON object.
func TestErrorMethodBody(t *testing.T) {
	t.Parallel()

	err := iothub.Errorf(iothub.CodeDeviceNotOnline, "d1 is offline; try later")
	err.TrackingID = "T1"
	var body struct{ Message, ExceptionMessage string }
	if e := json.Unmarshal(err.MethodBody(bodyTime), &body); e != nil {
		t.Fatal(e)
	}
	parts := strings.Split(body.Message, ";")
	if len(parts) != 2 || parts[0] != "ErrorCode:DeviceNotOnline" {
		t.Fatalf("Message is %q", body.Message)
	}

	const want = `{"errorCode":404103,"trackingId":"T1","message":"d1 is offline, try later","info":null,"timestampUtc":"2026-11-23T12:04:05Z"}`
	if parts[1] != want {
		t.Errorf("got  %s\nwant %s", parts[1], want)
	}
}

func TestParseError(t *testing.T) {
	t.Parallel()

	own := iothub.Errorf(iothub.CodeJobNotFound, "no job j1")
	own.TrackingID = "T9"

	for _, test := range []struct {
		name   string
		status int
		body   string
		want   iothub.Error
	}{
		{"documented form", 404,
			`{"Message":"ErrorCode:DeviceNotFound;E2","ExceptionMessage":"Tracking ID:abc-1-TimeStamp:11/23/2026 12:04:05"}`,
			iothub.Error{Status: 404, Code: iothub.CodeDeviceNotFound, Message: "E2", TrackingID: "abc-1"}},
		{"no ExceptionMessage", 401, `{"Message":"ErrorCode:IotHubUnauthorizedAccess;Unauthorized"}`,
			iothub.Error{Status: 401, Code: iothub.CodeUnauthorizedAccess, Message: "Unauthorized"}},
		{"a semicolon in the text", 400, `{"Message":"ErrorCode:ArgumentInvalid;a; b"}`,
			iothub.Error{Status: 400, Code: iothub.CodeArgumentInvalid, Message: "a; b"}},
		{"no text", 429, `{"Message":"ErrorCode:ThrottlingException"}`,
			iothub.Error{Status: 429, Code: iothub.CodeThrottling}},
		{"text only", 500, `{"Message":"it broke"}`, iothub.Error{Status: 500, Message: "it broke"}},
		{"method error, bare object", 404,
			`{"Message":"{\"errorCode\":404103,\"trackingId\":\"T1\",\"message\":\"offline\",\"info\":{\"timeout\":\"00:00:00\"},\"timestampUtc\":\"2026-11-23T12:04:05Z\"}","ExceptionMessage":""}`,
			iothub.Error{Status: 404, Code: iothub.CodeDeviceNotOnline, Message: "offline", TrackingID: "T1"}},
		{"method error with the code before it", 504,
			`{"Message":"ErrorCode:GatewayTimeout;{\"errorCode\":504101,\"trackingId\":\"T1\",\"message\":\"no answer\"}"}`,
			iothub.Error{Status: 504, Code: iothub.CodeGatewayTimeout, Message: "no answer", TrackingID: "T1"}},
		{"method error of an unknown number", 404, `{"Message":"{\"errorCode\":404999,\"message\":\"new\"}"}`,
			iothub.Error{Status: 404, Message: "new"}},
		{"its own body", 404, string(own.Body(bodyTime)), iothub.Error{Status: 404, Code: iothub.CodeJobNotFound, Message: "no job j1", TrackingID: "T9"}},
		{"its own method body", 404, string(own.MethodBody(bodyTime)), iothub.Error{Status: 404, Code: iothub.CodeJobNotFound, Message: "no job j1", TrackingID: "T9"}},
		{"a proxy's page", 502, "<html>\r\n<title>Bad Gateway</title>", iothub.Error{Status: 502, Message: "<html>"}},
		{"no body", 503, "", iothub.Error{Status: 503}},
		{"JSON of another form", 500, `{"error":"x"}`, iothub.Error{Status: 500, Message: `{"error":"x"}`}},
		{"JSON, no object", 500, `[1]`, iothub.Error{Status: 500, Message: `[1]`}},
		{"a long text is cut between characters", 500, strings.Repeat("é", 400), iothub.Error{Status: 500, Message: strings.Repeat("é", 150) + "..."}},
		{"a long text is cut inside a character", 500, "x" + strings.Repeat("é", 400), iothub.Error{Status: 500, Message: "x" + strings.Repeat("é", 149) + "..."}},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := iothub.ParseError(test.status, []byte(test.body)); *got != test.want {
				t.Errorf("got %+v, want %+v", *got, test.want)
			} else if got.Error() == "" || !utf8.ValidString(got.Error()) {
				t.Errorf("it prints as %q", got.Error())
			}
		})
	}
}
