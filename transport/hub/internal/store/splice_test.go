package store

import (
	"bytes"
	"encoding/json"
	"maps"
	"testing"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

// stampMetadata gives the same result as spliceMetadata, but works on decoded objects.
func stampMetadata(metadata, patch map[string]any, stamps map[string]any) {
	for k, v := range stamps {
		metadata[k] = v
	}
	for k, v := range patch {
		members, isObject := asMap(v)
		switch {
		case v == nil:
			delete(metadata, k)
		case isObject:
			child, ok := metadata[k].(map[string]any)
			if !ok {
				child = make(map[string]any)
				metadata[k] = child
			}
			stampMetadata(child, members, stamps)
		default:
			metadata[k] = maps.Clone(stamps)
		}
	}
}

// FuzzSplice applies three patches to a JSON text, one after the other. The results must
// be the same as those of merging decoded objects.
func FuzzSplice(f *testing.F) {
	for _, seed := range [][3]string{
		{`{"a":1,"b":{"c":[1,{"d":"}"}],"e":"\"\\"}}`, `{"b":{"c":null,"f":{"g":null}}}`, `{"b":7,"a":null}`},
		{`{"größe":"<&>","\u2028":null,"q\"":{"x":[]}}`, `{"q\"":{"x":{"y":1.50}},"größe":{}}`, `{}`},
		{`{"t":[true,false,null,-1.5e3,"\u0000\u007f\u0085\ud83d\ude00é\n"],"f":{"tf":"true,"}}`, `{"t":[[],1]}`, `{"n":null}`},
		{`{}`, `{"a":{"b":{"c":{}}}}`, `{"a":{"b":"x"}}`},
		{`{"lock":{"position":"locked","fault":null}}`, `{"lock":{"position":"unlocked"}}`, `{"lock":null}`},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}

	f.Fuzz(func(t *testing.T, a, b, c string) {
		object, metadata := iothub.Object{}, iothub.Object{}
		part := section{text: "{}", metadata: "{}"}
		for i, text := range []string{a, b, c} {
			patch, err := iothub.ParseObject([]byte(text))
			if err != nil || checkSection("tags", patch, nullRemoves) != nil {
				return
			}

			stamp := changeStamp{time.Unix(int64(i), 0), int64(i + 1)}
			object = object.Merge(patch)
			stampMetadata(metadata, patch, map[string]any{
				"$lastUpdated": stamp.time.UTC().Format(timeLayout), "$lastUpdatedVersion": json.Number(string(rune('1' + i))),
			})
			if err := part.merge("tags", patch, false, stamp, 1<<30); err != nil {
				t.Fatal(err)
			}

			for _, c := range []struct {
				text string
				want iothub.Object
			}{{part.text, object}, {part.metadata, metadata}} {
				got, err := iothub.ParseObject([]byte(c.text))
				if err != nil {
					t.Fatalf("%s: %v", c.text, err)
				}
				if g, w := jsonOf(t, got), jsonOf(t, c.want); g != w {
					t.Fatalf("after patch %d: %s\nwant %s", i+1, g, w)
				}
				if n, want := textSize(c.text), size(got); n != want {
					t.Fatalf("%s has the size %d, want %d", c.text, n, want)
				}
				// The next splice requires a text without blanks.
				var compact bytes.Buffer
				if err := json.Compact(&compact, []byte(c.text)); err != nil || compact.String() != c.text {
					t.Fatalf("%s has blanks between its tokens (%v)", c.text, err)
				}
			}
		}
	})
}

// size gives the same result as textSize, but works on decoded values.
func size(v any) int {
	switch v := v.(type) {
	case bool:
		return 4
	case string:
		return stringSize(v)
	case []any:
		n := 0
		for _, element := range v {
			n += size(element)
		}
		return n
	case nil:
		return 0
	}

	o, ok := asMap(v)
	if !ok {
		return 8 // v is a number
	}
	n := 0
	for k, member := range o {
		n += stringSize(k) + size(member)
	}
	return n
}
