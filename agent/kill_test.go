package agent

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/actuator/mock"
	"github.com/latchd/latchd/transport/iothub"
)

// killedAgent, in the environment, makes the test's process an agent that is
// killed: the state directory, the bolt's position, and a fault of the lock.
const killedAgent = "LATCHD_TEST_KILLED_AGENT"

// Whenever an agent is killed, in the midst of a motion or not, with a good lock
// or a faulty one: its state is whole and says what was answered, its settings
// are those that were acknowledged, its events are in order, and the next agent
// requests the line at the level that it had and drives nothing by itself.
// LATCHD_TEST_KILLS says how often; the seed is printed.
func TestAgentSurvivesSIGKILL(t *testing.T) {
	if text := os.Getenv(killedAgent); text != "" {
		runUntilKilled(t, strings.Split(text, ","))
	}
	kills := killCount(t)
	seed := rand.Uint64()
	random := rand.New(rand.NewPCG(seed, 0))
	k := &killed{t: t, dir: t.TempDir(), bolt: actuator.Locked, levels: []string{"locked"}}
	for range kills {
		k.once(random)
	}
	t.Logf("seed %d: %d kills, %d in the midst of a motion, %d commands", seed, kills, k.moving, k.commands)
	if k.moving*100 < 30*kills {
		t.Errorf("only %d of %d kills were in the midst of a motion", k.moving, kills)
	}
}

// killed is what the test knows of an agent's door over the agent's lives.
type killed struct {
	t        *testing.T
	dir      string
	bolt     actuator.Position
	levels   []string // that the line was requested at or driven to
	answered int      // the last command that was answered, 0 is none
	set      int      // the last setting that was acknowledged
	moving   int
	commands int
}

// once lets an agent live for a while and looks at what it leaves.
func (k *killed) once(random *rand.Rand) {
	k.t.Helper()
	before := k.state()
	fault := []mock.Fault{mock.None, mock.None, mock.Jam, mock.DeadSensor}[random.IntN(4)]
	lines := k.live(fault, time.Duration(random.IntN(80_000))*time.Microsecond)

	asked, target, done := 0, "", false // the command that is under way, or was done last
	for i, line := range lines {
		var n int
		switch kind, rest, _ := strings.Cut(line, " "); kind {
		case "open":
			if want := lastLevel(before.Lock.Level); i != 0 || rest != want {
				k.t.Errorf("line %d: requested at %s, the state says %s", i, rest, want)
			}
			k.levels = append(k.levels, rest)
		case "drive":
			if target == "" {
				k.t.Errorf("driven to %s without a command", rest)
			}
			if k.levels = append(k.levels, rest); fault == mock.None {
				k.bolt = actuator.Position(rest)
			}
		case "do":
			fmt.Sscan(rest, &asked, &target)
			done = false
			k.commands++
		case "did":
			if fmt.Sscan(rest, &n); n == asked {
				k.answered, asked, done = n, 0, strings.HasSuffix(rest, " <nil>") // else it was refused
			}
		case "set":
			fmt.Sscan(rest, &k.set)
		default:
			k.t.Errorf("the agent says %q", line)
		}
	}
	after := k.state()
	if asked > 0 { // not answered: the record is of before the motion or of after
		k.moving++
		if last := k.levels[max(0, len(k.levels)-2):]; !strings.Contains(strings.Join(last, " "), string(after.Lock.Level)) {
			k.t.Errorf("the state says %s, the line was at %v", after.Lock.Level, last)
		}
	} else if done && string(after.Lock.Level) != target {
		k.t.Errorf("command %d to %s was answered, the state says %s", k.answered, target, after.Lock.Level)
	}
	if last := after.Lock.Last; k.answered > 0 && (last == nil || number(last.Reason) < k.answered) {
		k.t.Errorf("command %d was answered, the last one in the state is %+v", k.answered, last)
	}
	if room, _ := after.Accepted["room"].(string); number(room) < k.set {
		k.t.Errorf("setting %d was acknowledged, the state has %q", k.set, room)
	}
	k.checkEvents()
}

