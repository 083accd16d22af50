package main

import (
	"bufio"
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"regexp"
	"strings"
	"testing"
)

// serving runs a hub until the test ends. It returns the hub's data directory and the
// address of its service API.
func serving(t *testing.T) (dir, https string) {
	t.Helper()
	dir = t.TempDir()
	ctx, stop := context.WithCancel(t.Context())
	out, stdout := io.Pipe()
	ended := make(chan error, 1)
	go func() {
		ended <- run(ctx, []string{"serve", "--data", dir, "--mqtt", "127.0.0.1:0", "--https", "127.0.0.1:0"}, nil, stdout, io.Discard)
	}()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Errorf("the hub ended with %v", err)
		}
	})

	line, err := bufio.NewReader(out).ReadString('\n')
	address := regexp.MustCompile(`https=(\S+)`).FindStringSubmatch(line)
	if err != nil || address == nil {
		t.Fatalf("the ready line is %q, %v", line, err)
	}
	return dir, address[1]
}

func TestEnrollmentCommands(t *testing.T) {
	dir, address := serving(t)
	const key = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="
	for _, test := range []struct {
		args, stdin string
		code        int
		stdout      string // expected part of standard output
		stderr      string // expected part of standard error
	}{
		{"scope", "", 0, "0ne", ""},
		{"list", "", 0, "", ""},
		{"apply -", `{"registrationId":"door1","attestation":{"type":"symmetricKey"}}`, 0, `"primaryKey": "`, ""},
		{"apply -", `{"registrationId":"door1","provisioningStatus":"disabled","attestation":{"type":"symmetricKey"}}`, 0, `"provisioningStatus": "disabled"`, ""},
		{"apply -", `{"enrollmentGroupId":"site","attestation":{"type":"symmetricKey","symmetricKey":{"primaryKey":"` + key + `"}}}`, 0, key, ""},
		{"apply -", `{"attestation":{"type":"symmetricKey"}}`, 1, "", "want exactly one of registrationId and enrollmentGroupId"},
		{"apply -", `{"registrationId":"x","attestation":{"type":"tpm"}}`, 1, "", "want symmetricKey or x509"},
		{"apply -", `{`, 1, "", "unexpected end of JSON input"},
		{"apply /nonexistent", "", 1, "", "no such file"},
		{"show site --group", "", 0, key, ""},
		{"show site", "", 1, "", "there is no enrollment site"},
		{"list", "", 0, `"enrollmentGroupId": "site"`, ""},
		{"delete door1", "", 0, "", ""},
		{"delete door1", "", 1, "", "there is no enrollment door1"},
		{"show", "", 2, "", "accepts 1 arg(s)"},
	} {
		t.Run(test.args, func(t *testing.T) {
			args := append([]string{"enrollment"}, strings.Fields(test.args)...)
			var stdout, stderr bytes.Buffer
			code := exitCode(run(t.Context(), append(args, "--data", dir, "--https", address), strings.NewReader(test.stdin), &stdout, &stderr), &stderr)
			if code != test.code || !strings.Contains(stdout.String(), test.stdout) || !strings.Contains(stderr.String(), test.stderr) {
				t.Errorf("exit %d, stdout:\n%s\nstderr:\n%s", code, &stdout, &stderr)
			}
			if strings.HasPrefix(test.args, "list") && strings.Contains(stdout.String(), key) {
				t.Error("the list shows a key")
			}
		})
	}
}

func TestEnrollmentWithoutAHub(t *testing.T) {
	for args, want := range map[string]string{
		"enrollment":                                   "missing command; use apply, list, show, delete or scope",
		"enrollment scope --data=":                     "--data is missing",
		"enrollment scope --data " + t.TempDir():       "run this command as the hub's user",
		"enrollment bogus --data " + t.TempDir():       `unknown command "bogus"`,
		"enrollment scope extra --data " + t.TempDir(): `unknown command "extra"`,
	} {
		var stderr bytes.Buffer
		if code := exitCode(run(t.Context(), strings.Fields(args), nil, io.Discard, &stderr), &stderr); code == 0 || !strings.Contains(stderr.String(), want) {
			t.Errorf("%s: exit %d, %s", args, code, &stderr)
		}
	}
}

// TestEnrollmentListReadsAllPages checks that the list does not end after its first page,
// and that it ends if the hub repeats a page.
func TestEnrollmentListReadsAllPages(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		next map[string]string // token of a request -> token of its answer
		want string
		fail bool
	}{
		"one page":            {map[string]string{}, "p", false},
		"three pages":         {map[string]string{"": "2", "2": "3"}, "pp2p3", false},
		"the page is endless": {map[string]string{"": "2", "2": "2"}, "pp2", true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hub := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				token := r.Header.Get("x-ms-continuation")
				w.Header().Set("x-ms-continuation", test.next[token])
				io.WriteString(w, `["p`+token+`"]`)
			}))
			defer hub.Close()

			c := ownerClient{address: strings.TrimPrefix(hub.URL, "https://"), http: hub.Client()}
			var out strings.Builder
			err := c.list(t.Context(), "/enrollments", &out)
			if got := strings.NewReplacer("\n", "", `"`, "").Replace(out.String()); got != test.want || (err != nil) != test.fail {
				t.Errorf("the list is %s (%v), want %s", got, err, test.want)
			}
		})
	}
}
