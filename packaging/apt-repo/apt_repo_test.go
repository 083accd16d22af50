package aptrepo

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// shop is a repository, the key that signs it, and the folder new packages come from.
type shop struct {
	t                *testing.T
	debs, repo, home string
}

const signer = "packages@latchd.example"

func newShop(t *testing.T) *shop {
	t.Helper()
	for _, tool := range []string{"apt-get", "apt-ftparchive", "gpg", "dpkg-deb"} {
		if _, err := exec.LookPath(tool); err != nil {
			if os.Getenv("CI") != "" {
				t.Fatalf("%s is missing, and CI needs it", tool)
			}
			t.Skipf("%s is missing: on Debian install apt-utils and gnupg to run this test", tool)
		}
	}
	// The agent's socket is in gpg's folder, and its name must be short.
	home, err := os.MkdirTemp("", "gpg")
	if err != nil {
		t.Fatal(err)
	}
	s := &shop{t, t.TempDir(), filepath.Join(t.TempDir(), "repo"), home}
	t.Cleanup(func() {
		s.try("gpgconf", "--kill", "all")
		os.RemoveAll(home)
	})
	s.run("gpg", "--batch", "--quiet", "--passphrase", "", "--quick-gen-key", signer, "ed25519", "sign", "1d")
	return s
}

func (s *shop) try(name string, args ...string) (string, error) {
	cmd := exec.Command(name, args...)
	cmd.Env = append(os.Environ(), "GNUPGHOME="+s.home, "LC_ALL=C.UTF-8")
	out, err := cmd.CombinedOutput()
	return string(out), err
}

func (s *shop) run(name string, args ...string) string {
	s.t.Helper()
	out, err := s.try(name, args...)
	if err != nil {
		s.t.Fatalf("%s %q: %v\n%s", name, args, err, out)
	}
	return out
}

// add makes a package with a file in it, and publishes it.
func (s *shop) add(version, arch, content string) (string, error) {
	s.t.Helper()
	dir := s.t.TempDir()
	for name, text := range map[string]string{
		"DEBIAN/control": fmt.Sprintf("Package: latchd\nVersion: %s\nArchitecture: %s\nMaintainer: x <x@x.example>\nDescription: test\n", version, arch),
		"usr/bin/latchd": content,
	} {
		if err := os.MkdirAll(filepath.Dir(filepath.Join(dir, name)), 0o755); err != nil {
			s.t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			s.t.Fatal(err)
		}
	}
	s.run("dpkg-deb", "--root-owner-group", "--build", dir, s.debs)
	return s.try("./apt-repo.sh", s.debs, s.repo, signer)
}

// apt runs apt-get or apt-cache as a gateway of that architecture would, which
// trusts the repository's key.
func (s *shop) apt(arch, key, tool string, args ...string) (string, error) {
	s.t.Helper()
	dir := filepath.Join(s.t.TempDir(), "apt")
	for _, name := range []string{"state/lists/partial", "cache/archives/partial", "etc"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o755); err != nil {
			s.t.Fatal(err)
		}
	}
	list := filepath.Join(dir, "latchd.list")
	if err := os.WriteFile(list, fmt.Appendf(nil, "deb [signed-by=%s] file:%s stable main\n", key, s.repo), 0o644); err != nil {
		s.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "status"), nil, 0o644); err != nil {
		s.t.Fatal(err)
	}
	options := []string{"-o", "Dir::State=" + dir + "/state", "-o", "Dir::Cache=" + dir + "/cache", "-o", "Dir::Etc=" + dir + "/etc",
		"-o", "Dir::Etc::SourceList=" + list, "-o", "Dir::State::Status=" + dir + "/status", "-o", "APT::Architecture=" + arch,
		"-o", "APT::Architectures::=" + arch, "-o", "APT::Sandbox::User=root", "-o", "Debug::NoLocking=1"}
	if out, err := s.try("apt-get", append(options, "update", "--error-on=any")...); err != nil {
		return out, err
	}
	return s.try(tool, append(options, args...)...)
}