// live runs an agent for a while and returns what it said.
func (k *killed) live(fault mock.Fault, life time.Duration) []string {
	k.t.Helper()
	cmd := exec.CommandContext(k.t.Context(), os.Args[0], "-test.run=^TestAgentSurvivesSIGKILL$")
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%s,%s,%s,%d", killedAgent, k.dir, k.bolt, fault, max(k.answered, k.set)+1000))
	out, err := cmd.StdoutPipe()
	if err != nil {
		k.t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		k.t.Fatal(err)
	}
	var lines []string
	scanner := bufio.NewScanner(out)
	for scanner.Scan() {
		if lines = append(lines, scanner.Text()); len(lines) == 1 {
			kill := time.AfterFunc(life, func() { cmd.Process.Kill() })
			defer kill.Stop()
		}
	}
	cmd.Wait()
	if len(lines) == 0 {
		k.t.Fatal("the agent did not start")
	}
	return lines
}

func (k *killed) state() State {
	k.t.Helper()
	text, err := os.ReadFile(filepath.Join(k.dir, "state.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return State{}
	}
	state, err2 := readState(text)
	if err := errors.Join(err, err2); err != nil {
		k.t.Fatalf("the state: %v", err)
	}
	return state
}

func (k *killed) checkEvents() {
	k.t.Helper()
	text, err := os.ReadFile(filepath.Join(k.dir, "events.jsonl"))
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	log, bad, err2 := readEvents(text)
	if err := errors.Join(err, err2); err != nil || bad > 1 {
		k.t.Fatalf("the events: %d bad lines, %v", bad, err)
	}
	for i, e := range log.queue {
		if e.Seq != log.queue[0].Seq+uint64(i) {
			k.t.Fatalf("event %d has number %d, the first has %d", i, e.Seq, log.queue[0].Seq)
		}
	}
}

// lastLevel is what a line is requested at after a process that left this level.
func lastLevel(level actuator.Position) string {
	if level == actuator.Unlocked {
		return "unlocked"
	}
	return "locked"
}

// number is the number that a reason or a setting has.
func number(text string) int {
	n := 0
	fmt.Sscan(text, &n)
	return n
}

// toldLock says what is done with its line before it is done.
type toldLock struct {
	*mock.Driver
	opened chan struct{}
}

func (l toldLock) Open(level actuator.Position) (actuator.Position, bool, error) {
	fmt.Println("open", level)
	close(l.opened)
	return l.Driver.Open(level)
}

func (l toldLock) Drive(target actuator.Position) error {
	fmt.Println("drive", target)
	return l.Driver.Drive(target)
}

// runUntilKilled locks and unlocks and takes settings, and says so.
func runUntilKilled(t *testing.T, how []string) {
	dir, bolt, fault, first := how[0], actuator.Position(how[1]), mock.Fault(how[2]), number(how[3])
	store, err := OpenStore(dir, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	clock, err := actuator.SystemClock()
	if err != nil {
		t.Fatal(err)
	}
	events := OpenEvents(dir, 50, zap.NewNop())
	driver := toldLock{mock.New(mock.Config{Travel: 5 * time.Millisecond, Fault: fault}, bolt), make(chan struct{})}
	lock := actuator.New(actuator.Config{ConfirmTimeout: 20 * time.Millisecond, Observe: events.Observe},
		driver, store, store.Get().Lock, clock, zap.NewNop())
	go lock.Run(context.Background())
	<-driver.opened
	target := actuator.Unlocked
	for n := first; ; n++ {
		fmt.Println("do", n, target)
		result, err := lock.Do(context.Background(), actuator.Command{Name: "test", Reason: fmt.Sprint(n), Target: target})
		fmt.Println("did", n, result.Position, err)
		saved := make(chan error, 1)
		store.Update(func(s *State) { s.Accepted = iothub.Object{"room": fmt.Sprint(n)} }, func(err error) { saved <- err })
		if err := <-saved; err != nil {
			t.Fatal(err)
		}
		fmt.Println("set", n)
		if target == actuator.Unlocked {
			target = actuator.Locked
		} else {
			target = actuator.Unlocked
		}
	}
}
