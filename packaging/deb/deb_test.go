package deb

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// given holds the values that build.sh gets from git if they are not set. The version
// contains every part that a version can have.
var given = []string{"VERSION=1.2.3+4.gabcdef0", "SOURCE_DATE_EPOCH=1795500000"}

// build runs build.sh on the sources in root. It returns the paths of the files that
// build.sh made. The keys are the names of the files.
func build(t *testing.T, root, arch string, env ...string) map[string]string {
	t.Helper()
	out := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "packaging/deb/build.sh", arch, out)
	cmd.Dir = root
	cmd.Env = append(append(os.Environ(), given...), env...)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("build.sh: %v\n%s", err, text)
	}

	entries, err := os.ReadDir(out)
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for _, e := range entries {
		files[e.Name()] = filepath.Join(out, e.Name())
	}
	return files
}

// need skips the test if a tool is missing. In CI it fails the test instead.
func need(t *testing.T, tool string) {
	t.Helper()
	if _, err := exec.LookPath(tool); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is missing, and CI needs it", tool)
		}
		t.Skipf("%s is missing: install its Debian package to run this test", tool)
	}
}

// output runs a command in the directory dir and returns the command's standard output.
func output(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	var stderr bytes.Buffer
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s%s", name, args, err, out, &stderr)
	}
	return string(out)
}

func TestPackages(t *testing.T) {
	need(t, "dpkg-deb")
	files := build(t, "../..", "arm64")

	packages := map[string]string{}
	for name, file := range files {
		if strings.HasSuffix(name, ".deb") {
			packages[strings.Split(name, "_")[0]] = file
		}
	}

	t.Run("three packages, four bills of materials and their sums", func(t *testing.T) {
		const suffix = "_1.2.3+4.gabcdef0_arm64"
		want := []string{"SHA256SUMS"}
		for _, name := range []string{"latchctl", "latchd", "latchhub"} {
			want = append(want, name+suffix+".deb")
		}
		for _, name := range []string{"latchctl", "latchd", "latchhub", "latchsim"} {
			want = append(want, name+suffix+".cdx.json")
		}
		slices.Sort(want)

		if got := slices.Sorted(maps.Keys(files)); !slices.Equal(got, want) {
			t.Fatalf("build.sh made\n%q\nwant\n%q", got, want)
		}

		checked := output(t, filepath.Dir(files["SHA256SUMS"]), "sha256sum", "--check", "--strict", "SHA256SUMS")
		if n := strings.Count(checked, ": OK"); n != 7 {
			t.Errorf("the sums of %d files are right, want 7:\n%s", n, checked)
		}
	})

	t.Run("the same sources elsewhere give the same bytes", func(t *testing.T) { reproducible(t, files) })

	t.Run("lintian", func(t *testing.T) {
		need(t, "lintian")
		args := []string{"--allow-root", "--fail-on=error,warning,info", "--display-info", "--tag-display-limit=0"}
		for _, file := range packages {
			args = append(args, file)
		}
		output(t, "", "lintian", args...)
	})

	t.Run("man pages", func(t *testing.T) { hasManPages(t, packages) })

	for name, programs := range map[string][]string{"latchd": {"latchd"}, "latchctl": {"latchctl"}, "latchhub": {"latchhub", "latchsim"}} {
		t.Run("bills of materials and licenses of "+name, func(t *testing.T) {
			dir := t.TempDir()
			output(t, "", "dpkg-deb", "-x", packages[name], dir)
			copyright, err := os.ReadFile(filepath.Join(dir, "usr/share/doc", name, "copyright"))
			if err != nil {
				t.Fatal(err)
			}

			for _, program := range programs {
				bill := filepath.Join(filepath.Dir(packages[name]), program+"_1.2.3+4.gabcdef0_arm64.cdx.json")
				isTruthful(t, bill, filepath.Join(dir, "usr/bin", program), copyright)
			}
		})
	}
}

// hasManPages checks that the packages contain the man pages of packaging/man, and the
// generated pages of latchctl. It also checks that the generated pages have text.
func hasManPages(t *testing.T, packages map[string]string) {
	for name, want := range map[string][]string{
		"latchd":   {"man8/latchd.8.gz", "man5/latchd.toml.5.gz"},
		"latchhub": {"man8/latchhub.8.gz", "man1/latchsim.1.gz"},
		"latchctl": {"man1/latchctl.1.gz", "man1/latchctl-lock.1.gz", "man1/latchctl-job-schedule-method.1.gz",
			"man1/latchctl-output.1.gz", "man1/latchctl-connection.1.gz"},
	} {
		dir := t.TempDir()
		output(t, "", "dpkg-deb", "-x", packages[name], dir)

		pages, err := filepath.Glob(filepath.Join(dir, "usr/share/man/*/*"))
		if err != nil {
			t.Fatal(err)
		}
		if name == "latchctl" && len(pages) < 30 {
			t.Errorf("the package latchctl has %d man pages, want 30 or more", len(pages))
		}
		if name != "latchctl" && len(pages) != len(want) {
			t.Errorf("the package %s has the man pages %q, want %q", name, pages, want)
		}

		for _, page := range want {
			text := output(t, dir, "gzip", "-dc", filepath.Join("usr/share/man", page))
			if !strings.Contains(text, ".SH ") {
				t.Errorf("the page %s of the package %s has no section:\n%.200s", page, name, text)
			}
		}
	}
}

