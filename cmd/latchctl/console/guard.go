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

// changeHeader is the header that carries the session's second secret in each request
// that changes something. Another site cannot read the secret and cannot send this
// header.
const changeHeader = "X-Latchctl-Change"

// policy is the content security policy of every page. It lets a page load files only
// from the console itself.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; " +
	"base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"

// guard checks every request to the console. A console has one session, which the token
// in the printed address opens, once.
type guard struct {
	hosts []string // accepted values of the Host header

	cookieName string // includes the port, because browsers share cookies between ports
	cookie     string // value of the session cookie, which is the session's first secret
	change     string // the session's second secret, which the page keeps in memory and sends in changeHeader

	mu    sync.Mutex
	token string // secret in the printed address, which opens the session; empty after its use
}

func newGuard(address net.Addr) *guard {
	_, port, _ := net.SplitHostPort(address.String())
	return &guard{
		hosts: []string{address.String(), net.JoinHostPort("localhost", port)},

		cookieName: "latchctl-console-" + port,
		cookie:     rand.Text(),
		change:     rand.Text(),
		token:      rand.Text(),
	}
}

// url returns the address that opens the session, with the token.
func (g *guard) url() string { return "http://" + g.hosts[0] + "/?token=" + g.token }

// protect returns a handler that passes permitted requests to the handler next. If a
// request for a page has no session, the handler named refused answers it. This answer
// loads the public paths, so these paths need no session.
func (g *guard) protect(next http.Handler, refused http.HandlerFunc, public ...string) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		setSecurityHeaders(w.Header())

		switch {
		case !slices.Contains(g.hosts, r.Host):
			respondError(w, http.StatusMisdirectedRequest, "wrong host name; this console answers only at http://"+g.hosts[0])
		case r.Method == http.MethodGet && r.URL.Path == "/" && r.URL.Query().Has("token"):
			g.openSession(w, r, refused)
		case r.Method == http.MethodGet && slices.Contains(public, r.URL.Path):
			next.ServeHTTP(w, r)
		case !g.hasSession(r) || !fromOwnPage(r):
			if strings.HasPrefix(r.URL.Path, "/api/") {
				respondError(w, http.StatusForbidden, "no session; open the address that latchctl console printed")
				return
			}
			refused(w, r)
		case r.Method != http.MethodGet && !g.isOwnChange(r):
			respondError(w, http.StatusForbidden, "a change must come from the console's own page; reload the page")
		default:
			next.ServeHTTP(w, r)
		}
	})
}

// setSecurityHeaders sets the security headers of a response.
func setSecurityHeaders(h http.Header) {
	h.Set("Content-Security-Policy", policy)
	h.Set("Cache-Control", "no-store")
	h.Set("X-Content-Type-Options", "nosniff")
	h.Set("Referrer-Policy", "no-referrer")
	h.Set("Cross-Origin-Opener-Policy", "same-origin")
	h.Set("Cross-Origin-Resource-Policy", "same-origin")
}

// openSession sets the session cookie if the request has the valid token, which then
// becomes invalid. A prefetch by the browser does not use up the token.
func (g *guard) openSession(w http.ResponseWriter, r *http.Request, refused http.HandlerFunc) {
	if strings.Contains(r.Header.Get("Sec-Purpose"), "prefetch") {
		respondError(w, http.StatusServiceUnavailable, "this address cannot be prefetched; open it")
		return
	}

	valid := g.useToken(r.URL.Query().Get("token"))
	if !valid && !g.hasSession(r) {
		refused(w, r)
		return
	}

	if valid {
		http.SetCookie(w, &http.Cookie{Name: g.cookieName, Value: g.cookie, Path: "/", HttpOnly: true, SameSite: http.SameSiteStrictMode})
	}
	http.Redirect(w, r, "/", http.StatusSeeOther)
}

// useToken reports whether token opens the session. Only the first call with the valid
// token returns true.
func (g *guard) useToken(token string) bool {
	g.mu.Lock()
	defer g.mu.Unlock()

	if g.token == "" || !equal(token, g.token) {
		return false
	}
	g.token = ""
	return true
}

// hasSession reports whether the request has the session cookie.
func (g *guard) hasSession(r *http.Request) bool {
	c, err := r.Cookie(g.cookieName)
	return err == nil && equal(c.Value, g.cookie)
}

// fromOwnPage reports whether a request comes from the console's page or from the
// address bar. It relies on the header Sec-Fetch-Site and permits a request without
// this header. A page on another port of this computer has the same site but another
// origin, so its requests are refused.
func fromOwnPage(r *http.Request) bool {
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "none", "same-origin":
		return true
	}
	return false
}

// isOwnChange reports whether a request that changes something comes from the console's
// page.
func (g *guard) isOwnChange(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")

	return equal(r.Header.Get(changeHeader), g.change) &&
		r.Header.Get("Origin") == "http://"+r.Host && (site == "" || site == "same-origin")
}

// equal reports whether two secrets are equal. It takes the same time for all secrets
// of one length.
func equal(a, b string) bool { return subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1 }
