package release

import (
	"archive/tar"
	"archive/zip"
	"bytes"
	"compress/gzip"
	"debug/buildinfo"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// entry is a file in an archive.
type entry struct {
	mode    fs.FileMode
	at      time.Time
	content []byte
}

// TestArchives builds the archives of two systems, the second one also from a copy of the
// sources without git. The tests of the Debian packages cover the programs for Linux.
func TestArchives(t *testing.T) {
	out := t.TempDir()
	archives(t, "../..", out, "TARGETS=darwin/arm64 windows/amd64", "VERSION=1.2.3+4.gabcdef0", "SOURCE_DATE_EPOCH=1795500000")

	const suffix = "_1.2.3+4.gabcdef0_"
	want := []string{"SHA256SUMS", "latchctl" + suffix + "darwin_arm64.cdx.json", "latchctl" + suffix + "darwin_arm64.tar.gz",
		"latchctl" + suffix + "windows_amd64.cdx.json", "latchctl" + suffix + "windows_amd64.zip"}
	if got := names(t, out); !slices.Equal(got, want) {
		t.Fatalf("archives.sh made\n%q\nwant\n%q", got, want)
	}

	check := exec.CommandContext(t.Context(), "sha256sum", "--check", "--strict", "--quiet", "SHA256SUMS")
	check.Dir = out
	if text, err := check.CombinedOutput(); err != nil {
		t.Errorf("the sums are wrong: %v\n%s", err, text)
	}

	for system, files := range map[string]map[string]entry{
		"darwin_arm64":  readTar(t, filepath.Join(out, want[2])),
		"windows_amd64": readZip(t, filepath.Join(out, want[4])),
	} {
		t.Run(system, func(t *testing.T) {
			checkFiles(t, files, "latchctl"+suffix+system+"/", filepath.Join(out, "latchctl"+suffix+system+".cdx.json"))
		})
	}

	t.Run("a copy without git gives the same bytes", func(t *testing.T) {
		root := filepath.Join(t.TempDir(), "elsewhere")
		copySources(t, root)
		again := t.TempDir()
		archives(t, root, again, "TARGETS=windows/amd64", "VERSION=1.2.3+4.gabcdef0", "SOURCE_DATE_EPOCH=1795500000",
			"TZ=Pacific/Kiritimati", "GIT_DIR=/nonexistent")

		for _, name := range want[3:] {
			if read(t, filepath.Join(again, name)) != read(t, filepath.Join(out, name)) {
				t.Errorf("%s differs between two builds", name)
			}
		}
	})
}

// checkFiles checks the files of one archive. All names must begin with prefix. bill is
// the path of the program's bill of materials.
func checkFiles(t *testing.T, files map[string]entry, prefix, bill string) {
	t.Helper()
	program, more := "latchctl", []string{"completion/latchctl.bash", "completion/latchctl.zsh", "man/latchctl.1", "man/latchctl-lock.1"}
	if strings.Contains(prefix, "windows") {
		program, more = "latchctl.exe", []string{"latchctl.ps1"}
	}

	for _, name := range append(more, program, "LICENSE", "COPYRIGHT", "CHANGELOG.md") {
		e, ok := files[prefix+name]
		want := fs.FileMode(0o644)
		if name == program {
			want = 0o755
		}
		if !ok || len(e.content) == 0 || e.mode != want {
			t.Errorf("%s: found %t, %d bytes, mode %o; want mode %o", name, ok, len(e.content), e.mode, want)
		}
	}
	for name, e := range files {
		if !strings.HasPrefix(name, prefix) || !e.at.Equal(time.Unix(1795500000, 0)) {
			t.Errorf("%s has the time %s", name, e.at)
		}
	}

	info, err := buildinfo.Read(bytes.NewReader(files[prefix+program].content))
	if err != nil {
		t.Fatal(err)
	}
	var listed struct {
		Components []struct{ Name, Version string }
	}
	if err := json.Unmarshal([]byte(read(t, bill)), &listed); err != nil {
		t.Fatal(err)
	}
	modules := map[string]string{"std": info.GoVersion}
	for _, dep := range info.Deps {
		modules[dep.Path] = dep.Version
		if !bytes.Contains(files[prefix+"COPYRIGHT"].content, []byte("\nFiles: "+dep.Path+"/*\n")) {
			t.Errorf("COPYRIGHT has no license of %s", dep.Path)
		}
	}
	billed := map[string]string{}
	for _, c := range listed.Components {
		billed[c.Name] = c.Version
	}
	if !maps.Equal(billed, modules) {
		t.Errorf("the bill lists\n%v\nbut the program links\n%v", billed, modules)
	}
}

// archives runs archives.sh on the sources in root.
func archives(t *testing.T, root, out string, env ...string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "packaging/release/archives.sh", out)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), env...)
	if text, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("archives.sh: %v\n%s", err, text)
	}
}

// copySources copies all files of the project that git lists, or would list, to root.
func copySources(t *testing.T, root string) {
	t.Helper()
	list := exec.CommandContext(t.Context(), "git", "ls-files", "-z", "--cached", "--others", "--exclude-standard")
	list.Dir = "../.."
	out, err := list.Output()
	if err != nil {
		t.Fatalf("git ls-files: %v", err)
	}

	for name := range strings.SplitSeq(string(out), "\x00") {
		info, err := os.Stat(filepath.Join("../..", name))
		if errors.Is(err, fs.ErrNotExist) || err == nil && info.IsDir() {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		write(t, filepath.Join(root, name), read(t, filepath.Join("../..", name)), info.Mode()&0o700)
	}
}

func names(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var list []string
	for _, e := range entries {
		list = append(list, e.Name())
	}
	return list
}

func readTar(t *testing.T, path string) map[string]entry {
	t.Helper()
	unpacked, err := gzip.NewReader(strings.NewReader(read(t, path)))
	if err != nil {
		t.Fatal(err)
	}

	files := map[string]entry{}
	for archive := tar.NewReader(unpacked); ; {
		header, err := archive.Next()
		if err == io.EOF {
			return files
		}
		if err != nil {
			t.Fatal(err)
		}
		content, err := io.ReadAll(archive)
		if err != nil {
			t.Fatal(err)
		}
		files[header.Name] = entry{header.FileInfo().Mode(), header.ModTime, content}
	}
}

func readZip(t *testing.T, path string) map[string]entry {
	t.Helper()
	archive, err := zip.OpenReader(path)
	if err != nil {
		t.Fatal(err)
	}
	defer archive.Close()

	files := map[string]entry{}
	for _, f := range archive.File {
		content, err := fs.ReadFile(archive, f.Name)
		if err != nil {
			t.Fatal(err)
		}
		files[f.Name] = entry{f.Mode(), f.Modified, content}
	}
	return files
}
