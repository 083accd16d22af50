package console

import (
	"io"
	"net/http"
	"net/http/cookiejar"
	"strings"
	"testing"
)

// The table lists requests, and whether the guard permits them or the status with which
// it refuses them.
func TestGuard(t *testing.T) {
	t.Parallel()
	h := start(t)
	without := func(name string) func(*http.Request) { return func(r *http.Request) { r.Header.Del(name) } }
	host := func(name string) func(*http.Request) { return func(r *http.Request) { r.Host = name } }
	_, port, _ := strings.Cut(h.guard.hosts[0], ":")
	const lock = `{"do":"lock","where":"*","ids":["c","b","a"]}`
	for _, tt := range []struct {
		name, method, path string
		change             []func(*http.Request)
		want               int
	}{
		{"the page, no session", "GET", "/", nil, 403},
		{"a script, no session", "GET", "/app.js", nil, 403},
		{"data, no session", "GET", "/api/session", nil, 403},
		{"events, no session", "GET", "/api/stream", nil, 403},
		{"a wrong cookie", "GET", "/", []func(*http.Request){header("Cookie", h.guard.cookieName+"=x")}, 403},
		{"an empty cookie", "GET", "/", []func(*http.Request){header("Cookie", h.guard.cookieName+"=")}, 403},
		{"a wrong token", "GET", "/?token=x", nil, 403},
		{"an empty token", "GET", "/?token=", nil, 403},
		{"the token, prefetched", "GET", strings.TrimPrefix(h.URL(), h.base), []func(*http.Request){header("Sec-Purpose", "prefetch;prerender")}, 503},
		{"the token, at another host", "GET", strings.TrimPrefix(h.URL(), h.base), []func(*http.Request){host("evil.example")}, 421},
		{"style sheet of the refusal", "GET", "/style.css", nil, 200},

		{"the page", "GET", "/", []func(*http.Request){h.cookie}, 200},
		{"data", "GET", "/api/session", []func(*http.Request){h.cookie}, 200},
		{"by localhost", "GET", "/", []func(*http.Request){h.cookie, host("localhost:" + port)}, 200},
		{"another host name", "GET", "/api/session", []func(*http.Request){h.cookie, host("evil.example:" + port)}, 421},
		{"a host name with the right prefix", "GET", "/", []func(*http.Request){h.cookie, host(h.guard.hosts[0] + ".evil.example")}, 421},
		{"another port", "GET", "/", []func(*http.Request){h.cookie, host("127.0.0.1:1")}, 421},
		{"data, from another site", "GET", "/api/session", []func(*http.Request){h.cookie, header("Sec-Fetch-Site", "cross-site")}, 403},
		{"data, from another port of this computer", "GET", "/api/session", []func(*http.Request){h.cookie, header("Sec-Fetch-Site", "same-site")}, 403},

		{"a change by the page", "POST", "/api/jobs", []func(*http.Request){h.own}, 200},
		{"no cookie", "POST", "/api/jobs", []func(*http.Request){h.own, without("Cookie")}, 403},
		{"no change header", "POST", "/api/jobs", []func(*http.Request){h.own, without(changeHeader)}, 403},
		{"a wrong change header", "POST", "/api/jobs", []func(*http.Request){h.own, header(changeHeader, "x")}, 403},
		{"the cookie as change header", "POST", "/api/jobs", []func(*http.Request){h.own, header(changeHeader, h.guard.cookie)}, 403},
		{"no origin", "POST", "/api/jobs", []func(*http.Request){h.own, without("Origin")}, 403},
		{"another origin", "POST", "/api/jobs", []func(*http.Request){h.own, header("Origin", "http://127.0.0.1:1")}, 403},
		{"opaque origin", "POST", "/api/jobs", []func(*http.Request){h.own, header("Origin", "null")}, 403},
		{"https in the origin", "POST", "/api/jobs", []func(*http.Request){h.own, header("Origin", "https://"+h.guard.hosts[0])}, 403},
		{"across sites", "POST", "/api/jobs", []func(*http.Request){h.own, header("Sec-Fetch-Site", "cross-site")}, 403},
		{"from the address bar", "POST", "/api/jobs", []func(*http.Request){h.own, header("Sec-Fetch-Site", "none")}, 403},
		{"a change at another host name", "POST", "/api/jobs", []func(*http.Request){h.own, host("evil.example"), header("Origin", "http://evil.example")}, 421},
		{"another method", "DELETE", "/api/jobs", []func(*http.Request){h.cookie}, 403},
	} {
		t.Run(tt.name, func(t *testing.T) {
			h.hub.set(func() { clear(h.hub.jobs) })
			body := ""
			if tt.method == "POST" {
				body = lock
			}
			res := h.request(t, tt.method, tt.path, body, tt.change...)
			if res.StatusCode != tt.want {
				t.Errorf("status %d, want %d", res.StatusCode, tt.want)
			}
			jobs := 0
			if tt.method == "POST" && tt.want == 200 {
				jobs = 1
			}
			h.hub.set(func() {
				if len(h.hub.jobs) != jobs {
					t.Errorf("%d jobs were created, want %d", len(h.hub.jobs), jobs)
				}
			})
			if c := res.Cookies(); len(c) > 0 {
				t.Errorf("a cookie was set: %v", c)
			}
			checkHeaders(t, res.Header)
		})
	}
}

