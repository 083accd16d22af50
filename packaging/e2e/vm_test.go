//go:build e2e

package e2e

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// vm is a virtual machine whose disk survives reboots and power cuts. The test controls
// the machine through a guest program, an HTTP server that runs in the machine.
type vm struct {
	t       *testing.T
	disk    string // path of the disk image
	address string // host and port at which the guest program is reached
	qemu    *exec.Cmd
	ended   chan struct{} // closed when QEMU has ended

	mu      sync.Mutex
	console []string      // lines that the machine has printed on its console
	ready   chan struct{} // receives a value in each boot when the guest program has started
}

// bootTimeout limits how long the machine may take to boot. It allows for software
// emulation on a busy host.
const bootTimeout = 4 * time.Minute

// newVM starts a virtual machine with a fresh disk. The machine is stopped at the end
// of the test.
func newVM(t *testing.T) *vm {
	t.Helper()
	m := &vm{t: t, disk: filepath.Join(t.TempDir(), "disk.qcow2"), ready: make(chan struct{}, 8)}
	image := filepath.Join(os.Getenv("E2E_IMAGE"), "disk.img")
	if out, err := exec.Command("qemu-img", "create", "-q", "-f", "qcow2", "-F", "raw", "-b", image, m.disk).CombinedOutput(); err != nil {
		t.Fatalf("qemu-img: %v\n%s", err, out)
	}

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m.address = listener.Addr().String()
	listener.Close()

	t.Cleanup(func() {
		m.cut()
		if t.Failed() {
			t.Logf("console:\n%s", strings.Join(m.consoleExcerpt(), "\n"))
		}
	})
	m.boot()
	return m
}

// consoleExcerpt returns the lines on the machine's console that follow a failure of
// the machine's kernel. If the kernel has not failed, consoleExcerpt returns the last
// lines. It records a kernel failure in a file for e2e.sh.
func (m *vm) consoleExcerpt() []string {
	m.mu.Lock()
	defer m.mu.Unlock()

	failure := slices.IndexFunc(m.console, func(line string) bool {
		return strings.Contains(line, "BUG:") || strings.Contains(line, "Oops") || strings.Contains(line, "detected stall") ||
			strings.Contains(line, "self-detected stall")
	})
	if failure >= 0 {
		os.WriteFile(filepath.Join(os.Getenv("E2E_WORK"), "kernel-failed"), nil, 0o600)
		return m.console[failure:min(failure+80, len(m.console))]
	}
	return m.console[max(0, len(m.console)-30):]
}

// boot starts the virtual machine and waits until its guest program answers.
func (m *vm) boot() {
	m.t.Helper()
	machine := map[string][]string{
		"amd64": {"qemu-system-x86_64", "-M", "q35", "-cpu", "max"},
		"arm64": {"qemu-system-aarch64", "-M", "virt", "-cpu", "cortex-a72"},
		"armhf": {"qemu-system-arm", "-M", "virt,highmem=off", "-cpu", "cortex-a15"},
	}[arch]
	console := "ttyAMA0"
	if arch == "amd64" {
		console = "ttyS0"
	}

	image := os.Getenv("E2E_IMAGE")
	args := append(machine[1:],
		// Always use software emulation: it behaves the same on every host. KVM may
		// fail even if its device exists.
		"-accel", "tcg,thread=multi", "-smp", "1", "-m", "512", "-display", "none", "-monitor", "none", "-serial", "stdio",
		"-kernel", image+"/vmlinuz", "-initrd", image+"/initrd.gz",
		"-append", "console="+console+" panic=-1 loglevel=4 systemd.show_status=0",
		"-drive", "file="+m.disk+",format=qcow2,if=virtio",
		"-drive", "file="+os.Getenv("E2E_WORK")+"/guest.tar,format=raw,if=virtio,readonly=on",
		"-nic", "user,model=virtio-net-pci,hostfwd=tcp:"+m.address+"-:7000")

	m.qemu = exec.Command(machine[0], args...)
	out, err := m.qemu.StdoutPipe()
	if err != nil {
		m.t.Fatal(err)
	}
	m.qemu.Stderr = m.qemu.Stdout
	if err := m.qemu.Start(); err != nil {
		m.t.Fatal(err)
	}

	m.ended = make(chan struct{})
	go m.read(out, m.ended)
	m.waitBoot()
}

