package iothub_test

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"

	"github.com/latchd/latchd/transport/iothub"
)

func object(t testing.TB, text string) iothub.Object {
	t.Helper()
	o, err := iothub.ParseObject([]byte(text))
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return o
}

func toJSON(t testing.TB, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestObjectMerge(t *testing.T) {
	t.Parallel()

	for _, test := range []struct{ name, base, patch, want string }{
		{"nothing to change", `{"a":1}`, `{}`, `{"a":1}`},
		{"a new member", `{"a":1}`, `{"b":2}`, `{"a":1,"b":2}`},
		{"a member replaced", `{"a":1}`, `{"a":"x"}`, `{"a":"x"}`},
		{"null removes", `{"a":1,"b":2}`, `{"a":null}`, `{"b":2}`},
		{"null where there is nothing", `{"b":2}`, `{"a":null}`, `{"b":2}`},
		{"objects merge", `{"a":{"x":1,"y":2}}`, `{"a":{"y":3,"z":4}}`, `{"a":{"x":1,"y":3,"z":4}}`},
		{"null deep inside", `{"a":{"x":{"y":1,"z":2}}}`, `{"a":{"x":{"y":null}}}`, `{"a":{"x":{"z":2}}}`},
		{"an object that becomes empty stays", `{"a":{"x":1}}`, `{"a":{"x":null}}`, `{"a":{}}`},
		{"an object in a value's place", `{"a":1}`, `{"a":{"x":1}}`, `{"a":{"x":1}}`},
		{"a value in an object's place", `{"a":{"x":1}}`, `{"a":1}`, `{"a":1}`},
		{"nulls in a new object are not stored", `{}`, `{"a":{"x":null,"y":{"z":null}}}`, `{"a":{"y":{}}}`},
		{"arrays are replaced whole", `{"a":[1,2,3]}`, `{"a":[4]}`, `{"a":[4]}`},
		{"false, zero and the empty text are values", `{"a":1,"b":1,"c":1}`, `{"a":false,"b":0,"c":""}`, `{"a":false,"b":0,"c":""}`},
	} {
		t.Run(test.name, func(t *testing.T) {
			base, patch := object(t, test.base), object(t, test.patch)
			if got := toJSON(t, base.Merge(patch)); got != test.want {
				t.Errorf("got %s, want %s", got, test.want)
			}
			if toJSON(t, base) != test.base || toJSON(t, patch) != test.patch {
				t.Errorf("Merge changed an argument: %s, %s", toJSON(t, base), toJSON(t, patch))
			}
		})
	}

	t.Run("a patch made in Go", func(t *testing.T) {
		got := object(t, `{"lock":{"position":"locked","fault":"jammed"}}`).
			Merge(iothub.Object{"lock": iothub.Object{"fault": nil}})
		if want := `{"lock":{"position":"locked"}}`; toJSON(t, got) != want {
			t.Errorf("got %s, want %s", toJSON(t, got), want)
		}
	})

	t.Run("onto nothing", func(t *testing.T) {
		if got := toJSON(t, iothub.Object(nil).Merge(object(t, `{"a":1,"b":null}`))); got != `{"a":1}` {
			t.Errorf("got %s", got)
		}
	})
}

// Marshalling must write a number as it was read, not as the nearest float64.
func TestObjectKeepsNumbers(t *testing.T) {
	t.Parallel()

	const text = `{"big":9007199254740993,"deep":[{"x":1.10}],"exp":1e400,"small":0.1}`
	if got := toJSON(t, object(t, text)); got != text {
		t.Errorf("got %s, want %s", got, text)
	}
	var twin iothub.DeviceTwin
	const both = `{"desired":{"n":9007199254740993},"reported":{"n":1.0}}`
	if err := json.Unmarshal([]byte(both), &twin); err != nil {
		t.Fatal(err)
	}

	if got := toJSON(t, twin); got != both {
		t.Errorf("got %s, want %s", got, both)
	}
}

func TestObjectVersion(t *testing.T) {
	t.Parallel()

	for _, test := range []struct {
		object iothub.Object
		want   int64
	}{
		{object(t, `{"$version":7}`), 7},
		{iothub.Object{"$version": int64(7)}, 7},
		{object(t, `{}`), 0},
		{nil, 0},
		{object(t, `{"$version":"7"}`), 0},
		{object(t, `{"$version":1.5}`), 0},
	} {
		if got := test.object.Version(); got != test.want {
			t.Errorf("%s: version %d, want %d", toJSON(t, test.object), got, test.want)
		}
	}
}

func TestParseObjectRefuses(t *testing.T) {
	t.Parallel()

	for _, text := range []string{"", " ", "null", "1", `"x"`, "[]", "{", `{"a":1}{}`, `{"a":1} x`, `{"a":}`, `{a:1}`, "[{}]"} {
		if o, err := iothub.ParseObject([]byte(text)); err == nil {
			t.Errorf("%q was accepted as %s; want an error", text, toJSON(t, o))
		}
	}
}

func TestTwinPatchForms(t *testing.T) {
	t.Parallel()

	for _, test := range []struct {
		name, text    string
		etag          string
		tags, desired iothub.Object
	}{
		{"the documented form", `{"etag":"*","tags":{"t":1},"properties":{"desired":{"floor":3}}}`,
			"*", object(t, `{"t":1}`), object(t, `{"floor":3}`)},
		{"the form of early tutorials", `{"etag":"*","desired":{"building":"43","floor":3}}`,
			"*", nil, object(t, `{"building":"43","floor":3}`)},
		{"tags only", `{"tags":{"t":null}}`, "", object(t, `{"t":null}`), nil},
		{"an empty change", `{}`, "", nil, nil},
		{"desired is null", `{"desired":null}`, "", nil, nil},
		{"read-only parts of a whole twin are ignored", `{"deviceId":"d","version":3,"properties":{"desired":{"a":1},"reported":{"b":2}}}`,
			"", nil, object(t, `{"a":1}`)},
	} {
		t.Run(test.name, func(t *testing.T) {
			var patch iothub.TwinPatch
			if err := json.Unmarshal([]byte(test.text), &patch); err != nil {
				t.Fatal(err)
			}
			var desired iothub.Object
			if patch.Properties != nil {
				desired = patch.Properties.Desired
			}
			if patch.ETag != test.etag || !reflect.DeepEqual(patch.Tags, test.tags) || !reflect.DeepEqual(desired, test.desired) {
				t.Errorf("got etag %q, tags %v, desired %v", patch.ETag, patch.Tags, desired)
			}
			var again iothub.TwinPatch
			if err := json.Unmarshal([]byte(toJSON(t, patch)), &again); err != nil || !reflect.DeepEqual(again, patch) {
				t.Errorf("round trip: %s gives %+v, %v", toJSON(t, patch), again, err)
			}
		})
	}
}

func TestTwinPatchRefuses(t *testing.T) {
	t.Parallel()

	for _, text := range []string{
		`{"desired":{"a":1},"properties":{"desired":{"a":2}}}`,
		`{"desired":1}`, `{"tags":[]}`, `{"tags":"x"}`, `{"properties":{"desired":[]}}`, `{"properties":1}`, `[]`,
	} {
		var patch iothub.TwinPatch
		if err := json.Unmarshal([]byte(text), &patch); err == nil {
			t.Errorf("%s was accepted as %+v; want an error", text, patch)
		}
	}
}

// IoT Hub sends some fields even if they are empty, so a marshalled twin must also
// contain them.
func TestTwinOnTheWire(t *testing.T) {
	t.Parallel()

	got := toJSON(t, iothub.Twin{DeviceID: "d1", Version: 2, Properties: iothub.TwinProperties{
		Desired: object(t, `{"$version":1}`), Reported: object(t, `{"$version":1}`)}})
	for _, part := range []string{`"deviceId":"d1"`, `"statusUpdateTime":"0001-01-01T00:00:00Z"`, `"lastActivityTime":"0001-01-01T00:00:00Z"`,
		`"cloudToDeviceMessageCount":0`, `"x509Thumbprint":{"primaryThumbprint":null,"secondaryThumbprint":null}`, `"version":2`,
		`"properties":{"desired":{"$version":1},"reported":{"$version":1}}`} {
		if !strings.Contains(got, part) {
			t.Errorf("%s lacks %s", got, part)
		}
	}
}
