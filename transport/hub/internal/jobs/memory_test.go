package jobs_test

import (
	"encoding/json"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// heap returns the number of bytes on the heap after a garbage collection.
func heap() int64 {
	runtime.GC()
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}

// TestWaitingJobsTakeLittleMemory restarts a hub with 400 jobs for a later year. The test
// does not run in parallel with others, because it measures the memory of the process.
func TestWaitingJobsTakeLittleMemory(t *testing.T) {
	h := newHub(t, "d1")
	defer func() { h.close() }()
	before := heap()
	condition := "deviceId IN ['door-0'" + strings.Repeat(",'x'", 2000) + "]"
	for i := range 400 {
		job := at(lock(fmt.Sprintf("job-%d", i), condition), time.Now().Add(11*365*24*time.Hour))
		job.CloudToDeviceMethod.Payload = json.RawMessage(`"` + strings.Repeat("x", 30<<10) + `"`)
		h.create(job)
	}

	h.restart()
	h.create(lock("now", "*")) // the engine has loaded the other jobs before
	after := heap()

	t.Logf("400 waiting jobs take %d KiB", (after-before)>>10)
	if after-before > 4<<20 {
		t.Errorf("400 waiting jobs take %d KiB, want at most 4096", (after-before)>>10)
	}
}
