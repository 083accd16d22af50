package broker

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"

	"github.com/latchd/latchd/transport/iothub"
)

// The comment of readAnswer names its sources: IoT Hub's limits, and the texts that
// Json.NET reads although they are not JSON.
func TestReadAnswer(t *testing.T) {
	t.Parallel()

	nested := func(levels int) string { return strings.Repeat("[", levels) + strings.Repeat("]", levels) }
	for _, test := range []struct {
		name, payload string
		want          string // the JSON of the answer; empty if the answer is refused
	}{
		{"nothing", "", "null"},
		{"JSON keeps its spaces", "{ \"a\" : [ 1.50 ] }\n", "{ \"a\" : [ 1.50 ] }\n"},
		{"a text in single quotes", `'Door was locked.'`, `"Door was locked."`},
		{"quotes in single quotes", `'a "b" \'c\' \\ \u00e9'`, `"a \"b\" 'c' \\ \u00e9"`},
		{"an escaped single quote in double quotes", `"it\'s"`, `"it's"`},
		{"line breaks in a text", "'a\r\n\tb'", `"a\u000d\u000a\u0009b"`},
		{"names without quotes", `{position:'locked', $a_1:true, größe:-1.5e3}`, `{"position":"locked","$a_1":true,"größe":-1.5e3}`},
		{"names in single quotes", `{'a':null}`, `{"a":null}`},
		{"commas at the end", `{"a":[1,2,],}`, `{"a":[1,2]}`},
		{"comments", "/* a */ [ // b\n 1 /* c, */ , 2 ] // end", `[1,2]`},
		{"a comment at the end of the text", "'a' //", `"a"`},
		{"comment signs in a text", `'/* a */ // b'`, `"/* a */ // b"`},
		{"invalid UTF-8", "\"a\xffb\"", "\"a\uFFFDb\""},
		{"48 levels", nested(48), nested(48)},
		{"48 levels in an object without quotes", strings.Repeat("{a:", 48) + "1" + strings.Repeat("}", 48), strings.Repeat(`{"a":`, 48) + "1" + strings.Repeat("}", 48)},

		{"49 levels", nested(49), ""},
		{"49 levels, not JSON", strings.Repeat("[", 49) + "'a'" + strings.Repeat("]", 49), ""},
		{"very deep, not JSON", strings.Repeat("[", 100_000) + "'", ""},
		{"a number of 65 digits", strings.Repeat("1", 65), ""},
		{"a number of 65 digits, not JSON", "{a:0." + strings.Repeat("1", 64) + "}", ""},
		{"half an object", `{"position":`, ""},
		{"half a text", `'Door`, ""},
		{"half an escape", `'Door\`, ""},
		{"a wrong escape", `'\x41'`, ""},
		{"half a comment", `1 /* a`, ""},
		{"a text without quotes", `Door was locked.`, ""},
		{"a word", `locked`, ""},
		{"a number that only Json.NET reads", `0x1F`, ""},
		{"a leading zero", `[01,]`, ""},
		{"not a number", `NaN`, ""},
		{"undefined", `[undefined]`, ""},
		{"a missing element", `[1,,2]`, ""},
		{"only a comma", `[,]`, ""},
		{"two values", `'a' 'b'`, ""},
		{"no comma", `{a:1 b:2}`, ""},
		{"a name with a dash", `{a-b:1}`, ""},
		{"the wrong bracket", `[1}`, ""},
		{"only a comment", `// a`, ""},
		{"only a space", ` `, ""},
		{"too long", `"` + strings.Repeat("x", iothub.MaxMethodPayload) + `"`, ""},
		{"too long as JSON", `'` + strings.Repeat("\x01", iothub.MaxMethodPayload-2) + `'`, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()

			got, err := readAnswer([]byte(test.payload))
			if test.want == "" {
				if err == nil {
					t.Errorf("got %s, want a refusal", got)
				}
				return
			}
			if err != nil || string(got) != test.want {
				t.Errorf("got %s, %v\nwant %s", got, err, test.want)
			}
		})
	}
}

// FuzzReadAnswer checks that readAnswer returns only JSON that is within the limits, and
// that the lenient reader does not change the meaning of JSON.
func FuzzReadAnswer(f *testing.F) {
	for _, text := range []string{`{"a":[1,-2.5e3,true,null,"x\"\\\u0041"]}`, `{a:'b',}`, "/* */[//\n]", `'\'"'`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, payload []byte) {
		answer, err := readAnswer(payload)
		if err != nil {
			return
		}
		if err := iothub.CheckJSON(answer); err != nil || len(answer) > iothub.MaxMethodPayload {
			t.Fatalf("%q gives %q: %v", payload, answer, err)
		}
		if !json.Valid(payload) {
			return
		}

		var strict, lenient bytes.Buffer
		if err := json.Compact(&strict, bytes.ToValidUTF8(payload, []byte("\uFFFD"))); err != nil {
			t.Fatal(err)
		}
		if err := json.Compact(&lenient, normalizeJSON(answer)); err != nil || strict.String() != lenient.String() {
			t.Errorf("the lenient reader turns %q into %q: %v", strict.Bytes(), lenient.Bytes(), err)
		}
	})
}
