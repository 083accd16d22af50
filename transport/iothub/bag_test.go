package iothub_test

import (
	"reflect"
	"strings"
	"testing"

	"github.com/latchd/latchd/transport/iothub"
)

func TestParseBag(t *testing.T) {
	t.Parallel()

	for _, test := range []struct {
		name, text string
		want       iothub.Bag
	}{
		{"empty", "", nil},
		{"as the official Node SDK sends it", "%24.mid=m%201&%24.ct=application%2Fjson&a%20b=c%26d",
			iothub.Bag{{"$.mid", "m 1"}, {"$.ct", "application/json"}, {"a b", "c&d"}}},
		{"order and repetition are kept", "b=1&a=2&b=3", iothub.Bag{{"b", "1"}, {"a", "2"}, {"b", "3"}}},
		{"a name without a value", "a&b=", iothub.Bag{{"a", ""}, {"b", ""}}},
		{"an equals sign in the value", "a=b=c", iothub.Bag{{"a", "b=c"}}},
		{"nothing between two ampersands", "&a=1&&b=2&", iothub.Bag{{"a", "1"}, {"b", "2"}}},
		{"a plus sign stays a plus sign, because the SDKs percent-encode",
			"a+b=c+d", iothub.Bag{{"a+b", "c+d"}}},
		{"lower-case hexadecimal", "%24.on=a%2fb", iothub.Bag{{"$.on", "a/b"}}},
		{"UTF-8", "k=%C3%A9", iothub.Bag{{"k", "é"}}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got, err := iothub.ParseBag(test.text)
			if err != nil {
				t.Fatal(err)
			}
			if !reflect.DeepEqual(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
			again, err := iothub.ParseBag(got.Encode())
			if err != nil || !reflect.DeepEqual(again, got) {
				t.Errorf("round trip: %q gives %q, %v", got.Encode(), again, err)
			}
		})
	}
}

func TestParseBagRefuses(t *testing.T) {
	t.Parallel()

	for _, test := range []struct{ text, want string }{
		{"a%zz=1", "name"},
		{"a=%", `value of "a"`},
		{"=1", "has no name"},
	} {
		got, err := iothub.ParseBag(test.text)
		if err == nil {
			t.Errorf("%q was accepted as %q; want an error", test.text, got)
			continue
		}
		checkErrorText(t, err)
		if !strings.HasPrefix(err.Error(), "property bag: ") || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%q: got %q, want it to contain %q", test.text, err, test.want)
		}
	}
}

func TestBagEncode(t *testing.T) {
	t.Parallel()

	bag := iothub.Bag{{"$.mid", "m 1"}, {"$.ct", "application/json"}, {"a b", "c&d+e"}}
	const want = "%24.mid=m%201&%24.ct=application%2Fjson&a%20b=c%26d%2Be"
	if got := bag.Encode(); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := (iothub.Bag)(nil).Encode(); got != "" {
		t.Errorf("the empty bag is %q", got)
	}
}

func TestBagGet(t *testing.T) {
	t.Parallel()

	bag := iothub.Bag{{"a", "1"}, {"b", ""}, {"a", "2"}}
	for _, test := range []struct {
		name, want string
		ok         bool
	}{{"a", "1", true}, {"b", "", true}, {"A", "", false}, {"c", "", false}} {
		if got, ok := bag.Get(test.name); got != test.want || ok != test.ok {
			t.Errorf("Get(%q) = %q, %v, want %q, %v", test.name, got, ok, test.want, test.ok)
		}
	}
}

// TestEscape compares Escape with the output of the official Node SDK's
// encodeUriComponentStrict.
func TestEscape(t *testing.T) {
	t.Parallel()

	const text, want = "a b+c/d:e=f&g%h;i~j-k.l_m!'()*é",
		"a%20b%2Bc%2Fd%3Ae%3Df%26g%25h%3Bi~j-k.l_m%21%27%28%29%2a%C3%A9"
	if got := iothub.Escape(text); got != want {
		t.Errorf("got  %q\nwant %q", got, want)
	}
}
