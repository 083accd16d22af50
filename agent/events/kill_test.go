package events

import (
	"bufio"
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"go.uber.org/zap"
)

// killDir is the environment variable that turns the test process into the victim.
// Its value is the state directory.
const killDir = "LATCHD_TEST_KILL_DIR"

// SIGKILL at any moment leaves a readable events file that has lost no written event
// and in which at most the last sent event is queued again. LATCHD_TEST_KILLS sets
// the number of kills; the test logs its seed.
func TestEventsSurviveSIGKILL(t *testing.T) {
	if dir := os.Getenv(killDir); dir != "" {
		addUntilKilled(t, dir)
	}

	kills := killCount(t)
	seed := rand.Uint64()
	t.Logf("seed %d, %d kills", seed, kills)
	random := rand.New(rand.NewPCG(seed, 0))
	dir := t.TempDir()
	for range kills {
		written, sent := killOne(t, dir, random)
		text, err := os.ReadFile(filepath.Join(dir, "events.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		log, bad, err := parse(text, DefaultLimits)
		if err != nil || bad > 1 {
			t.Fatalf("%d bad lines, %v", bad, err)
		}
		if log.next <= written {
			t.Errorf("event %d was in the file, but the next sequence number is %d", written, log.next)
		}
		queue := log.all()
		if len(queue) > 0 && queue[0].Seq <= sent {
			t.Errorf("event %d is queued again, but all up to %d were sent", queue[0].Seq, sent)
		}
		for i, e := range queue {
			if e.Seq != queue[0].Seq+uint64(i) {
				t.Fatalf("queue[%d] has sequence number %d; queue[0] has %d", i, e.Seq, queue[0].Seq)
			}
		}
	}
}

// killCount returns the number of kills, from LATCHD_TEST_KILLS or 10.
func killCount(t *testing.T) int {
	t.Helper()
	text := os.Getenv("LATCHD_TEST_KILLS")
	if text == "" {
		return 10
	}
	kills, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return kills
}

// killOne runs a process that queues and sends events, and kills it. It returns the
// last sequence numbers that the process found in the file: written and marked sent.
func killOne(t *testing.T, dir string, random *rand.Rand) (written, sent uint64) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestEventsSurviveSIGKILL$")
	cmd.Env = append(os.Environ(), killDir+"="+dir)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}

	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}

	lines := bufio.NewScanner(out)
	for written == 0 && lines.Scan() { // a slow disk may take a while for the first write
		fmt.Sscan(lines.Text(), &written, &sent)
	}
	for range random.IntN(30) {
		if !lines.Scan() {
			break
		}
	}

	time.Sleep(time.Duration(random.IntN(3000)) * time.Microsecond) // reaches the middle of a write
	cmd.Process.Kill()
	fmt.Sscan(lines.Text(), &written, &sent)
	for lines.Scan() {
		fmt.Sscan(lines.Text(), &written, &sent)
	}

	cmd.Wait()
	if written == 0 {
		t.Fatal("the process wrote nothing")
	}

	return written, sent
}

// addUntilKilled queues events, sends some of them, and prints the sequence numbers
// that it finds in the file.
func addUntilKilled(t *testing.T, dir string) {
	e := Open(dir, limits(50), zap.NewNop())
	for i := 0; ; i++ {
		e.put("a")
		if i%2 == 0 {
			e.Sent(e.await(t))
		}
		text, err := os.ReadFile(filepath.Join(dir, "events.jsonl"))
		if err != nil { // the file is not written yet
			continue
		}
		end := bytes.LastIndexByte(text, '\n')
		log, _, err := parse(text[:end+1], DefaultLimits)
		if err != nil {
			t.Fatal(err)
		}
		sent := log.next - 1
		if queue := log.all(); len(queue) > 0 {
			sent = queue[0].Seq - 1
		}
		fmt.Println(log.next-1, sent)
	}
}
