package main

import (
	"encoding/json"
	"strings"
	"testing"
)

// A site whose clock no time server has set passes if the hub accepts the login, because
// a login needs the right time.
func TestCheckClock(t *testing.T) {
	t.Parallel()

	for _, tc := range []struct {
		set, loginWorks, ok bool
	}{
		{true, true, true},
		{true, false, true},
		{false, true, true},
		{false, false, false},
	} {
		f := checkClock(tc.set, tc.loginWorks)
		if f.OK != tc.ok || (len(f.Problems) == 0) != tc.ok {
			t.Errorf("set %t, login works %t: %+v, want ok = %t", tc.set, tc.loginWorks, f, tc.ok)
		}
	}
}

// 'latchd check' gives the running agent's own reason if the hub cannot be used.
func TestCheckLink(t *testing.T) {
	t.Parallel()

	for name, tc := range map[string]struct {
		status   string
		ok       bool
		problems string
	}{
		"connected":        {`{"connected":true}`, true, ""},
		"refused login":    {`{"connected":false,"hubFailure":"hub at h: it refused the login"}`, false, "hub at h: it refused the login"},
		"no attempt yet":   {`{"connected":false}`, false, ""},
		"twin is behind":   {`{"connected":true,"twin":{"failure":"slow down"}}`, false, "device twin: not up to date; the agent tries again: slow down"},
		"refused property": {`{"connected":true,"twin":{"refused":{"floor":"too large"}}}`, false, "device twin: the hub refuses the reported property floor: too large"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()

			var status map[string]any
			if err := json.Unmarshal([]byte(tc.status), &status); err != nil {
				t.Fatal(err)
			}
			f := checkLink(status)
			if f.OK != tc.ok || strings.Join(f.Problems, "\n") != tc.problems || strings.Contains(f.Detail, "journal") {
				t.Errorf("%+v, want ok = %t, problems %q", f, tc.ok, tc.problems)
			}
		})
	}
}
