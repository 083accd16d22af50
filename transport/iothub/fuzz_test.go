package iothub_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/latchd/latchd/transport/iothub"
)

// fuzzSecret is a key that no error may show. The fuzz targets of this file parse a
// text, print the result and parse the printed text. Both results must be equal. If a
// parser refuses a text, its error must be one line without the secret.
const fuzzSecret = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I="

func FuzzConnectionString(f *testing.F) {
	for _, seed := range []string{
		"HostName=h;DeviceId=d1;SharedAccessKey=", "HostName=h;SharedAccessKeyName=n;SharedAccessKey=",
		"HostName=h:8883;DeviceId=d;ModuleId=m;GatewayHostName=g:1;x509=true;SharedAccessKeyName=k",
		"HostName=h;DeviceId=d;SharedAccessSignature=SharedAccessSignature sr=h&sig=x&se=1",
		"HostName=", "x509=", "DeviceId=", "GatewayHostName=", "\n;;=", "",
	} {
		f.Add(seed)
	}

	f.Fuzz(func(t *testing.T, text string) {
		// The fuzzed text often ends with "NAME=". The appended secret then becomes the
		// value of NAME.
		text += fuzzSecret
		if d, err := iothub.ParseDevice(text); err != nil {
			checkRefusal(t, err)
		} else if again, err := iothub.ParseDevice(d.ConnectionString()); err != nil || !reflect.DeepEqual(again, d) {
			t.Errorf("%q: the round trip of %+v gives %+v, %v", text, d, again, err)
		}
		if s, err := iothub.ParseService(text); err != nil {
			checkRefusal(t, err)
		} else if again, err := iothub.ParseService(s.ConnectionString()); err != nil || !reflect.DeepEqual(again, s) {
			t.Errorf("%q: the round trip of %+v gives %+v, %v", text, s, again, err)
		}
	})
}

func checkRefusal(t *testing.T, err error) {
	t.Helper()
	checkErrorText(t, err)
	if strings.Contains(err.Error(), fuzzSecret) {
		t.Errorf("the error shows the secret: %v", err)
	}
}

func FuzzSignature(f *testing.F) {
	for _, seed := range []string{deviceToken, moduleToken, strictToken, serviceToken, dpsToken, lowerToken, plainToken, "SharedAccessSignature sr=%&sig=&se="} {
		f.Add(seed)
	}
	key := testKey(f)

	f.Fuzz(func(t *testing.T, token string) {
		s, err := iothub.ParseSignature(token)
		if err != nil {
			checkErrorText(t, err)
			return
		}
		if s.SignedBy(iothub.NewKey()) {
			t.Errorf("%q: SignedBy accepts a key that did not exist when the token was made", token)
		}
		if !s.Covers(s.Resource) || s.Covers("x"+s.Resource) {
			t.Errorf("%q: the token must cover its own resource and no other host", token)
		}
		again, err := iothub.ParseSignature(iothub.Sign(iothub.Escape(s.Resource), key, s.KeyName, s.Expiry))
		if err != nil {
			t.Fatalf("%q: ParseSignature refuses the token after it is signed again: %v", token, err)
		}
		if again.Resource != s.Resource || again.KeyName != s.KeyName || !again.Expiry.Equal(s.Expiry) || !again.SignedBy(key) {
			t.Errorf("%q: after it is signed again, the token is %+v", token, again)
		}
	})
}