// reproducible builds two packages again and checks that they equal the packages of the
// first build. The second build differs in everything that must not matter: the
// folder's name, the absence of git, the time zone, the locale and the umask.
func reproducible(t *testing.T, first map[string]string) {
	need(t, "git")
	root := filepath.Join(t.TempDir(), "elsewhere")
	for name := range strings.SplitSeq(output(t, "../..", "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"), "\x00") {
		copyFile(t, filepath.Join("../..", name), filepath.Join(root, name))
	}

	second := build(t, root, "arm64", "PACKAGES=latchd latchctl", "TZ=Pacific/Kiritimati", "LC_ALL=C.UTF-8", "GIT_DIR=/nonexistent")

	compared := 0
	for name, file := range second {
		if name == "SHA256SUMS" {
			continue
		}
		again, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		before, err := os.ReadFile(first[name])
		if err != nil {
			t.Fatal(err)
		}

		compared++
		if !bytes.Equal(again, before) {
			t.Errorf("%s differs between two builds; compare them with diffoscope", name)
		}
	}
	if compared != 4 {
		t.Errorf("compared %d files, want 4", compared)
	}
}

// copyFile copies a file, without the permissions of its group and of others. It skips
// folders, and deleted files that git still lists.
func copyFile(t *testing.T, from, to string) {
	t.Helper()
	info, err := os.Stat(from)
	if os.IsNotExist(err) || err == nil && info.IsDir() {
		return
	}
	if err != nil {
		t.Fatal(err)
	}

	text, err := os.ReadFile(from)
	if err == nil {
		err = os.MkdirAll(filepath.Dir(to), 0o700)
	}
	if err == nil {
		err = os.WriteFile(to, text, info.Mode()&0o700)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// isTruthful checks that a program's bill of materials lists exactly the modules that
// the program links. It also checks that the copyright file has each module's license.
func isTruthful(t *testing.T, file, program string, copyright []byte) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var bill struct {
		BOMFormat, SpecVersion string
		Metadata               struct {
			Timestamp  string
			Component  struct{ Type, Name, Version, PURL string }
			Properties []struct{ Name, Value string }
		}
		Components []struct{ Type, Name, Version string }
	}
	if err := json.Unmarshal(text, &bill); err != nil {
		t.Fatal(err)
	}

	if bill.BOMFormat != "CycloneDX" || bill.SpecVersion != "1.6" || bill.Metadata.Timestamp != "2026-11-24T06:00:00Z" {
		t.Errorf("the bill is %s %s of %s, want CycloneDX 1.6 of 2026-11-24T06:00:00Z", bill.BOMFormat, bill.SpecVersion, bill.Metadata.Timestamp)
	}

	name := filepath.Base(program)
	main := bill.Metadata.Component
	purl := "?goarch=arm64&goos=linux&type=module#cmd/" + name
	if main.Type != "application" || main.Version != "1.2.3+4.gabcdef0" || !strings.HasSuffix(main.PURL, purl) {
		t.Errorf("the bill describes %+v, want the application 1.2.3+4.gabcdef0 with a PURL that ends in %s", main, purl)
	}

	contents, err := os.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	properties := map[string]string{}
	for _, p := range bill.Metadata.Properties {
		properties[p.Name] = p.Value
	}
	if sum := fmt.Sprintf("%x", sha256.Sum256(contents)); properties["cdx:gomod:binary:hash:SHA-256"] != sum {
		t.Errorf("the bill has the SHA-256 %s of %s, want %s", properties["cdx:gomod:binary:hash:SHA-256"], name, sum)
	}

	listed := map[string]bool{}
	for _, c := range bill.Components {
		listed[c.Type+" "+c.Name+" "+c.Version] = true
	}

	info, err := buildinfo.ReadFile(program)
	if err != nil {
		t.Fatal(err)
	}
	linked := map[string]bool{"library std " + info.GoVersion: true}
	for _, dep := range info.Deps {
		linked["library "+dep.Path+" "+dep.Version] = true
		if !bytes.Contains(copyright, []byte("\nFiles: "+dep.Path+"/*\n")) {
			t.Errorf("the copyright file has no license of %s", dep.Path)
		}
	}

	for c := range linked {
		if !listed[c] {
			t.Errorf("the bill does not list %s", c)
		}
	}
	if len(linked) != len(listed) {
		t.Errorf("the bill lists %d components, and %s links %d", len(listed), name, len(linked))
	}
}