// waitBoot waits, after a start or a reboot, until the guest program answers.
func (m *vm) waitBoot() {
	m.t.Helper()
	select {
	case <-m.ready:
	case <-m.ended:
		m.t.Fatal("the machine ended during its boot")
	case <-time.After(bootTimeout):
		m.t.Fatalf("the machine did not boot within %s", bootTimeout)
	}

	// The guest program may start before the network is up.
	retry := time.NewTicker(200 * time.Millisecond)
	defer retry.Stop()
	for deadline := time.Now().Add(bootTimeout); ; <-retry.C {
		_, err := m.try("true")
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			m.t.Fatalf("the guest program does not answer: %v", err)
		}
	}
}

// read collects the lines on the machine's console until QEMU ends.
func (m *vm) read(out io.Reader, ended chan struct{}) {
	defer close(ended)
	lines := bufio.NewScanner(out)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		m.mu.Lock()
		m.console = append(m.console, lines.Text())
		m.mu.Unlock()
		if strings.Contains(lines.Text(), "guest ready") {
			m.ready <- struct{}{}
		}
	}
}

// cut cuts the machine's power. It kills QEMU.
func (m *vm) cut() {
	if m.qemu == nil {
		return
	}
	m.qemu.Process.Kill()
	<-m.ended
	m.qemu.Wait()
	m.qemu = nil
}

// result is the exit status and the output of a shell script that ran in the machine.
type result struct {
	Status int
	Output string
}

// try runs a shell script as root in the virtual machine. It returns an error only if
// the machine does not answer. The result says whether the script failed.
func (m *vm) try(script string) (result, error) {
	var r result
	err := m.call("POST", "/run", strings.NewReader(script), &r)
	return r, err
}

// run runs a shell script in the virtual machine and returns its output. It fails the
// test if the script fails.
func (m *vm) run(script string) string {
	m.t.Helper()
	r, err := m.try(script)
	if err != nil {
		m.t.Fatalf("%s\n%v", script, err)
	}
	if r.Status != 0 {
		m.t.Fatalf("%s\nexited with %d:\n%s", script, r.Status, r.Output)
	}
	return strings.TrimSpace(r.Output)
}

// ask sends a request to the guest program in the machine and decodes the answer into
// out.
func (m *vm) ask(path string, in, out any) {
	m.t.Helper()
	body, err := json.Marshal(in)
	if err == nil {
		err = m.call("POST", path, bytes.NewReader(body), out)
	}
	if err != nil {
		m.t.Fatalf("%s %s: %v", path, body, err)
	}
}

// put copies a file into the virtual machine.
func (m *vm) put(file, path, mode string) {
	m.t.Helper()
	f, err := os.Open(file)
	if err != nil {
		m.t.Fatal(err)
	}
	defer f.Close()
	m.write(f, path, mode)
}

// write writes a file in the virtual machine.
func (m *vm) write(from io.Reader, path, mode string) {
	m.t.Helper()
	query := url.Values{"path": {path}, "mode": {mode}}
	if err := m.call("PUT", "/file?"+query.Encode(), from, nil); err != nil {
		m.t.Fatalf("write %s: %v", path, err)
	}
}

// call sends an HTTP request to the guest program in the machine and decodes the answer
// into out.
func (m *vm) call(method, path string, body io.Reader, out any) error {
	request, err := http.NewRequestWithContext(m.t.Context(), method, "http://"+m.address+path, body)
	if err != nil {
		return err
	}

	response, err := (&http.Client{Timeout: 7 * time.Minute}).Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()

	text, err := io.ReadAll(response.Body)
	if err != nil {
		return err
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s: %s", response.Status, bytes.TrimSpace(text))
	}

	if out == nil {
		return nil
	}
	return json.Unmarshal(text, out)
}
