package deb

import (
	"bytes"
	"debug/buildinfo"
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// A build that does not ask git; its version has all that a version may have.
var given = []string{"VERSION=1.2.3+4.gabcdef0", "SOURCE_DATE_EPOCH=1795500000"}

// build builds packages of the sources in root, and returns their files by name.
func build(t *testing.T, root, arch string, env ...string) map[string]string {
	t.Helper()
	out := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "packaging/deb/build.sh", arch, out)
	cmd.Dir, cmd.Env = root, append(append(os.Environ(), given...), env...)
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

// need skips the test where a tool is missing, but for CI.
func need(t *testing.T, tool string) {
	t.Helper()
	if _, err := exec.LookPath(tool); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("%s is missing, and CI needs it", tool)
		}
		t.Skipf("%s is missing: install Debian's package of it to run this test", tool)
	}
}

func output(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), name, args...)
	cmd.Dir = dir
	var stderr bytes.Buffer
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
	t.Run("there are three, with their bills and sums", func(t *testing.T) {
		var want []string
		for _, name := range []string{"latchctl", "latchd", "latchhub"} {
			want = append(want, name+"_1.2.3+4.gabcdef0_arm64.cdx.json", name+"_1.2.3+4.gabcdef0_arm64.deb")
		}
		want = append(want, "SHA256SUMS")
		slices.Sort(want)
		var got []string
		for name := range files {
			got = append(got, name)
		}
		slices.Sort(got)
		if !slices.Equal(got, want) {
			t.Fatalf("there is\n%q\nwant\n%q", got, want)
		}
		checked := output(t, filepath.Dir(files["SHA256SUMS"]), "sha256sum", "--check", "--strict", "SHA256SUMS")
		if n := strings.Count(checked, ": OK"); n != 6 {
			t.Errorf("sums of %d files are right, want 6:\n%s", n, checked)
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
		t.Run("bill of "+name, func(t *testing.T) {
			dir := t.TempDir()
			output(t, "", "dpkg-deb", "-x", packages[name], dir)
			truthful(t, strings.TrimSuffix(packages[name], ".deb")+".cdx.json", dir, programs)
		})
	}
}

// hasManPages checks that the packages have the pages of packaging/man and the
// generated pages of latchctl, and that the generated pages have text.
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

// reproducible builds two packages again, from a copy of the sources in a folder of
// another name, without git, with another time zone, language and umask.
func reproducible(t *testing.T, first map[string]string) {
	need(t, "git")
	root := filepath.Join(t.TempDir(), "elsewhere")
	for name := range strings.SplitSeq(output(t, "../..", "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"), "\x00") {
		from, to := filepath.Join("../..", name), filepath.Join(root, name)
		info, err := os.Stat(from)
		if os.IsNotExist(err) || name == "" { // removed and not committed yet
			continue
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
			t.Errorf("%s is not the same bytes when it is built again; look with diffoscope", name)
		}
	}
	if compared != 4 {
		t.Errorf("%d files were compared, want 4", compared)
	}
}

// truthful compares a bill of materials with what the programs say they link, and
// looks for each module in the copyright.
func truthful(t *testing.T, file, dir string, programs []string) {
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var bill struct {
		BOMFormat, SpecVersion string
		Components             []struct{ Type, Name, Version, PURL string }
		Dependencies           []struct {
			Ref       string
			DependsOn []string
		}
	}
	if err := json.Unmarshal(text, &bill); err != nil {
		t.Fatal(err)
	}
	if bill.BOMFormat != "CycloneDX" || bill.SpecVersion != "1.6" {
		t.Errorf("it is %s %s", bill.BOMFormat, bill.SpecVersion)
	}
	listed := map[string]bool{}
	for _, c := range bill.Components {
		listed[c.Type+" "+c.Name+" "+c.Version] = true
	}
	copyright, err := os.ReadFile(filepath.Join(dir, "usr/share/doc", strings.Split(filepath.Base(file), "_")[0], "copyright"))
	if err != nil {
		t.Fatal(err)
	}
	linked := map[string]bool{}
	for _, program := range programs {
		info, err := buildinfo.ReadFile(filepath.Join(dir, "usr/bin", program))
		if err != nil {
			t.Fatal(err)
		}
		linked["application "+program+" 1.2.3+4.gabcdef0"] = true
		linked["library std "+strings.TrimPrefix(info.GoVersion, "go")] = true
		for _, dep := range info.Deps {
			linked["library "+dep.Path+" "+dep.Version] = true
			if !bytes.Contains(copyright, []byte("\nFiles: "+dep.Path+"/*\n")) {
				t.Errorf("the copyright does not tell the licence of %s", dep.Path)
			}
		}
	}
	for c := range linked {
		if !listed[c] {
			t.Errorf("the bill does not list %s", c)
		}
	}
	if len(linked) != len(listed) {
		t.Errorf("the bill lists %d components, and there are %d", len(listed), len(linked))
	}
}
