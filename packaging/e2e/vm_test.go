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

// vm is a virtual machine with a lasting disk. Its guest program does what it is
// told over HTTP.
type vm struct {
	t       *testing.T
	disk    string
	address string
	qemu    *exec.Cmd
	ended   chan struct{}

	mu      sync.Mutex
	console []string
	ready   chan struct{} // has a value for each boot
}

// bootTimeout is for software emulation on a machine that has other work.
const bootTimeout = 4 * time.Minute

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
			t.Logf("the console:\n%s", strings.Join(m.interesting(), "\n"))
		}
	})
	m.boot()
	return m
}

// interesting is the end of the console, or its part from where the kernel broke.
func (m *vm) interesting() []string {
	m.mu.Lock()
	defer m.mu.Unlock()
	broke := slices.IndexFunc(m.console, func(line string) bool {
		return strings.Contains(line, "BUG:") || strings.Contains(line, "Oops") || strings.Contains(line, "detected stall") ||
			strings.Contains(line, "self-detected stall")
	})
	if broke >= 0 {
		os.WriteFile(filepath.Join(os.Getenv("E2E_WORK"), "kernel-broke"), nil, 0o600) // for e2e.sh
		return m.console[broke:min(broke+80, len(m.console))]
	}
	return m.console[max(0, len(m.console)-30):]
}

// boot starts the machine and waits for its guest program.
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
		// Emulation everywhere: it is the same on every machine, and KVM does not
		// work wherever its device is there.
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

// waitBoot waits until the guest program is there, after a start or a restart.
func (m *vm) waitBoot() {
	m.t.Helper()
	select {
	case <-m.ready:
	case <-m.ended:
		m.t.Fatal("the machine has ended")
	case <-time.After(bootTimeout):
		m.t.Fatal("the machine does not boot")
	}
	// Its network may come later than its program.
	again := time.NewTicker(200 * time.Millisecond)
	defer again.Stop()
	for deadline := time.Now().Add(bootTimeout); ; <-again.C {
		_, err := m.try("true")
		if err == nil {
			return
		}
		if time.Now().After(deadline) {
			m.t.Fatalf("the machine has no network: %v", err)
		}
	}
}

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

// cut cuts the machine's power.
func (m *vm) cut() {
	if m.qemu == nil {
		return
	}
	m.qemu.Process.Kill()
	<-m.ended
	m.qemu.Wait()
	m.qemu = nil
}

// result is what became of a script in the guest.
type result struct {
	Status int
	Output string
}

// try runs a shell script in the guest as root. The error is of the machine, not
// of the script.
func (m *vm) try(script string) (result, error) {
	var r result
	err := m.call("POST", "/run", strings.NewReader(script), &r)
	return r, err
}

// run runs a script that has to succeed, and returns its output.
func (m *vm) run(script string) string {
	m.t.Helper()
	r, err := m.try(script)
	if err != nil {
		m.t.Fatalf("%s\n%v", script, err)
	}
	if r.Status != 0 {
		m.t.Fatalf("%s\nended with %d:\n%s", script, r.Status, r.Output)
	}
	return strings.TrimSpace(r.Output)
}

// hands asks the guest program for something of the machine's hardware.
func (m *vm) hands(path string, in, out any) {
	m.t.Helper()
	body, err := json.Marshal(in)
	if err == nil {
		err = m.call("POST", path, bytes.NewReader(body), out)
	}
	if err != nil {
		m.t.Fatalf("%s %s: %v", path, body, err)
	}
}

// put copies a file into the guest.
func (m *vm) put(file, path, mode string) {
	m.t.Helper()
	f, err := os.Open(file)
	if err != nil {
		m.t.Fatal(err)
	}
	defer f.Close()
	m.write(f, path, mode)
}

func (m *vm) write(from io.Reader, path, mode string) {
	m.t.Helper()
	query := url.Values{"path": {path}, "mode": {mode}}
	if err := m.call("PUT", "/file?"+query.Encode(), from, nil); err != nil {
		m.t.Fatalf("write %s: %v", path, err)
	}
}

func (m *vm) call(method, path string, body io.Reader, out any) error {
	request, err := http.NewRequestWithContext(m.t.Context(), method, "http://"+m.address+path, body)
	if err != nil {
		return err
	}
	response, err := (&http.Client{Timeout: 3 * time.Minute}).Do(request)
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
