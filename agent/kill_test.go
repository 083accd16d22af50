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
	"strconv"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/actuator/mock"
	"github.com/latchd/latchd/agent/events"
	"github.com/latchd/latchd/transport/iothub"
)

// killedAgent is the environment variable that turns the test process into the agent
// to kill. Its value holds the state directory, the bolt's position, the lock's fault
// and the number of the first command, separated by commas.
const killedAgent = "LATCHD_TEST_KILLED_AGENT"

// SIGKILL at any moment, during a motion or not, with a good or a faulty lock, leaves
// a readable state that includes every answered command and every acknowledged
// setting, and events in order. The next agent requests the line at its last level
// and drives nothing without a command. LATCHD_TEST_KILLS sets the number of kills;
// the test logs its seed.
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

	t.Logf("seed %d: %d kills, %d during a motion, %d commands", seed, kills, k.moving, k.commands)
	if k.moving*100 < 30*kills {
		t.Errorf("only %d of %d kills came during a motion", k.moving, kills)
	}
}

// killLimits makes the log of events drop events during the test.
var killLimits = events.Limits{
	Important: events.Limit{Events: 50, Bytes: 50_000},
	Routine:   events.Limit{Events: 50, Bytes: 50_000},
}

// killed records what the test knows about one door while it kills several agents.
type killed struct {
	t        *testing.T
	dir      string
	bolt     actuator.Position
	levels   []string // levels at which the line was requested or to which it was driven
	answered int      // number of the last answered command; 0 if there was none
	refused  bool     // the last answered command was refused or failed
	set      int      // number of the last acknowledged setting
	moving   int      // number of kills during a motion
	commands int      // number of commands given
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

// once runs an agent for a random time, kills it, and checks the files that it leaves.
func (k *killed) once(random *rand.Rand) {
	k.t.Helper()
	before := k.state()
	fault := []mock.Fault{mock.None, mock.None, mock.Jam, mock.DeadSensor}[random.IntN(4)]
	lines := k.live(fault, time.Duration(random.IntN(80_000))*time.Microsecond)

	asked, target := 0, "" // number and target of the command in progress, or of the last one
	done := false          // the last command succeeded
	for i, line := range lines {
		var n int
		switch kind, rest, _ := strings.Cut(line, " "); kind {
		case "open":
			if want := lastLevel(before.Lock.Level); i != 0 || rest != want {
				k.t.Errorf("line %d: the line was requested at %s; the state has %s", i, rest, want)
			}
			k.levels = append(k.levels, rest)
		case "drive":
			if target == "" {
				k.t.Errorf("the line was driven to %s without a command", rest)
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
				k.answered, asked = n, 0
				done = strings.HasSuffix(rest, " <nil>") // false if the command was refused
				k.refused = !done
			}
		case "set":
			fmt.Sscan(rest, &k.set)
		default:
			k.t.Errorf("unexpected output of the agent: %q", line)
		}
	}

	after := k.state()
	if asked > 0 { // not answered: the state is from before or after the motion
		k.moving++
		if last := k.levels[max(0, len(k.levels)-2):]; !strings.Contains(strings.Join(last, " "), string(after.Lock.Level)) {
			k.t.Errorf("the state has %s; the last levels of the line were %v", after.Lock.Level, last)
		}
	} else if done && string(after.Lock.Level) != target {
		k.t.Errorf("command %d to %s was answered, but the state has %s", k.answered, target, after.Lock.Level)
	}
	if last := after.Lock.Last; k.answered > 0 && (last == nil || number(last.Reason) < k.answered) {
		k.t.Errorf("command %d was answered, but the last command in the state is %+v", k.answered, last)
	}
	if room, _ := after.Accepted["room"].(string); number(room) < k.set {
		k.t.Errorf("setting %d was acknowledged, but the state has %q", k.set, room)
	}

	k.checkEvents()
}

// live runs an agent, kills it after the time life, and returns its output lines.
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

// state reads the state file.
func (k *killed) state() State {
	k.t.Helper()
	text, err := os.ReadFile(filepath.Join(k.dir, "state.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return State{}
	}
	state, err2 := decodeState(text)
	if err := errors.Join(err, err2); err != nil {
		k.t.Fatalf("read the state: %v", err)
	}
	return state
}

// checkEvents checks that the events file is readable, that it lacks only the events
// that were dropped, and that it has the event of the last answered command. A log that is
// full of other events drops the event of a refused command at once.
func (k *killed) checkEvents() {
	k.t.Helper()
	file, err := events.Read(k.dir)
	if errors.Is(err, fs.ErrNotExist) {
		return
	}
	if err != nil || file.Unreadable > 1 {
		k.t.Fatalf("read the events: %d bad lines, %v", file.Unreadable, err)
	}

	answered, dropped := 0, file.Dropped.Important+file.Dropped.Routine
	refusals := 0
	for _, e := range file.Events {
		answered = max(answered, number(e.Reason))
		if e.Code != "" {
			refusals++
		}
	}
	if uint64(len(file.Events))+uint64(dropped) != file.Next-1 {
		k.t.Fatalf("%d events and %d dropped ones, but the next sequence number is %d", len(file.Events), dropped, file.Next)
	}
	full := refusals == 0 && file.Dropped.Important > 0
	if answered < k.answered && !(k.refused && full) {
		k.t.Errorf("command %d was answered, but the newest event is of command %d", k.answered, answered)
	}
}

// lastLevel returns the level at which the next agent must request the line. It is
// locked if the state has no level yet.
func lastLevel(level actuator.Position) string {
	if level == actuator.Unlocked {
		return "unlocked"
	}
	return "locked"
}

// number parses the number in a reason or a setting; it is 0 if there is none.
func number(text string) int {
	n := 0
	fmt.Sscan(text, &n)
	return n
}

// printingLock is a mock lock that prints each action on its line before the action.
type printingLock struct {
	*mock.Driver
	opened chan struct{}
}

func (l printingLock) Open(level actuator.Position) (actuator.Position, bool, error) {
	fmt.Println("open", level)
	close(l.opened)
	return l.Driver.Open(level)
}

func (l printingLock) Drive(target actuator.Position) error {
	fmt.Println("drive", target)
	return l.Driver.Drive(target)
}

// runUntilKilled is the agent to kill: it locks, unlocks and changes a setting in turn,
// and prints each step.
func runUntilKilled(t *testing.T, args []string) {
	dir, bolt := args[0], actuator.Position(args[1])
	fault, first := mock.Fault(args[2]), number(args[3])
	store, err := OpenStore(dir, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}

	clock, err := actuator.SystemClock()
	if err != nil {
		t.Fatal(err)
	}

	log := events.Open(dir, killLimits, zap.NewNop())
	driver := printingLock{mock.New(mock.Config{Travel: 5 * time.Millisecond, Fault: fault}, bolt), make(chan struct{})}
	lock := actuator.New(actuator.Config{ConfirmTimeout: 20 * time.Millisecond},
		driver, Recorder{store, log}, store.Get().Lock, clock, zap.NewNop())
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
