package container

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// builder returns the name of the first program that can build containers here. It skips
// the test on a machine without such a program, also in CI: many machines cannot run
// containers at all.
func builder(t *testing.T) string {
	t.Helper()
	for _, name := range []string{"podman", "docker"} {
		if exec.CommandContext(t.Context(), name, "info").Run() == nil {
			return name
		}
	}
	t.Skip("neither podman nor docker works here: the container of latchhub is not tested")
	return ""
}

func TestContainer(t *testing.T) {
	program := builder(t)
	run := func(args ...string) string {
		t.Helper()
		out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput()
		if err != nil {
			t.Fatalf("%s %q: %v\n%s", program, args, err, out)
		}
		return strings.TrimSpace(string(out))
	}

	image, volume := "latchhub-test", "latchhub-test"
	run("build", "-q", "-t", image, "-f", "packaging/container/Containerfile", sources(t))
	t.Cleanup(func() { exec.Command(program, "image", "rm", "-f", image).Run() })
	run("volume", "create", volume)
	t.Cleanup(func() { exec.Command(program, "volume", "rm", "-f", volume).Run() })

	inspected := run("image", "inspect", image)
	for _, want := range []string{`"65532:65532"`, `"8883/tcp"`, `"8443/tcp"`, `"/data": {}`} {
		if !strings.Contains(inspected, want) {
			t.Errorf("the image has no %s:\n%s", want, inspected)
		}
	}

	runs(t, program, image)
	owner := ""
	for _, round := range []string{"first", "second"} {
		name := "latchhub-test-" + round
		start(t, program, name, image, volume)

		got := run("exec", name, "latchhub", "policy", "show", "iothubowner", "--data", "/data/hub")
		if !strings.Contains(got, "SharedAccessKey=") {
			t.Errorf("the %s hub's owner is %q", round, got)
		}
		if owner != "" && got != owner {
			t.Error("the second hub has another key than the first")
		}
		owner = got

		run("stop", name)
	}
}

// runs skips the rest of the test if the system lets nobody start a container, as inside
// some virtual machines and containers.
func runs(t *testing.T, program, image string) {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), program, "run", "--rm", "--network", "none", image, "version").CombinedOutput()
	if err == nil {
		return
	}

	for _, refusal := range []string{"peration not permitted", "cgroup", "not supported"} {
		if strings.Contains(string(out), refusal) {
			t.Skipf("the image is right, but this system runs no containers: %s", out)
		}
	}
	t.Fatalf("the container does not run: %v\n%s", err, out)
}

// start runs a hub in a container until the test ends or stops it. It returns when the
// hub is ready.
func start(t *testing.T, program, name, image, volume string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, "run", "--rm", "--name", name, "--network", "none", "--read-only", "--cap-drop", "ALL",
		"-v", volume+":/data", image, "serve", "--data", "/data/hub")
	var log strings.Builder
	cmd.Stderr = &log
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}

	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil || !strings.HasPrefix(line, "latchhub ready") {
		cmd.Wait()
		t.Fatalf("the hub printed %q, %v\n%s", line, err, &log)
	}
	t.Cleanup(func() {
		exec.Command(program, "rm", "-f", "-t", "1", name).Run()
		stopped := time.AfterFunc(10*time.Second, func() { cmd.Process.Kill() })
		defer stopped.Stop()
		io.Copy(io.Discard, out)
		cmd.Wait()
	})
}

// sources returns a folder with the files that the image needs, and builds latchhub in it.
func sources(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(filepath.Join(dir, "packaging", "container"), os.DirFS(".")); err != nil {
		t.Fatal(err)
	}

	build := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-o", filepath.Join(dir, "bin", "latchhub"), "./cmd/latchhub")
	build.Dir = "../.."
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("go build: %v\n%s", err, out)
	}
	return dir
}
