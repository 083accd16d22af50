package mqtt

import (
	"fmt"
	"runtime"
	"strings"
	"testing"

	"go.uber.org/zap"

	"github.com/latchd/latchd/transport/iothub"
)

// Methods with long names and short ids must not stay in memory after their answers.
// The test is not parallel, because it measures the heap.
func TestAnsweredMethodsAreForgotten(t *testing.T) {
	b := newInbox(zap.NewNop())
	before := heap()
	for n := range 5000 {
		id := fmt.Sprint(n)
		name, rid, err := iothub.ParseMethodRequest(iothub.MethodRequestTopic(strings.Repeat("n", 60_000), id))
		if err != nil {
			t.Fatal(err)
		}
		b.addMethod(iothub.Method{Name: name, RequestID: rid})
		<-b.methods
		if !b.startAnswer(id) {
			t.Fatalf("method %s was not accepted", id)
		}
		b.finishAnswer(id)
	}

	if grown := heap() - before; grown > 1<<20 {
		t.Errorf("the inbox uses %d KiB", grown>>10)
	}
	if b.bytes != 0 || len(b.unanswered) != 0 {
		t.Errorf("%d bytes of %d methods are counted as unanswered", b.bytes, len(b.unanswered))
	}
	runtime.KeepAlive(b)
}

// The inbox must recognize the last ids, and must remember at most 16 KiB of them.
func TestRecentIDs(t *testing.T) {
	t.Parallel()

	r := recentIDs{known: make(map[string]struct{})}
	for n := range 1000 {
		if id := fmt.Sprint(n); !r.add(id) || r.add(id) {
			t.Fatalf("id %s is not recognized", id)
		}
	}
	if r.add("999") || r.add("744") || !r.add("743") {
		t.Error("want the last 256 ids, and no more")
	}

	for n := range 100 {
		r.add(fmt.Sprintf("%01000d", n))
	}
	if r.bytes > rememberedBytes || len(r.queue) != len(r.known) || r.add(fmt.Sprintf("%01000d", 99)) {
		t.Errorf("%d ids with %d bytes are remembered", len(r.known), r.bytes)
	}
}

// heap returns the size of the reachable objects on the heap, in bytes.
func heap() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc)
}
