package rest

import (
	"net/url"
	"strings"
	"testing"
)

// FuzzParseEndpoint checks that an accepted endpoint is an https address with a host,
// and has no other parts.
func FuzzParseEndpoint(f *testing.F) {
	for _, text := range []string{"https://h:8443", "h", "[::1]:1", "http://h", "https://u:p@h/x?y#z", "https:///", "h:"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		u, err := ParseEndpoint(text)
		if err != nil {
			return
		}
		if u.Hostname() == "" || u.String() != "https://"+u.Host || strings.ContainsAny(u.Host, "/@?#") {
			t.Errorf("%q was accepted as %q", text, u)
		}
	})
}

// FuzzRetryAfter checks that no Retry-After header leads to a negative wait.
func FuzzRetryAfter(f *testing.F) {
	for _, text := range []string{"4", "0.5", "-1", "1e300", "NaN", "Inf", "Mon, 23 Nov 2026 12:00:10 GMT", "soon"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if d := retryAfter(text, testNow); d < 0 {
			t.Errorf("%q: %v", text, d)
		}
	})
}

// FuzzQuote checks that no text can end its string literal early. Reading the literal
// must yield the text.
func FuzzQuote(f *testing.F) {
	for _, text := range []string{"door", "it's", `\`, `\'`, "' OR 1=1 --"} {
		f.Add(text)
	}

	f.Fuzz(func(t *testing.T, text string) {
		literal := Quote(text)
		inner := literal[1 : len(literal)-1]
		var read strings.Builder
		for i := 0; i < len(inner); i++ {
			switch inner[i] {
			case '\'':
				t.Fatalf("%q ends early in %s", text, literal)
			case '\\':
				if i++; i == len(inner) {
					t.Fatalf("%q escapes the end of %s", text, literal)
				}
			}
			read.WriteByte(inner[i])
		}
		if read.String() != text {
			t.Errorf("%q reads back as %q", text, read.String())
		}
	})
}

// FuzzComponent checks that an encoded id is a single part of a URL's path. Decoding it
// must yield the id.
func FuzzComponent(f *testing.F) {
	for _, text := range []string{"dev'1+(x)*", "a/b", "..", "d#1?x", "é %"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		encoded := component(text)
		if strings.ContainsAny(encoded, "/?#+ ") {
			t.Errorf("%q is encoded as %q", text, encoded)
		}
		if back, err := url.PathUnescape(encoded); err != nil || back != text {
			t.Errorf("%q comes back as %q, %v", text, back, err)
		}
	})
}
