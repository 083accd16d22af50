package system

import (
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"github.com/latchd/latchd/packaging/test/harness"
	"github.com/latchd/latchd/transport/iothub"
)

// The memory of an agent must not depend on the number of methods that it has answered.
// The test counts the memory that the kernel cannot take back: pages without a file.
// After 10,000 methods, the agent has 4.3 MiB of it.
func TestAgentMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("takes a minute")
	}
	t.Parallel()

	const limit = 6 << 10 // KiB
	h := harness.StartHub(t, bin)
	door := harness.StartDoor(t, h, "door-1", "")

	var callers sync.WaitGroup
	for range 4 {
		client := h.Client(t)
		callers.Go(func() {
			for n := range 2500 {
				_, err := client.InvokeMethod(t.Context(), "door-1", iothub.MethodRequest{
					MethodName: "ping", Payload: fmt.Appendf(nil, `{"n":%d,"text":%q}`, n, strings.Repeat("x", 500)),
					ResponseTimeoutInSeconds: 30, ConnectTimeoutInSeconds: 60})
				if err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	callers.Wait()

	used := anonymous(t, door.Pid())
	t.Logf("%d KiB after 10,000 methods", used)
	if used > limit {
		t.Errorf("the agent uses %d KiB after 10,000 methods, want at most %d", used, limit)
	}
}

// anonymous returns the resident memory of a process that belongs to no file, in KiB.
func anonymous(t *testing.T, pid int) int {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "RssAnon:"); ok {
			var kib int
			if _, err := fmt.Sscan(rest, &kib); err != nil {
				t.Fatal(err)
			}
			return kib
		}
	}
	t.Fatal("the kernel reports no RssAnon")
	return 0
}