// checkHeaders checks the security headers of a response.
func checkHeaders(t *testing.T, h http.Header) {
	t.Helper()
	for name, want := range map[string]string{
		"Content-Security-Policy": policy, "Cache-Control": "no-store", "X-Content-Type-Options": "nosniff",
		"Referrer-Policy": "no-referrer", "Cross-Origin-Resource-Policy": "same-origin", "Access-Control-Allow-Origin": "",
	} {
		if h.Get(name) != want {
			t.Errorf("%s is %q, want %q", name, h.Get(name), want)
		}
	}
}

func TestTokenOpensOneSession(t *testing.T) {
	t.Parallel()
	h := start(t)
	path := strings.TrimPrefix(h.URL(), h.base)
	res := h.request(t, "GET", path, "")
	cookies := res.Cookies()
	if res.StatusCode != 303 || res.Header.Get("Location") != "/" || len(cookies) != 1 {
		t.Fatalf("status %d to %q, cookies %v", res.StatusCode, res.Header.Get("Location"), cookies)
	}
	c := cookies[0]
	if !c.HttpOnly || c.SameSite != http.SameSiteStrictMode || c.MaxAge != 0 || !c.Expires.IsZero() || c.Value != h.guard.cookie {
		t.Errorf("the cookie is %+v", c)
	}
	if res := h.request(t, "GET", path, ""); res.StatusCode != 403 || len(res.Cookies()) > 0 {
		t.Errorf("the token opened a second session: status %d, cookies %v", res.StatusCode, res.Cookies())
	}
	if res := h.request(t, "GET", path, "", func(r *http.Request) { r.AddCookie(c) }); res.StatusCode != 303 || len(res.Cookies()) > 0 {
		t.Errorf("the same browser again: status %d, cookies %v; want a redirect to the page", res.StatusCode, res.Cookies())
	}
}

// The files of the page contain no secret, load nothing from another address, and never
// turn text into markup or code.
func TestPageFiles(t *testing.T) {
	t.Parallel()
	h := start(t)
	entries, err := files.ReadDir("page")
	if err != nil || len(entries) < 5 {
		t.Fatal(entries, err)
	}
	for _, e := range entries {
		name := e.Name()
		if name == "index.html" {
			name = ""
		}
		res := h.request(t, "GET", "/"+name, "", h.cookie)
		body, err := io.ReadAll(res.Body)
		if err != nil || res.StatusCode != 200 {
			t.Fatalf("%s: status %d, %v", e.Name(), res.StatusCode, err)
		}
		text := strings.ReplaceAll(string(body), "http://www.w3.org/2000/svg", "")
		for _, bad := range []string{"http:", "https:", "//cdn", "innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "<style", " style=",
			" onclick=", "javascript:", "localStorage", h.guard.cookie, h.guard.change} {
			if strings.Contains(text, bad) {
				t.Errorf("%s contains %q", e.Name(), bad)
			}
		}
	}
}

func TestListensOnLoopbackOnly(t *testing.T) {
	t.Parallel()
	for _, address := range []string{"0.0.0.0:0", ":0", "[::]:0", "192.0.2.1:80", "example.org:80", "127.0.0.1", "", "127.0.0.1.evil:1"} {
		if s, err := Listen(address, Options{}); !IsNotLoopback(err) {
			t.Errorf("%q: error %v, want that it is not a loopback address", address, err)
			if s != nil {
				s.listener.Close()
			}
		}
	}
	for _, address := range []string{"127.0.0.1:0", "localhost:0", "127.1.2.3:0"} {
		s, err := Listen(address, Options{})
		if err != nil {
			t.Errorf("%q: %v", address, err)
			continue
		}
		if !strings.HasPrefix(s.URL(), "http://127.") && !strings.HasPrefix(s.URL(), "http://[::1]") {
			t.Errorf("the URL of %q is %s", address, s.URL())
		}
		s.listener.Close()
	}
}

// A browser sends the cookies of a host to all ports of the host. A second console on
// another port must not end the session of the first.
func TestTwoConsolesInOneBrowser(t *testing.T) {
	t.Parallel()
	jar, err := cookiejar.New(nil)
	if err != nil {
		t.Fatal(err)
	}
	browser := &http.Client{Jar: jar}
	defer browser.CloseIdleConnections()
	status := func(url string) int {
		t.Helper()
		res, err := browser.Get(url)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		return res.StatusCode
	}

	first, second := start(t), start(t)
	for _, h := range []*harness{first, second} {
		if got := status(h.URL()); got != 200 {
			t.Fatalf("%s: status %d", h.base, got)
		}
	}
	for _, h := range []*harness{first, second} {
		if got := status(h.base + "/api/session"); got != 200 {
			t.Errorf("%s: status %d", h.base, got)
		}
	}
}
