package aptrepo

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// fixture is an apt repository for a test. debs is a folder for new packages, and home
// is the gpg folder with the key that signs the repository.
type fixture struct {
	t                *testing.T
	debs, repo, home string
}

const signer = "packages@latchd.example"

func newFixture(t *testing.T) *fixture {
	t.Helper()
	for _, tool := range []string{"apt-get", "apt-ftparchive", "gpg", "dpkg-deb"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("%s is missing, and CI needs it", tool)
			}
			t.Skipf("%s is missing: on Debian install apt-utils and gnupg to run this test", tool)
		}
	}

	// The gpg folder contains gpg-agent's socket. A socket's path must be short, and
	// t.TempDir returns long paths.
	home, err := os.MkdirTemp("", "gpg")
	if err != nil {
		t.Fatal(err)
	}
	f := &fixture{t, t.TempDir(), filepath.Join(t.TempDir(), "repo"), home}

	t.Cleanup(func() {
		f.try("gpgconf", "--kill", "all")
		os.RemoveAll(home)
	})

	f.run("gpg", "--batch", "--quiet", "--passphrase", "", "--quick-gen-key", signer, "ed25519", "sign", "1d")
	return f
}

// try runs a command with the fixture's gpg folder. It returns the command's standard
// output and standard error together.
func (f *fixture) try(name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "GNUPGHOME="+f.home, "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// run runs a command with the fixture's gpg folder and fails the test if the command
// fails.
func (f *fixture) run(name string, args ...string) string {
	f.t.Helper()
	out, err := f.try(name, args...)
	if err != nil {
		f.t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return out
}

// add builds a package latchd that contains one file, and publishes it in the
// repository.
func (f *fixture) add(version, arch, content string) (string, error) {
	f.t.Helper()
	dir := f.t.TempDir()
	for name, text := range map[string]string{
		"DEBIAN/control": fmt.Sprintf("Package: latchd\nVersion: %s\nArchitecture: %s\nMaintainer: x <x@x.example>\nDescription: test\n", version, arch),
		"usr/bin/latchd": content,
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			f.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			f.t.Fatal(err)
		}
	}

	f.run("dpkg-deb", "--root-owner-group", "--build", dir, f.debs)
	return f.try("./apt-repo.sh", f.debs, f.repo, signer)
}

// apt runs apt-get or apt-cache as a gateway would: for the given architecture, and
// trusting the given key.
func (f *fixture) apt(arch, key, tool string, args ...string) (string, error) {
	f.t.Helper()
	dir := filepath.Join(f.t.TempDir(), "apt")
	for _, name := range []string{"state/lists/partial", "cache/archives/partial", "etc"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			f.t.Fatal(err)
		}
	}

	list := filepath.Join(dir, "latchd.list")
	if err := os.WriteFile(list, fmt.Appendf(nil, "deb [signed-by=%s] file:%s stable main\n", key, f.repo), 0o644); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "status"), nil, 0o644); err != nil {
		f.t.Fatal(err)
	}

	options := []string{"-o", "Dir::State=" + dir + "/state", "-o", "Dir::Cache=" + dir + "/cache", "-o", "Dir::Etc=" + dir + "/etc",
		"-o", "Dir::Etc::SourceList=" + list, "-o", "Dir::State::Status=" + dir + "/status", "-o", "APT::Architecture=" + arch,
		"-o", "APT::Architectures::=" + arch, "-o", "APT::Sandbox::User=root", "-o", "Debug::NoLocking=1",
		"-o", "Acquire::Check-Date=true", "-o", "Acquire::Check-Valid-Until=true"} // the defaults of apt, which containers often change

	if out, err := f.try("apt-get", append(options, "update", "--error-on=any")...); err != nil {
		return out, err
	}
	return f.try(tool, append(options, args...)...)
}

func TestAptInstallsSignedPackages(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	for _, p := range [][2]string{{"1.0.0", "arm64"}, {"1.0.0", "amd64"}, {"1.1.0", "arm64"}} {
		if out, err := f.add(p[0], p[1], p[0]); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}

	key := filepath.Join(f.repo, "latchd.asc")
	for arch, want := range map[string][]string{"arm64": {"1.1.0", "1.0.0"}, "amd64": {"1.0.0"}} {
		out, err := f.apt(arch, key, "apt-cache", "madison", "latchd")
		if err != nil {
			t.Fatalf("%s: %v\n%s", arch, err, out)
		}
		var got []string
		for line := range strings.Lines(out) {
			got = append(got, strings.TrimSpace(strings.Split(line, "|")[1]))
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("a gateway of %s sees the versions %v, want %v", arch, got, want)
		}
	}

	// apt does not copy a package from a file: repository. --download-only therefore
	// checks the package in the repository itself.
	out, err := f.apt("arm64", key, "apt-get", "install", "--yes", "--download-only", "latchd=1.0.0")
	if err != nil {
		t.Errorf("apt does not install the earlier version: %v\n%s", err, out)
	}

	if out, err := f.add("1.1.0", "arm64", "something else"); err == nil || !strings.Contains(out, "a changed package needs a new version") {
		t.Errorf("apt-repo.sh publishes a version again with other contents: %v\n%s", err, out)
	}
	if out, err := f.apt("arm64", key, "apt-cache", "show", "latchd=1.1.0"); err != nil {
		t.Errorf("the refused package damaged the repository: %v\n%s", err, out)
	}
}

