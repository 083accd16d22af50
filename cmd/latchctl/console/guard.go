package console

import (
	"crypto/rand"
	"crypto/subtle"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// changeHeader carries the session's second secret with each change. Another
// site can neither read it nor send a header of its own.
const changeHeader = "X-Latchctl-Change"

// policy is the page's content security policy: its own files and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// guard decides who may ask for what. There is one session in the life of a
// console, and one way to open it.
type guard struct {
	hosts  []string // as they stand in requests' Host
	name   string   // of the session's cookie: browsers keep the cookies of all ports together
	cookie string   // the session's first secret, in its cookie
	change string   // the second one, which the page has in its memory

	mu    sync.Mutex
	token string // opens the session; empty once it has
}

func newGuard(address net.Addr) *guard {
	_, port, _ := net.SplitHostPort(address.String())
	return &guard{
		hosts: []string{address.String(), net.JoinHostPort("localhost", port)},
		name:  "latchctl-console-" + port, cookie: rand.Text(), change: rand.Text(), token: rand.Text(),
	}
}

// url is the address that opens the session.
func (g *guard) url() string { return "http://" + g.hosts[0] + "/?token=" + g.token }

// protect lets through what may pass to next. refused answers the rest of what
// asks for pages; open are the paths that need no session, for its sake.
func (g *guard) protect(next http.Handler, refused http.HandlerFunc, open ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		secure(w.Header())
		switch {
		case !slices.Contains(g.hosts, r.Host):
			fail(w, http.StatusMisdirectedRequest, "this console is at http://"+g.hosts[0]+" and answers to no other name")
		case r.Method == http.MethodGet && r.URL.Path == "/" && r.URL.Query().Has("token"):
			g.enter(w, r, refused)
		case r.Method == http.MethodGet && slices.Contains(open, r.URL.Path):
			next.ServeHTTP(w, r)
		case !g.knows(r) || !near(r):
			if strings.HasPrefix(r.URL.Path, "/api/") {
				fail(w, http.StatusForbidden, "no session: open the address that latchctl console has printed")
				return
			}
			refused(w, r)
		case r.Method != http.MethodGet && !g.own(r):
			fail(w, http.StatusForbidden, "a change must come from the console's own page")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// secure sets what holds for every answer.
func secure(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}

// enter opens the session with the token, which is then of no more use. A
// browser that only looks ahead does not use it up.
func (g *guard) enter(w http.ResponseWriter, r *http.Request, refused http.HandlerFunc) {
	if strings.Contains(r.Header.Get("Sec-Purpose"), "prefetch") {
		fail(w, http.StatusServiceUnavailable, "not in advance")
		return
	}
	g.mu.Lock()
	good := g.token != "" && same(r.URL.Query().Get("token"), g.token)
	if good {
		g.token = ""
	}
	g.mu.Unlock()
	if !good && !g.knows(r) {
		refused(w, r)
		return
	}
	if good {
		http.SetCookie(w, &http.Cookie{Name: g.name, Value: g.cookie, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// knows reports whether the request has the session's cookie.
func (g *guard) knows(r *http.Request) bool {
	c, err := r.Cookie(g.name)
	return err == nil && same(c.Value, g.cookie)
}

// near reports whether the request is the page's own or the user's, as far as
// the browser says. A page at another port is of the same site, not of the same
// origin.
func near(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
		return true
	}
	return false
}

// own reports whether a change comes from the page itself.
func (g *guard) own(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return same(r.Header.Get(changeHeader), g.change) &&
		r.Header.Get("Origin") == "http://"+r.Host && (site == "" || site == "same-origin")
}

func same(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
