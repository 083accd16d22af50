package store

import (
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/latchd/latchd/transport/iothub"
)

func patchOf(t *testing.T, text string) iothub.TwinPatch {
	t.Helper()
	var p iothub.TwinPatch
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		t.Fatal(err)
	}
	return p
}

func objectOf(t *testing.T, text string) iothub.Object {
	t.Helper()
	o, err := iothub.ParseObject([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return o
}

func jsonOf(t *testing.T, v any) string {
	t.Helper()
	text, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// updated is the value of $lastUpdated for a change at the time epoch.
const updated = `"$lastUpdated":"2026-11-23T22:38:00.123Z"`

func TestNewTwin(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	createDevices(t, s, "door-1")
	twin, err := s.Twin(t.Context(), "door-1")
	if err != nil {
		t.Fatal(err)
	}

	want := `{"desired":{"$metadata":{` + updated + `},"$version":1},"reported":{"$metadata":{` + updated + `},"$version":1}}`
	if got := jsonOf(t, twin.Properties); got != want {
		t.Errorf("the properties are %s, want %s", got, want)
	}
	if twin.Version != 2 || twin.ETag != "AAAAAAAAAAE=" || twin.Status != "enabled" || twin.AuthenticationType != "sas" {
		t.Errorf("version %d, etag %s, status %s, authentication %s", twin.Version, twin.ETag, twin.Status, twin.AuthenticationType)
	}

	device, err := s.DeviceTwin(t.Context(), "door-1")
	if got := jsonOf(t, device); err != nil || got != `{"desired":{"$version":1},"reported":{"$version":1}}` {
		t.Errorf("the device sees the twin %s (%v)", got, err)
	}
}

// TestUpdateTwin applies several updates to one twin. After each, it checks the
// versions, the metadata and the message for the device.
func TestUpdateTwin(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	createDevices(t, s, "door-1")
	v := func(n int) string { return fmt.Sprintf(`%s,"$lastUpdatedVersion":%d`, updated, n) }
	for _, step := range []struct {
		name, patch                     string
		replace                         bool
		etag                            string
		version                         int64
		tags, desired, metadata, device string
	}{
		{name: "only tags", patch: `{"tags":{"floor":3,"place":{"building":"43"}}}`,
			etag: "AAAAAAAAAAI=", version: 3, tags: `{"floor":3,"place":{"building":"43"}}`,
			desired: `{"$version":1}`, metadata: `{` + updated + `}`, device: `null`},
		{name: "only desired", patch: `{"properties":{"desired":{"a":{"b":1,"c":2},"list":[1,{"x":false}]}}}`,
			etag: "AAAAAAAAAAM=", version: 4, tags: `{"floor":3,"place":{"building":"43"}}`,
			desired:  `{"$version":2,"a":{"b":1,"c":2},"list":[1,{"x":false}]}`,
			metadata: `{` + v(2) + `,"a":{` + v(2) + `,"b":{` + v(2) + `},"c":{` + v(2) + `}},"list":{` + v(2) + `}}`,
			device:   `{"$version":2,"a":{"b":1,"c":2},"list":[1,{"x":false}]}`},
		{name: "null removes a property and its metadata", patch: `{"tags":{"place":{"building":null}},"properties":{"desired":{"a":{"b":null}}}}`,
			etag: "AAAAAAAAAAQ=", version: 5, tags: `{"floor":3,"place":{}}`,
			desired:  `{"$version":3,"a":{"c":2},"list":[1,{"x":false}]}`,
			metadata: `{` + v(3) + `,"a":{` + v(3) + `,"c":{` + v(2) + `}},"list":{` + v(2) + `}}`,
			device:   `{"$version":3,"a":{"b":null}}`},
		{name: "a value replaces an object", patch: `{"desired":{"a":"<&>"}}`,
			etag: "AAAAAAAAAAU=", version: 6, tags: `{"floor":3,"place":{}}`,
			desired:  `{"$version":4,"a":"\u003c\u0026\u003e","list":[1,{"x":false}]}`,
			metadata: `{` + v(4) + `,"a":{` + v(4) + `},"list":{` + v(2) + `}}`,
			device:   `{"$version":4,"a":"\u003c\u0026\u003e"}`},
		{name: "a replacement sends null for removed properties", replace: true,
			patch: `{"properties":{"desired":{"list":{"y":1},"$metadata":{},"$version":1}}}`,
			etag:  "AAAAAAAAAAY=", version: 7, tags: `{"floor":3,"place":{}}`,
			desired:  `{"$version":5,"list":{"y":1}}`,
			metadata: `{` + v(5) + `,"list":{` + v(5) + `,"y":{` + v(5) + `}}}`,
			device:   `{"$version":5,"a":null,"list":{"y":1}}`},
		{name: "an empty patch of desired increments the versions", patch: `{"properties":{"desired":{}}}`,
			etag: "AAAAAAAAAAc=", version: 8, tags: `{"floor":3,"place":{}}`,
			desired: `{"$version":6,"list":{"y":1}}`, metadata: `{` + v(6) + `,"list":{` + v(5) + `,"y":{` + v(5) + `}}}`,
			device: `{"$version":6}`},
		{name: "an empty patch changes nothing", patch: `{}`,
			etag: "AAAAAAAAAAc=", version: 8, tags: `{"floor":3,"place":{}}`,
			desired: `{"$version":6,"list":{"y":1}}`, metadata: `{` + v(6) + `,"list":{` + v(5) + `,"y":{` + v(5) + `}}}`,
			device: `null`},
	} {
		t.Run(step.name, func(t *testing.T) {
			var sent iothub.Object
			answer, err := s.UpdateTwin(t.Context(), "door-1", patchOf(t, step.patch), `"*"`, step.replace, func(desired iothub.Object) { sent = desired })
			if err != nil {
				t.Fatal(err)
			}

			twin, err := s.Twin(t.Context(), "door-1")
			if err != nil {
				t.Fatal(err)
			}
			if got, want := jsonOf(t, answer), jsonOf(t, twin); got != want {
				t.Errorf("the answer is %s, the stored twin is %s", got, want)
			}
			if twin.ETag != step.etag || twin.Version != step.version {
				t.Errorf("the etag is %s and the version %d, want %s and %d", twin.ETag, twin.Version, step.etag, step.version)
			}

			metadata := twin.Properties.Desired["$metadata"]
			delete(twin.Properties.Desired, "$metadata")
			for _, c := range []struct{ what, got, want string }{
				{"tags", jsonOf(t, twin.Tags), step.tags},
				{"desired", jsonOf(t, twin.Properties.Desired), step.desired},
				{"metadata", jsonOf(t, metadata), step.metadata},
				{"the device's message", jsonOf(t, sent), step.device},
			} {
				if c.got != c.want {
					t.Errorf("%s: %s\nwant %s", c.what, c.got, c.want)
				}
			}
		})
	}
}

func TestReport(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	createDevices(t, s, "door-1")
	for i, step := range []struct{ patch, want string }{
		{`{"lock":{"position":"locked","fault":"jam"}}`, `{"$version":2,"lock":{"fault":"jam","position":"locked"}}`},
		{`{"lock":{"fault":null},"n":1.50}`, `{"$version":3,"lock":{"position":"locked"},"n":1.50}`},
		{`{"lock":null}`, `{"$version":4,"n":1.50}`},
	} {
		version, err := s.Report(t.Context(), "door-1", objectOf(t, step.patch), 0)
		if err != nil || version != int64(i+2) {
			t.Errorf("the version is %d (%v), want %d", version, err, i+2)
		}
		twin, err := s.DeviceTwin(t.Context(), "door-1")
		if got := jsonOf(t, twin.Reported); err != nil || got != step.want {
			t.Errorf("the reported properties are %s (%v), want %s", got, err, step.want)
		}
	}

	twin, err := s.Twin(t.Context(), "door-1")
	if err != nil || twin.Version != 5 || twin.ETag != "AAAAAAAAAAE=" {
		t.Errorf("the version is %d and the etag %s (%v), want 5 and an etag that reports do not change", twin.Version, twin.ETag, err)
	}

	want := `{` + updated + `,"n":{` + updated + `}}`
	if got := jsonOf(t, twin.Properties.Reported["$metadata"]); got != want {
		t.Errorf("the metadata is %s, want %s", got, want)
	}
	if !twin.LastActivityTime.Equal(epoch) {
		t.Errorf("the last activity is %s, want %s", twin.LastActivityTime, epoch)
	}

	_, err = s.Report(t.Context(), "door-1", iothub.Object{"n": 2}, 3)
	wantCode(t, err, iothub.CodePreconditionFailed)
	if unchanged, err := s.DeviceTwin(t.Context(), "door-1"); jsonOf(t, unchanged.Reported) != `{"$version":4,"n":1.50}` {
		t.Errorf("a report for an older version changed the properties to %s (%v)", jsonOf(t, unchanged.Reported), err)
	}
	if version, err := s.Report(t.Context(), "door-1", iothub.Object{"n": 2}, 4); version != 5 || err != nil {
		t.Errorf("a report for the current version gives version %d, %v", version, err)
	}

	_, err = s.Report(t.Context(), "door-2", iothub.Object{"a": "b"}, 0)
	wantCode(t, err, iothub.CodeDeviceNotFound)
}

func TestInvalidTwinValuesAreRefused(t *testing.T) {
	t.Parallel()
	nest := func(levels int) string {
		return strings.Repeat(`{"a":`, levels+1) + "1" + strings.Repeat("}", levels+1)
	}
	many := func(n, length int) string {
		var members []string
		for i := range n {
			members = append(members, fmt.Sprintf(`"k%03d":"%s"`, i, strings.Repeat("x", length)))
		}
		return "{" + strings.Join(members, ",") + "}"
	}

	for _, c := range []struct {
		name, section, patch, want string
	}{
		{"a dot in a name", "tags", `{"a":{"b.c":1}}`, `tags.a has the name "b.c": the character '.' is not allowed`},
		{"a dollar in a name", "desired", `{"$a":1}`, `desired has the name "$a"`},
		{"a blank in a name", "desired", `{"x":[{"a b":1}]}`, `desired.x[0] has the name "a b"`},
		{"a control character in a name", "tags", `{"a\u0085":1}`, `tags has the name "a\u0085"`},
		{"an empty name", "tags", `{"":1}`, "tags has a property with an empty name"},
		{"a name too long", "tags", `{"` + strings.Repeat("x", 1025) + `":1}`, "tags has a name of 1025 bytes"},
		{"the longest name", "tags", `{"` + strings.Repeat("x", 1024) + `":1}`, ""},
		{"a string too long", "tags", `{"a":"` + strings.Repeat("x", 4097) + `"}`, "tags.a is a string of 4097 bytes: at most 4096"},
		{"an integer too large", "desired", `{"a":4503599627370496}`, "desired.a is 4503599627370496: an integer must be from -4503599627370496 to 4503599627370495"},
		{"an integer too small", "desired", `{"a":-4503599627370497}`, "desired.a is -4503599627370497"},
		{"the largest integer", "desired", `{"a":4503599627370495}`, ""},
		{"a number too large", "reported", `{"a":1e999}`, "reported.a is a number that is too large"},
		{"10 levels", "desired", nest(10), ""},
		{"11 levels", "desired", nest(11), "desired.a.a.a.a.a.a.a.a.a.a.a is nested too deep"},
		{"arrays of 10 levels", "reported", `{"a":` + strings.Repeat("[", 10) + strings.Repeat("]", 10) + `}`, ""},
		{"arrays of 9,000 levels", "reported", `{"a":` + strings.Repeat("[", 9000) + strings.Repeat("]", 9000) + `}`,
			"reported.a[0][0][0][0][0][0][0][0][0][0] is nested too deep"},
		{"a number of very many digits", "reported", `{"a":0.` + strings.Repeat("1", 256<<10) + `}`, "reported.a is a number of 262145 digits: at most 64 are allowed"},
		{"a number of 65 digits", "desired", `{"a":-0.` + strings.Repeat("1", 64) + `}`, "desired.a is a number of 65 digits"},
		{"a number of 64 digits", "desired", `{"a":-0.` + strings.Repeat("1", 63) + `}`, ""},
		{"very many long numbers", "reported", `{"a":[` + strings.Repeat("0."+strings.Repeat("1", 63)+",", 4000) + `0]}`, "reported would take 264009 bytes of JSON: at most 262144 are possible"},
		{"the metadata of very many properties", "reported", manyProperties(8000), ""},
		{"too much metadata", "desired", manyProperties(8000), "desired would take 671332 bytes with its $metadata: at most 524288 are possible"},
		{"too much metadata of nested properties", "reported", nestedProperties(), "reported would take"},
		{"null in an array", "reported", `{"a":[1,null]}`, "reported.a[1] is null: null is not allowed in an array"},
		{"null in an object in an array", "tags", `{"a":{"b":[[{"c":null}]]}}`, "tags.a.b[0][0].c is null: null is not allowed in an array"},
		{"null in an array of desired properties", "desired", `{"a":[null]}`, "desired.a[0] is null"},
		{"very many empty arrays", "desired", `{"a":[` + strings.Repeat("[],", 90<<10) + `[]]}`, "desired would take 276490 bytes of JSON"},
		{"control characters in tags", "tags", `{"a":["` + strings.Repeat(strings.Repeat(`\u0001`, 4000)+`","`, 8) + `"]}`, "tags would take 192034 bytes of JSON"},
		{"the largest tags", "tags", many(8, 1020), ""},
		{"tags too large", "tags", many(8, 1021), "tags would have 8200 bytes: at most 8192 are allowed"},
		{"desired too large", "desired", many(32, 1021), "desired would have 32800 bytes"},
		{"reported too large", "reported", many(32, 1021), "reported would have 32800 bytes"},
		{"$version reported", "reported", `{"$version":7}`, `reported has the name "$version"`},
		{"$metadata reported", "reported", `{"a":1,"$metadata":{}}`, `reported has the name "$metadata"`},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newStore(t)
			createDevices(t, s, "door-1")
			before, err := s.Twin(t.Context(), "door-1")
			if err != nil {
				t.Fatal(err)
			}

			o := objectOf(t, c.patch)
			switch c.section {
			case "tags":
				_, err = s.UpdateTwin(t.Context(), "door-1", iothub.TwinPatch{Tags: o}, "", false, nil)
			case "desired":
				_, err = s.UpdateTwin(t.Context(), "door-1", iothub.TwinPatch{Properties: &iothub.TwinPatchProperties{Desired: o}}, "", false, nil)
			default:
				_, err = s.Report(t.Context(), "door-1", o, 0)
			}

			if c.want == "" {
				if err != nil {
					t.Error(err)
				}
				return
			}
			wantCode(t, err, iothub.CodeArgumentInvalid)
			if err != nil && !strings.Contains(err.Error(), c.want) {
				t.Errorf("the error is %q, want it to contain %q", err, c.want)
			}

			after, err := s.Twin(t.Context(), "door-1")
			if jsonOf(t, after) != jsonOf(t, before) {
				t.Errorf("the twin changed to %s (%v)", jsonOf(t, after), err)
			}
		})
	}
}

// A replacement cannot contain null in tags or desired properties. A section that is null
// as a whole, and members that services cannot change, are no part of the replacement.
func TestNullInAReplacement(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ patch, want string }{
		"a tag":                {`{"tags":{"a":null}}`, "tags.a is null: leave the property out"},
		"inside a tag":         {`{"tags":{"a":{"b":null}}}`, "tags.a.b is null"},
		"in an array":          {`{"tags":{"a":[null]}}`, "tags.a[0] is null"},
		"a desired property":   {`{"tags":{"b":1},"properties":{"desired":{"a":{"b":null}}}}`, "desired.a.b is null"},
		"the whole tags":       {`{"tags":null}`, ""},
		"the whole desired":    {`{"properties":{"desired":null}}`, ""},
		"read-only members":    {`{"etag":null,"deviceId":null,"version":null,"tags":{"a":1},"properties":{"reported":null}}`, ""},
		"the system's members": {`{"properties":{"desired":{"a":1,"$metadata":null,"$version":null}}}`, ""},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newStore(t)
			createDevices(t, s, "door-1")
			if _, err := s.UpdateTwin(t.Context(), "door-1", patchOf(t, `{"tags":{"a":1},"desired":{"a":1}}`), "", false, nil); err != nil {
				t.Fatal(err)
			}

			_, err := s.UpdateTwin(t.Context(), "door-1", patchOf(t, c.patch), "*", true, nil)
			if c.want == "" && err != nil {
				t.Error(err)
			}
			if c.want != "" {
				wantCode(t, err, iothub.CodeArgumentInvalid)
				if err != nil && !strings.Contains(err.Error(), c.want) {
					t.Errorf("the error is %q, want it to contain %q", err, c.want)
				}
			}

			twin, err := s.Twin(t.Context(), "door-1")
			if jsonOf(t, twin.Tags) != `{"a":1}` || twin.Properties.Desired["a"] != json.Number("1") {
				t.Errorf("the tags are %s and the desired properties %s (%v)", jsonOf(t, twin.Tags), jsonOf(t, twin.Properties.Desired), err)
			}
		})
	}
}

