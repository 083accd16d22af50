package invitation_test

import (
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/packaging/test/certs"
	"github.com/latchd/latchd/transport/invitation"
	"github.com/latchd/latchd/transport/iothub"
)

func door(t testing.TB) invitation.Door {
	t.Helper()
	return invitation.Door{
		Hub: "hub.example.com:18883", IDScope: "0ne1234ABCD", RegistrationID: "front", Key: iothub.NewKey(),
		CA: certs.Issue(t, nil, "latchhub CA of hub.example.com, 2026-11-28", true, time.Now()).Cert, Expires: time.Unix(1800000000, 0),
	}
}

func code(t testing.TB, d invitation.Door) string {
	t.Helper()
	text, err := d.Code()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestDoorCode(t *testing.T) {
	want := door(t)
	text := code(t, want)
	if len(text) > 1000 || strings.ContainsAny(text, " +/=\n") {
		t.Errorf("the code has %d characters: %s", len(text), text)
	}

	wrapped := " " + text[:80] + "\r\n\t" + text[80:] + "\n\n"
	for _, given := range []string{text, wrapped} {
		got, err := invitation.ParseDoor(given)
		if err != nil || got.Hub != want.Hub || got.IDScope != want.IDScope || got.RegistrationID != want.RegistrationID ||
			string(got.Key) != string(want.Key) || !got.CA.Equal(want.CA) || !got.Expires.Equal(want.Expires) {
			t.Errorf("the code is for %+v, %v; want %+v", got, err, want)
		}
	}
}

func TestBadDoorCode(t *testing.T) {
	good := door(t)
	text := code(t, good)
	noCA, noHub := good, good
	noCA.CA = certs.Issue(t, nil, "server", false, time.Now()).Cert
	noHub.Hub = ""

	for name, test := range map[string]struct{ text, want string }{
		"empty":               {" \n", "the code is missing"},
		"a connection string": {"HostName=h;DeviceId=d;SharedAccessKey=AAAA", "this is no code for a door"},
		"for a person":        {"latch-person-1-AAAA", "this code is for a person"},
		"newer":               {strings.Replace(text, "door-1-", "door-2-", 1), "newer format"},
		"cut off":             {text[:len(text)-1], "damaged"},
		"only the prefix":     {"latch-door-1-", "damaged"},
		"one letter changed":  {flip(text, 100), "damaged"},
		"one letter added":    {text + "A", "damaged"},
		"not the CA":          {code(t, noCA), "damaged"},
		"no hub":              {code(t, noHub), "damaged"},
	} {
		_, err := invitation.ParseDoor(test.text)
		if err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", name, err, test.want)
		}
		if err != nil && len(test.text) > 20 && strings.Contains(err.Error(), test.text[len(test.text)-10:]) {
			t.Errorf("%s: the error quotes the code: %v", name, err)
		}
	}
}

func TestPersonCode(t *testing.T) {
	d := door(t)
	want := invitation.Person{Hub: "hub.example.com:8443", Policy: "anna", Key: d.Key, CA: d.CA, Expires: d.Expires}
	text, err := want.Code()
	if err != nil {
		t.Fatal(err)
	}
	got, err := invitation.ParsePerson("\n" + text)
	if err != nil || !invitation.IsPerson(" "+text) || got.Hub != want.Hub || got.Policy != want.Policy || string(got.Key) != string(want.Key) ||
		!got.CA.Equal(want.CA) || !got.Expires.Equal(want.Expires) {
		t.Errorf("the code is for %+v, %v; want %+v", got, err, want)
	}

	for text, want := range map[string]string{
		"":                 "the code is missing",
		code(t, d):         "this code is for a door",
		"HostName=h":       "this is no code for a person",
		text[:len(text)-3]: "damaged",
	} {
		if _, err := invitation.ParsePerson(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20s: %v, want %q", text, err, want)
		}
	}
}

// flip replaces the letter at index i by another letter.
func flip(text string, i int) string {
	letter := "A"
	if text[i] == 'A' {
		letter = "B"
	}
	return text[:i] + letter + text[i+1:]
}

// FuzzParse parses random codes. A code that is accepted must survive a second encoding.
func FuzzParse(f *testing.F) {
	f.Add(code(f, door(f)))
	f.Add("latch-door-1-AAAA")
	f.Fuzz(func(t *testing.T, text string) {
		d, err := invitation.ParseDoor(text)
		if err != nil {
			return
		}
		again, err := invitation.ParseDoor(code(t, d))
		if err != nil || again.Hub != d.Hub || again.RegistrationID != d.RegistrationID || !again.CA.Equal(d.CA) {
			t.Errorf("%+v became %+v, %v", d, again, err)
		}
	})
}