func FuzzUserName(f *testing.F) {
	for _, seed := range []string{
		"localhost/d1/?api-version=2021-04-12&model-id=dtmi:com:example:Door;1&DeviceClientType=a%2F1%20(x)",
		"h:8883/d1/m1/?api-version=2021-04-12", "h/d1/api-version=2016-11-14&DeviceClientType=a/b", "h/?/?api-version=1", "//",
	} {
		f.Add(seed)
	}

	f.Fuzz(func(t *testing.T, text string) {
		u, err := iothub.ParseUserName(text)
		if err != nil {
			checkErrorText(t, err)
			return
		}
		if u.HostName == "" || u.DeviceID == "" || u.APIVersion == "" {
			t.Errorf("%q: a part is empty in %+v", text, u)
		}
		// String does not encode the model id and the version. Therefore only values
		// without special characters survive printing and parsing.
		if strings.ContainsAny(u.ModelID+u.APIVersion, "%&") {
			return
		}
		if again, err := iothub.ParseUserName(u.String()); err != nil || again != u {
			t.Errorf("%q: the round trip of %+v gives %+v, %v", text, u, again, err)
		}
	})
}

func FuzzBag(f *testing.F) {
	for _, seed := range []string{"", "%24.mid=m%201&a%20b=c%26d", "a&b=&&=", "a+b=%2b", "%zz=%"} {
		f.Add(seed)
	}

	f.Fuzz(func(t *testing.T, text string) {
		bag, err := iothub.ParseBag(text)
		if err != nil {
			checkErrorText(t, err)
			return
		}
		again, err := iothub.ParseBag(bag.Encode())
		if err != nil || !reflect.DeepEqual(again, bag) {
			t.Errorf("%q: the round trip of %q gives %q, %v", text, bag, again, err)
		}
		if strings.ContainsAny(bag.Encode(), "/#+ ") {
			t.Errorf("%q: %q would break a topic", text, bag.Encode())
		}
	})
}

func FuzzTopics(f *testing.F) {
	for _, seed := range []string{
		"$iothub/methods/POST/m/?$rid=1", "$iothub/methods/res/200/?$rid=1", "$iothub/twin/GET/?$rid=1",
		"$iothub/twin/PATCH/properties/reported/?$rid=1", "$iothub/twin/res/204/?$rid=1&$version=2",
		"$iothub/twin/PATCH/properties/desired/?$version=2", "devices/d1/messages/events/%24.mid=m%201",
		"devices/d1/modules/m1/messages/events/%24.on=o/", "devices//messages/events", "$iothub/",
	} {
		f.Add(seed)
	}

	f.Fuzz(func(t *testing.T, topic string) {
		taken := 0
		check := func(err error, roundTrip func() bool) {
			if err != nil {
				checkErrorText(t, err)
				return
			}
			if taken++; !roundTrip() {
				t.Errorf("%q does not survive the round trip", topic)
			}
		}
		name, rid, err := iothub.ParseMethodRequest(topic)
		check(err, func() bool {
			n, r, err := iothub.ParseMethodRequest(iothub.MethodRequestTopic(name, rid))
			return err == nil && n == name && r == rid
		})
		status, rid, err := iothub.ParseMethodResponse(topic)
		check(err, func() bool {
			s, r, err := iothub.ParseMethodResponse(iothub.MethodResponseTopic(status, rid))
			return err == nil && s == status && r == rid
		})
		request, rid, err := iothub.ParseTwinRequest(topic)
		check(err, func() bool {
			q, r, err := iothub.ParseTwinRequest(iothub.TwinRequestTopic(request, rid))
			return err == nil && q == request && r == rid
		})
		response, err := iothub.ParseTwinResponse(topic)
		check(err, func() bool {
			again, err := iothub.ParseTwinResponse(response.Topic())
			return err == nil && again == response
		})
		version, err := iothub.ParseDesired(topic)
		check(err, func() bool {
			v, err := iothub.ParseDesired(iothub.DesiredTopic(version))
			return err == nil && v == version
		})
		device, module, bag, err := iothub.ParseEvent(topic)
		check(err, func() bool {
			if module != "" {
				return device != ""
			}
			d, m, b, err := iothub.ParseEvent(iothub.EventTopic(device, bag))
			return err == nil && d == device && m == "" && reflect.DeepEqual(b, bag)
		})
		if taken > 1 {
			t.Errorf("%q is accepted as %d kinds of topic", topic, taken)
		}
	})
}

