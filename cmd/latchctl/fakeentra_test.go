package main

import (
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"strings"
)

// entraToken is the access token that the fake Entra ID issues and the fake hub
// accepts.
const entraToken = "the.token.of-entra"

// startFakeEntra starts a server with the two endpoints that azidentity uses. These are
// Entra ID for one tenant, and the identity endpoint of a machine in Azure.
func startFakeEntra() *httptest.Server {
	const scope = "https://iothubs.azure.net"
	mux := http.NewServeMux()
	server := httptest.NewUnstartedServer(mux)
	server.Config.ErrorLog = log.New(io.Discard, "", 0)
	reply := func(w http.ResponseWriter, status int, body string) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		io.WriteString(w, strings.ReplaceAll(body, "SERVER", server.URL))
	}

	mux.HandleFunc("GET /tenant/v2.0/.well-known/openid-configuration", func(w http.ResponseWriter, r *http.Request) {
		reply(w, 200, `{"issuer":"SERVER/tenant/v2.0","authorization_endpoint":"SERVER/tenant/authorize","token_endpoint":"SERVER/tenant/token"}`)
	})
	mux.HandleFunc("POST /tenant/token", func(w http.ResponseWriter, r *http.Request) {
		scopes := strings.Fields(r.FormValue("scope"))
		switch {
		case r.FormValue("client_secret") != "the-secret":
			reply(w, 401, `{"error":"invalid_client","error_description":"AADSTS7000215: Invalid client secret provided.\r\nTrace ID: 0"}`)
		case r.FormValue("grant_type") != "client_credentials" || r.FormValue("client_id") != "the-client" || len(scopes) == 0 || scopes[0] != scope+"/.default":
			reply(w, 400, `{"error":"invalid_request","error_description":"fake: `+r.FormValue("grant_type")+" "+r.FormValue("scope")+`"}`)
		default:
			reply(w, 200, `{"token_type":"Bearer","expires_in":3599,"access_token":"`+entraToken+`"}`)
		}
	})
	mux.HandleFunc("GET /identity", func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Query().Get("resource") != scope || r.Header.Get("X-Identity-Header") != "the-header" {
			reply(w, 400, `{"error":"fake: `+r.URL.RawQuery+`"}`)
			return
		}
		reply(w, 200, `{"token_type":"Bearer","expires_on":"4102444800","resource":"`+scope+`","access_token":"`+entraToken+`"}`)
	})

	server.StartTLS()
	return server
}