func TestAptRefusesOtherPackages(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if out, err := f.add("1.0.0", "arm64", "x"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}

	key := filepath.Join(f.repo, "latchd.asc")

	// replace replaces text in one file of the repository.
	replace := func(name, from, to string) {
		t.Helper()
		path := filepath.Join(f.repo, name)
		text, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(text), from) {
			t.Fatalf("no %q in %s (%v)", from, path, err)
		}
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(text), from, to)), 0o644); err != nil {
			t.Fatal(err)
		}
	}

	// The test undoes the change of each case before the next case.
	for _, tc := range []struct{ what, file, from, to string }{
		{"a changed package", "pool/main/latchd_1.0.0_arm64.deb", "debian-binary", "debian-binarx"},
		{"a changed index", "dists/stable/InRelease", "Label: latchd", "Label: latchx"},
	} {
		replace(tc.file, tc.from, tc.to)
		if out, err := f.apt("arm64", key, "apt-get", "install", "--yes", "--download-only", "latchd"); err == nil {
			t.Errorf("apt accepts %s:\n%s", tc.what, out)
		}
		replace(tc.file, tc.to, tc.from)
	}

	f.run("gpg", "--batch", "--quiet", "--passphrase", "", "--quick-gen-key", "other@latchd.example", "ed25519", "sign", "1d")
	other := filepath.Join(t.TempDir(), "other.asc")
	if err := os.WriteFile(other, []byte(f.run("gpg", "--batch", "--armor", "--export", "other@latchd.example")), 0o644); err != nil {
		t.Fatal(err)
	}

	if out, err := f.apt("arm64", other, "apt-get", "install", "--yes", "--download-only", "latchd"); err == nil {
		t.Errorf("apt accepts the repository with a key that did not sign it:\n%s", out)
	}
	if out, err := f.apt("arm64", key, "apt-get", "install", "--yes", "--download-only", "latchd"); err != nil {
		t.Errorf("apt refuses the intact repository: %v\n%s", err, out)
	}
}

// The signature of a repository ends after 90 days, and an empty folder renews it. apt
// refuses the repository after that.
func TestAptRefusesOldSignatures(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if out, err := f.add("1.0.0", "arm64", "x"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	key, release := filepath.Join(f.repo, "latchd.asc"), filepath.Join(f.repo, "dists/stable/Release")
	signed := dates(t, release)
	if got, want := signed["Valid-Until"].Sub(signed["Date"]), 90*24*time.Hour; got != want {
		t.Errorf("the signature is valid for %v, want %v", got, want)
	}

	// Sign the index again with dates in the past, instead of changing the clock.
	f.resign(release, signed, -91*24*time.Hour)
	if out, err := f.apt("arm64", key, "apt-cache", "show", "latchd"); err == nil || !strings.Contains(out, "expired") {
		t.Errorf("apt accepts a repository with an old signature: %v\n%s", err, out)
	}

	if out, err := f.try("./apt-repo.sh", t.TempDir(), f.repo, signer); err != nil {
		t.Fatalf("an empty folder does not renew the signature: %v\n%s", err, out)
	}
	if out, err := f.apt("arm64", key, "apt-cache", "show", "latchd"); err != nil || !strings.Contains(out, "Version: 1.0.0") {
		t.Errorf("apt refuses the renewed repository: %v\n%s", err, out)
	}
}

// dates returns the dates in a Release file by the names of their fields.
func dates(t *testing.T, release string) map[string]time.Time {
	t.Helper()
	text, err := os.ReadFile(release)
	if err != nil {
		t.Fatal(err)
	}

	found := make(map[string]time.Time)
	for line := range strings.Lines(string(text)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), ": ")
		if name != "Date" && name != "Valid-Until" {
			continue
		}
		if found[name], err = time.Parse(time.RFC1123Z, value); err != nil {
			t.Fatal(err)
		}
	}
	return found
}

// resign moves the dates in a Release file and signs it again.
func (f *fixture) resign(release string, signed map[string]time.Time, by time.Duration) {
	f.t.Helper()
	text, err := os.ReadFile(release)
	if err != nil {
		f.t.Fatal(err)
	}

	for name, at := range signed {
		text = bytes.Replace(text, []byte(name+": "+at.Format(time.RFC1123Z)), []byte(name+": "+at.Add(by).Format(time.RFC1123Z)), 1)
	}
	if err := os.WriteFile(release, text, 0o644); err != nil {
		f.t.Fatal(err)
	}
	f.run("gpg", "--batch", "--yes", "--quiet", "--local-user", signer, "--clearsign", "--output", filepath.Join(filepath.Dir(release), "InRelease"), release)
	f.run("gpg", "--batch", "--yes", "--quiet", "--local-user", signer, "--armor", "--detach-sign", "--output", release+".gpg", release)
}

func TestAptRepoNeedsPackages(t *testing.T) {
	t.Parallel()
	f := newFixture(t)
	if out, err := f.try("./apt-repo.sh", t.TempDir(), f.repo, signer); err == nil || !strings.Contains(out, "there are no packages in") {
		t.Errorf("apt-repo.sh accepts a folder without packages: %v\n%s", err, out)
	}
	if _, err := os.Stat(filepath.Join(f.repo, "dists")); err == nil {
		t.Error("apt-repo.sh made a repository without packages")
	}
}