// FuzzMerge checks the rules of twin patches. A null in the patch removes a field.
// Fields that are not in the patch stay unchanged. The result contains no null from the
// patch, and merging the patch a second time changes nothing.
func FuzzMerge(f *testing.F) {
	f.Add(`{"a":{"x":1,"y":2},"b":1}`, `{"a":{"y":null,"z":{"n":null}},"c":[null]}`)
	f.Add(`{"a":1}`, `{"a":{"b":1}}`)
	f.Add(`{"n":9007199254740993}`, `{}`)

	f.Fuzz(func(t *testing.T, baseText, patchText string) {
		base, err := iothub.ParseObject([]byte(baseText))
		if err != nil {
			return
		}
		patch, err := iothub.ParseObject([]byte(patchText))
		if err != nil {
			return
		}
		before := toJSON(t, base) + toJSON(t, patch)
		merged := base.Merge(patch)
		for name, value := range patch {
			if got, there := merged[name]; there == (value == nil) {
				t.Errorf("%s: the patch has %v, the result %v", name, value, got)
			}
		}
		for name, value := range base {
			if _, named := patch[name]; !named && !reflect.DeepEqual(merged[name], value) {
				t.Errorf("%s: the member is not in the patch but has changed", name)
			}
		}
		if !reflect.DeepEqual(merged.Merge(patch), merged) {
			t.Errorf("%s merged into %s: a second merge changes the result", patchText, baseText)
		}
		if clean := (iothub.Object{}).Merge(patch); hasNull(map[string]any(clean)) {
			t.Errorf("%s: the result contains a null: %s", patchText, toJSON(t, clean))
		}
		if toJSON(t, base)+toJSON(t, patch) != before {
			t.Error("Merge changed an argument")
		}
	})
}

func hasNull(v any) bool {
	if o, ok := v.(map[string]any); ok {
		for _, member := range o {
			if hasNull(member) {
				return true
			}
		}
	}
	return v == nil
}

func FuzzTwinPatch(f *testing.F) {
	for _, seed := range []string{
		`{"etag":"*","tags":{"t":1},"properties":{"desired":{"floor":3}}}`, `{"etag":"*","desired":{"building":"43","floor":3}}`,
		`{"desired":{},"properties":{"desired":null}}`, `{"tags":null}`, `{"properties":{}}`, `[]`,
	} {
		f.Add(seed)
	}

	f.Fuzz(func(t *testing.T, text string) {
		var patch, again iothub.TwinPatch
		if json.Unmarshal([]byte(text), &patch) != nil {
			return
		}
		// Marshalling omits empty tags, so parsing yields nil for them.
		if len(patch.Tags) == 0 {
			patch.Tags = nil
		}
		if err := json.Unmarshal([]byte(toJSON(t, patch)), &again); err != nil || !reflect.DeepEqual(again, patch) {
			t.Errorf("%q: the round trip of %+v gives %+v, %v", text, patch, again, err)
		}
	})
}

func FuzzParseError(f *testing.F) {
	for _, seed := range []string{
		`{"Message":"ErrorCode:DeviceNotFound;E2","ExceptionMessage":"Tracking ID:abc-TimeStamp:x"}`,
		`{"Message":"ErrorCode:GatewayTimeout;{\"errorCode\":504101,\"trackingId\":\"T\",\"message\":\"m\"}"}`,
		"<html>\n", "", `{"Message":"ErrorCode:;"}`,
	} {
		f.Add(404, []byte(seed))
	}

	f.Fuzz(func(t *testing.T, status int, body []byte) {
		err := iothub.ParseError(status, body)
		if err == nil || err.Status != status {
			t.Fatalf("got %+v; want an error of status %d", err, status)
		}
		if strings.Contains(err.Message, "\n") || len(err.Message) > 303 {
			t.Errorf("the message %q is too long or has several lines", err.Message)
		}
		if utf8.Valid(body) && !utf8.ValidString(err.Error()) {
			t.Errorf("%q is not UTF-8 any more", err.Error())
		}
	})
}
