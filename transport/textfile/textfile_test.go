package textfile

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestDecode(t *testing.T) {
	t.Parallel()

	for name, test := range map[string]struct{ content, want, err string }{
		"plain":                  {"HostName=é\r\n", "HostName=é\r\n", ""},
		"nothing":                {"", "", ""},
		"byte order mark":        {"\xef\xbb\xbfHostName=é", "HostName=é", ""},
		"only a mark":            {"\xef\xbb\xbf", "", ""},
		"UTF-16, little-endian":  {"\xff\xfeH\x00\xe9\x00\x3d\xd8\x00\xde", "Hé\U0001f600", ""},
		"UTF-16, big-endian":     {"\xfe\xff\x00H\x00\xe9", "Hé", ""},
		"UTF-16, cut":            {"\xff\xfeH\x00o", "", "is UTF-16 text that ends inside a character; save it as UTF-8"},
		"UTF-16 without a mark":  {"H\x00o\x00", "", "is UTF-16 text without a byte order mark; save it as UTF-8"},
		"UTF-16 without, big":    {"\x00H\x00o", "", "is UTF-16 text without a byte order mark; save it as UTF-8"},
		"Latin-1 in a comment":   {"# T\xfcr\n", "# T\xfcr\n", ""},
		"a mark inside the text": {"a\ufeffb", "a\ufeffb", ""},
	} {
		got, err := Decode([]byte(test.content))
		text := ""
		if err != nil {
			text = err.Error()
		}
		if got != test.want || text != test.err {
			t.Errorf("%s: got %q, %q; want %q, %q", name, got, text, test.want, test.err)
		}
	}
}

func TestRead(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	in := func(name string) string { return filepath.Join(dir, name) }
	if err := errors.Join(os.WriteFile(in("file"), []byte("\ufeff12345"), 0o600), os.WriteFile(in("odd"), []byte("\xff\xfex"), 0o600),
		os.Mkdir(in("folder"), 0o700)); err != nil {
		t.Fatal(err)
	}

	if got, err := Read(in("file"), 8); err != nil || got != "12345" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := Read(in("none"), 8); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a missing file: %v", err)
	}
	for name, want := range map[string]string{
		"folder": in("folder") + " is a folder; want a file",
		"file":   in("file") + " is too large; at most 7 bytes are allowed",
		"odd":    in("odd") + " is UTF-16 text that ends inside a character",
	} {
		if _, err := Read(in(name), 7); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", name, err, want)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("\xff\xfeH\x00"))
	f.Add([]byte("\ufeffH"))

	f.Fuzz(func(t *testing.T, content []byte) {
		text, err := Decode(content)
		if err != nil && text != "" {
			t.Errorf("%q with %v", text, err)
		}
	})
}