func TestAptTakesWhatIsSigned(t *testing.T) {
	s := newShop(t)
	for _, p := range [][2]string{{"1.0.0", "arm64"}, {"1.0.0", "amd64"}, {"1.1.0", "arm64"}} {
		if out, err := s.add(p[0], p[1], p[0]); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	key := filepath.Join(s.repo, "latchd.asc")
	for arch, want := range map[string][]string{"arm64": {"1.1.0", "1.0.0"}, "amd64": {"1.0.0"}} {
		out, err := s.apt(arch, key, "apt-cache", "madison", "latchd")
		if err != nil {
			t.Fatalf("%s: %v\n%s", arch, err, out)
		}
		var got []string
		for line := range strings.Lines(out) {
			got = append(got, strings.TrimSpace(strings.Split(line, "|")[1]))
		}
		if fmt.Sprint(got) != fmt.Sprint(want) {
			t.Errorf("a gateway of %s is offered %v, want %v", arch, got, want)
		}
	}
	// A file: repository is read where it is, so what apt would fetch is what it checks.
	out, err := s.apt("arm64", key, "apt-get", "install", "--yes", "--download-only", "latchd=1.0.0")
	if err != nil {
		t.Errorf("the version before: %v\n%s", err, out)
	}

	if out, err := s.add("1.1.0", "arm64", "something else"); err == nil || !strings.Contains(out, "a change needs another version") {
		t.Errorf("a version with other contents: %v\n%s", err, out)
	}
	if out, err := s.apt("arm64", key, "apt-cache", "show", "latchd=1.1.0"); err != nil {
		t.Errorf("after that, the repository is not as it was: %v\n%s", err, out)
	}
}

func TestAptRefusesWhatIsNot(t *testing.T) {
	s := newShop(t)
	if out, err := s.add("1.0.0", "arm64", "x"); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	key := filepath.Join(s.repo, "latchd.asc")
	replace := func(name, from, to string) {
		t.Helper()
		path := filepath.Join(s.repo, name)
		text, err := os.ReadFile(path)
		if err != nil || !strings.Contains(string(text), from) {
			t.Fatalf("there is no %q in %s (%v)", from, path, err)
		}
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(text), from, to)), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	// Each is undone again before the next.
	for _, tc := range []struct{ what, file, from, to string }{
		{"a package that is another", "pool/main/latchd_1.0.0_arm64.deb", "debian-binary", "debian-binarx"},
		{"a list that names another", "dists/stable/InRelease", "Label: latchd", "Label: latchx"},
	} {
		replace(tc.file, tc.from, tc.to)
		if out, err := s.apt("arm64", key, "apt-get", "install", "--yes", "--download-only", "latchd"); err == nil {
			t.Errorf("apt takes %s:\n%s", tc.what, out)
		}
		replace(tc.file, tc.to, tc.from)
	}
	s.run("gpg", "--batch", "--quiet", "--passphrase", "", "--quick-gen-key", "other@latchd.example", "ed25519", "sign", "1d")
	other := filepath.Join(t.TempDir(), "other.asc")
	if err := os.WriteFile(other, []byte(s.run("gpg", "--batch", "--armor", "--export", "other@latchd.example")), 0o644); err != nil {
		t.Fatal(err)
	}
	if out, err := s.apt("arm64", other, "apt-get", "install", "--yes", "--download-only", "latchd"); err == nil {
		t.Errorf("apt takes what another has signed:\n%s", out)
	}
	if out, err := s.apt("arm64", key, "apt-get", "install", "--yes", "--download-only", "latchd"); err != nil {
		t.Errorf("and does not take what is right: %v\n%s", err, out)
	}
}

func TestAptRepoNeedsPackages(t *testing.T) {
	s := newShop(t)
	if out, err := s.try("./apt-repo.sh", t.TempDir(), s.repo, signer); err == nil || !strings.Contains(out, "there are no packages in") {
		t.Errorf("%v\n%s", err, out)
	}
	if _, err := os.Stat(filepath.Join(s.repo, "dists")); err == nil {
		t.Error("it made a repository of nothing")
	}
}