func TestIfMatch(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		ifMatch string
		ok      bool
	}{
		{"", true}, {"*", true}, {`"*"`, true}, {"AAAAAAAAAAE=", true}, {`"AAAAAAAAAAE="`, true}, {`W/"AAAAAAAAAAE="`, true},
		{`"AAAAAAAAAAI="`, false}, {"x", false},
	} {
		t.Run(c.ifMatch, func(t *testing.T) {
			s := newStore(t)
			createDevices(t, s, "door-1")
			patch := iothub.TwinPatch{ETag: c.ifMatch, Tags: iothub.Object{"a": true}}
			done := make(chan error, 1)
			s.UpdateTwinAsync("door-1", patch, func(_ iothub.Object, err error) { done <- err })
			jobResult := <-done
			createDevices(t, s, "door-2")
			_, err := s.UpdateTwin(t.Context(), "door-2", patch, c.ifMatch, false, nil)
			for _, err := range []error{err, jobResult} {
				if c.ok && err != nil {
					t.Error(err)
				} else if !c.ok {
					wantCode(t, err, iothub.CodePreconditionFailed)
				}
			}
		})
	}
}

func TestUpdateTwinAsyncReturnsTheMessageForTheDevice(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	createDevices(t, s, "door-1")
	type result struct {
		desired iothub.Object
		err     error
	}
	done := make(chan result, 1)
	update := func(id, patch string) result {
		s.UpdateTwinAsync(id, patchOf(t, patch), func(desired iothub.Object, err error) { done <- result{desired, err} })
		return <-done
	}

	r := update("door-1", `{"etag":"*","desired":{"building":"43","floor":3}}`)
	if got := jsonOf(t, r.desired); r.err != nil || got != `{"$version":2,"building":"43","floor":3}` {
		t.Errorf("the message is %s (%v)", got, r.err)
	}
	if r = update("door-1", `{"tags":{"a":1}}`); r.err != nil || r.desired != nil {
		t.Errorf("the message is %v (%v), want none for tags", r.desired, r.err)
	}
	wantCode(t, update("door-2", `{"tags":{"a":1}}`).err, iothub.CodeDeviceNotFound)
	wantCode(t, update("door-1", `{"tags":{"a.b":1}}`).err, iothub.CodeArgumentInvalid)
}

