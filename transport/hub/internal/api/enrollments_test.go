package api_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

func TestEnrollments(t *testing.T) {
	t.Parallel()

	f := start(t)
	var created struct {
		ETag        string
		Attestation struct{ SymmetricKey any }
	}
	a := f.must(200, "PUT /enrollments/one", `{"attestation":{"type":"symmetricKey"}}`, &created)
	if a.header.Get("ETag") != `"`+created.ETag+`"` || created.Attestation.SymmetricKey != nil {
		t.Errorf("created: %s, ETag %s", a.body, a.header.Get("ETag"))
	}
	f.must(200, "PUT /enrollmentGroups/one", `{"enrollmentGroupId":"one","attestation":{"type":"symmetricKey"}}`, nil)
	for _, test := range []struct {
		request, body string
		header        string
		status        int
		want          string // text that the answer must contain
	}{
		{"PUT /enrollments/one", `{"attestation":{"type":"symmetricKey"}}`, "X: y", 409, "already exists"},
		{"PUT /enrollments/one", `{"attestation":{"type":"symmetricKey"}}`, `If-Match: "b2xk"`, 412, "its etag is"},
		{"PUT /enrollments/one", `{"registrationId":"two","attestation":{"type":"symmetricKey"}}`, "X: y", 400, `registrationId is \"two\" in the body`},
		{"PUT /enrollments/two", `{"attestation":{"type":"symmetricKey"}}`, `If-Match: *`, 404, "there is no enrollment two"},
		{"PUT /enrollments/two", `{"attestation"`, "X: y", 400, "the request's body"},
		{"GET /enrollments/two", "", "X: y", 404, "there is no enrollment two"},
		{"GET /enrollmentGroups/one", "", "X: y", 200, `"enrollmentGroupId":"one"`},
		{"POST /enrollments/one/attestationmechanism", "", "X: y", 200, `"primaryKey":"`},
		{"POST /enrollmentgroups/one/attestationmechanism", "", "X: y", 200, `"primaryKey":"`},
		{"POST /enrollments/query", `{"query":"SELECT * FROM enrollments WHERE 1 = 1"}`, "X: y", 400, "no other query of enrollments"},
		{"POST /enrollmentGroups/query", `{"query":"select *  from enrollmentgroups"}`, "X: y", 200, `[{"enrollmentGroupId":"one"`},
		{"POST /enrollments/query", `{"query":"*"}`, "x-ms-max-item-count: 0", 400, "x-ms-max-item-count"},
		{"POST /enrollments/one", `{}`, "X: y", 405, "does not support the method POST"},
		{"GET /idScope", "", "X: y", 200, `{"idScope":"0ne`},
		{"DELETE /enrollments/one", "", `If-Match: "b2xk"`, 412, "its etag is"},
		{"DELETE /enrollments/one", "", "X: y", 204, ""},
		{"DELETE /enrollments/one", "", "X: y", 404, "there is no enrollment one"},
	} {
		if a := f.ask(test.request, test.body, test.header); a.status != test.status || !strings.Contains(a.body, test.want) {
			t.Errorf("%s %s: %d %s, want %d %s", test.request, test.body, a.status, a.body, test.status, test.want)
		}
	}
}

func TestEnrollmentPages(t *testing.T) {
	t.Parallel()

	f := start(t)
	for i := range 5 {
		f.must(200, fmt.Sprintf("PUT /enrollments/e%d", i), `{"attestation":{"type":"symmetricKey"}}`, nil)
	}
	var ids []string
	token := ""
	for range 3 {
		var page []struct{ RegistrationID string }
		a := f.must(200, "POST /enrollments/query", `{"query":"*"}`, &page, "x-ms-max-item-count: 2", "x-ms-continuation: "+token)
		for _, e := range page {
			ids = append(ids, e.RegistrationID)
		}
		token = a.header.Get("x-ms-continuation")
	}
	if fmt.Sprint(ids) != "[e0 e1 e2 e3 e4]" || token != "" {
		t.Errorf("got %v, and the last page has the token %q", ids, token)
	}
}

// A client with the right RegistryRead may read enrollments but not their keys.
func TestEnrollmentRights(t *testing.T) {
	t.Parallel()

	f := start(t)
	f.must(200, "PUT /enrollments/one", `{"attestation":{"type":"symmetricKey"}}`, nil)
	reader := "Authorization: " + iothub.Sign("hub.test", ownerKey, "registryRead", time.Now().Add(time.Hour))
	for request, want := range map[string]int{
		"GET /enrollments/one":                            200,
		"POST /enrollments/query":                         200,
		"GET /idScope":                                    200,
		"PUT /enrollments/two":                            401,
		"DELETE /enrollments/one":                         401,
		"POST /enrollments/one/attestationmechanism":      401,
		"POST /enrollmentGroups/one/attestationmechanism": 401,
	} {
		if a := f.ask(request, `{"query":"*"}`, reader); a.status != want {
			t.Errorf("%s: %d %s, want %d", request, a.status, a.body, want)
		}
	}
}
