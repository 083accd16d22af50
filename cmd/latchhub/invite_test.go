package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/latchd/latchd/transport/invitation"
)

func TestInviteDoor(t *testing.T) {
	dir, address := serving(t)
	command := func(args string) (code int, stdout, stderr string) {
		var out, errs bytes.Buffer
		code = exitCode(run(t.Context(), append(strings.Fields(args), "--data", dir, "--https", address), nil, &out, &errs), &errs)
		return code, out.String(), errs.String()
	}

	code, stdout, stderr := command("invite door front --tag site=north --tag place=a=b --valid 1h")
	door, err := invitation.ParseDoor(stdout)
	if code != 0 || err != nil || door.RegistrationID != "front" || strings.Count(stdout, "\n") != 1 {
		t.Fatalf("exit %d, %q, %v, %s", code, stdout, err, stderr)
	}
	for _, want := range []string{"is a secret", "the code works only on this computer, because the hub's name is localhost"} {
		if !strings.Contains(stderr, want) {
			t.Errorf("the note is %q, want %q", stderr, want)
		}
	}
	if _, list, _ := command("enrollment list"); !strings.Contains(list, `"site": "north"`) || !strings.Contains(list, `"place": "a=b"`) || !strings.Contains(list, `"expires"`) {
		t.Errorf("the enrollments are %s", list)
	}
	if _, again, _ := command("invite door front"); again == stdout {
		t.Error("the second code is the first one")
	}

	for args, want := range map[string]struct {
		code int
		text string
	}{
		"invite":                           {2, "missing command"},
		"invite door":                      {2, "accepts 1 arg(s)"},
		"invite door x --tag site":         {2, `--tag is "site"; want NAME=TEXT`},
		"invite door x --tag =y":           {2, `want NAME=TEXT`},
		"invite door x --tag a=1 --tag a=": {2, "each name once"},
		"invite door x --tag $a=1":         {1, "invite the door x: "},
		"invite door x --valid 169h":       {1, "want 1 to 604800"},
		"invite door x --valid 1ms":        {2, "--valid is 1ms"},
		"invite door x/y":                  {1, "x/y"},
	} {
		if code, stdout, stderr := command(args); code != want.code || !strings.Contains(stderr, want.text) || code == 1 && stdout != "" {
			t.Errorf("%s: exit %d, %s%s", args, code, stdout, stderr)
		}
	}
}

func TestInvitePerson(t *testing.T) {
	dir, address := serving(t)
	command := func(args string) (code int, stdout, stderr string) {
		var out, errs bytes.Buffer
		code = exitCode(run(t.Context(), append(strings.Fields(args), "--data", dir, "--https", address), nil, &out, &errs), &errs)
		return code, out.String(), errs.String()
	}

	code, stdout, stderr := command("invite person anna --role viewer")
	person, err := invitation.ParsePerson(stdout)
	if code != 0 || err != nil || person.Policy != "anna" || !strings.Contains(stderr, "give it to 'latchctl hub add'") {
		t.Fatalf("exit %d, %q, %v, %s", code, stdout, err, stderr)
	}
	if _, list, _ := command("policy list"); !strings.Contains(list, "NAME  ROLE    ACCESS\nanna  viewer  invited until ") {
		t.Errorf("the list is\n%s", list)
	}

	for _, test := range []struct {
		args string
		code int
		text string
	}{
		{"invite person bert --role chief", 1, "want operator or viewer"},
		{"invite person service", 1, "is the name of a policy of the hub"},
		{"policy revoke", 2, "accepts 1 arg(s)"},
		{"policy revoke nobody", 1, "there is no person nobody"},
		{"policy revoke anna", 0, ""},
		{"policy revoke anna", 1, "there is no person anna"},
	} {
		if code, stdout, stderr := command(test.args); code != test.code || !strings.Contains(stderr, test.text) || code == 1 && stdout != "" {
			t.Errorf("%s: exit %d, %s%s", test.args, code, stdout, stderr)
		}
	}
}