// TestConcurrentTwinWrites runs many writes at the same time. Each must increment the
// versions by one.
func TestConcurrentTwinWrites(t *testing.T) {
	t.Parallel()
	s := newStore(t)
	createDevices(t, s, "door-1")
	const n = 100

	var wg sync.WaitGroup
	versions := make([]int64, n)
	for i := range n {
		wg.Go(func() {
			if _, err := s.UpdateTwin(t.Context(), "door-1", iothub.TwinPatch{Tags: iothub.Object{fmt.Sprint("t", i): true}}, "", false, nil); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			var err error
			if versions[i], err = s.Report(t.Context(), "door-1", iothub.Object{fmt.Sprint("r", i): true}, 0); err != nil {
				t.Error(err)
			}
		})
		wg.Go(func() {
			if _, err := s.DeviceTwin(t.Context(), "door-1"); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()

	seen := make(map[int64]bool)
	for _, v := range versions {
		seen[v] = true
	}
	twin, err := s.Twin(t.Context(), "door-1")
	if err != nil || twin.Version != 2+2*n || len(seen) != n || len(twin.Tags) != n || twin.Properties.Reported.Version() != 1+n {
		t.Errorf("the version is %d, with %d versions of reports and %d tags (%v)", twin.Version, len(seen), len(twin.Tags), err)
	}
}
