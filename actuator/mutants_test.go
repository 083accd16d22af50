package actuator

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// mutant is a fault in the machine that TestExplore must find.
type mutant struct {
	file, old, faulty string // the text in file and its faulty replacement
	config            string // a configuration that shows the fault
	finding           string // what TestExplore says about it
}

var mutants = map[string]mutant{
	"a waiting lock throws the bolt while the door is open": {"due.go",
		"if m.wanted.target == Locked && m.door.state == DoorOpen {", "if false {",
		"hold+door-sensor+manual", "locked an open door"},
	"a relock throws the bolt while the door is open": {"promise.go",
		"if m.door.state == DoorOpen || m.leaving() {", "if m.leaving() {",
		"hold+door-sensor+manual", "locked an open door"},
	"the request for the line throws the bolt while the door is open": {"due.go",
		"	if level == Locked && m.door.state == DoorOpen {", "	if false {",
		"hold+door-sensor+manual", "the request locks an open door"},
	"the door locks before it has settled": {"promise.go",
		"return max(due, p.retry, m.settledAt())", "return max(due, p.retry)",
		"hold+door-sensor+manual", "locked before the door had settled"},
	"an unlock promises no relock": {"drive.go",
		"	for _, w := range waiters {\n		m.promise(w.cmd)\n	}\n", "	_ = waiters\n",
		"hold", "an unlock was answered without its hold or release"},
	"a release is twice as long": {"promise.go",
		"end := m.now.uptime + c.For;", "end := m.now.uptime + 2*c.For;",
		"hold", "a release has a wrong end"},
	"of two releases the last one wins": {"promise.go",
		"!r.made || end > r.end {", "true {",
		"hold+exit+last", "a release was shortened"},
	"a release ends a hold": {"promise.go",
		"	case p.hold: // the door stays unlocked without a limit\n", "	case false:\n",
		"hold", "a hold and a promised lock"},
	"a hold cancels a pending lock without an event": {"promise.go",
		"		m.supersedePending(c)\n", "",
		"hold+door-sensor+manual", "a pending lock was cancelled silently"},
	"closing the door cancels a pending lock": {"inputs.go",
		"	m.promises.release.overdue = false\n\n", "	m.promises = promises{}\n\n",
		"hold+door-sensor+manual", "was forgotten"},
	"a failed drive loses the promises": {"lines.go",
		"m.promises, m.unfinished = mot.before, promises{}", "m.promises, m.unfinished = promises{}, promises{}",
		"hold+unlocked+faults", "a pending lock was forgotten"},
	"a strike is energised beyond its bound": {"drive.go",
		"min(max(e.until, m.now.uptime+duration), e.since+m.set.maxEnergised)", "max(e.until, m.now.uptime+duration)",
		"pulse+bolt-sensor+manual", "energised for"},
	"a motor's pulse does not end": {"drive.go",
		"		m.onLines = idleLines{}\n", "",
		"dual+door-sensor+manual", "energised for"},
	"an unlock ignores the minimum interval": {"due.go",
		"		return m.drivableAt()\n	}\n	prolongs", "		return 0\n	}\n	prolongs",
		"hold", "moved within the minimum interval"},
	"a new pulse ignores the minimum interval": {"due.go",
		"return m.energised.endedAt + m.set.minInterval", "return 0",
		"pulse+bolt-sensor+manual", "moved within the minimum interval"},
	"lockdown refuses an exit": {"commands.go",
		"c.Target == Locked || c.Origin == Exit {", "c.Target == Locked {",
		"hold+exit+last", "an exit was refused: lockdown"},
	"an exit ends lockdown": {"commands.go",
		"	refusal := m.objection(c)\n", "	refusal := m.objection(c)\n	m.lockdown = m.lockdown && c.Origin != Exit\n",
		"hold+exit+last", "lockdown is lost"},
	"an exit leaves the door unlocked": {"commands.go",
		"c.For = cmp.Or(m.tuning.AutoRelock, m.set.exitTime)", "c.For = 0 * cmp.Or(m.tuning.AutoRelock, m.set.exitTime)",
		"hold+exit+last", "a hold began although no command demands it"},
	"a stuck exit button unlocks at the start": {"inputs.go",
		"	if before != ExitIdle {\n		return false\n	}\n", "",
		"hold+exit+last", "unlocked although nobody asked"},
	"lockdown does not refuse an unlock": {"commands.go",
		"if m.lockdown && !c.OverrideLockdown {", "if false {",
		"hold", "lockdown did not refuse an unlock"},
	"lockdown does not lock": {"commands.go",
		"		m.promiseLock(Command{Name: \"lockDoor\", Target: Locked, Origin: Lockdown})\n", "",
		"hold", "lockdown does not lock the door"},
	"the end of lockdown unlocks": {"commands.go",
		"	m.tell(Event{Kind: EventLockdownOff})\n", "	m.tell(Event{Kind: EventLockdownOff})\n	m.want(waiter{cmd: m.exitCommand()})\n",
		"hold", "unlocked although nobody asked"},
	"commands are answered twice": {"commands.go",
		"	m.wanted = wanted{}\n	return waiters", "	m.wanted.target = \"\"\n	return waiters",
		"hold", "answer 1 to nobody"},
	"a refused command leaves no event": {"outcome.go",
		"	m.finish(w, why.Code, \"\")\n", "",
		"hold", "0 events for 1 answers"},
	"a jam counts as success": {"outcome.go",
		"	if m.bolt.sensed == m.motion.target {", "	if true {",
		"hold+bolt-sensor+last", "confirmed without the sensor"},
	"an announced exit raises the alarm": {"inputs.go",
		" || now < m.exit.announcedUntil", "",
		"pulse+door-sensor+shunt", "1 alarms of a forced door, want 0"},
	"a handle raises the alarm": {"inputs.go",
		"	case m.set.manual:\n		e.Cause = CauseManual\n", "",
		"hold+door-sensor+manual", "1 alarms of a forced door, want 0"},
	"a forced door raises no alarm": {"inputs.go",
		"case m.openingExpected(), m.bolt.position != Locked:", "case true:",
		"hold+door-sensor+last", "0 alarms of a forced door, want 1"},
	"a forced bolt raises no alarm": {"inputs.go",
		"	case m.openingExpected():\n		return Event{}\n	case m.set.manual", "	case true:\n		return Event{}\n	case m.set.manual",
		"hold+bolt-sensor+last", "0 alarms of a forced door, want 1"},
	"the alarm ends when the door is closed but unlocked": {"inputs.go",
		"m.door.known != DoorOpen && m.bolt.position == Locked {\n		m.forced", "m.door.known != DoorOpen {\n		m.forced",
		"hold+door-sensor+last", "the alarm ended although the door is not secured"},
	"a door held open raises no alarm": {"due.go",
		"		m.tell(Event{Kind: EventHeldOpen})\n", "",
		"hold+door-sensor+manual", "0 events of a door held open"},
	"a lock command that waits for the door is refused": {"commands.go",
		"	if !w.cmd.WhenClosed {\n", "	if true {\n",
		"hold+door-sensor+manual", "a lock that waits for the door was refused"},
}

// TestMutants builds this package with each mutant and checks that TestExplore finds
// the fault. By default, it only checks that each mutant's text occurs in the machine,
// because the builds take minutes. Set LATCHD_TEST_MUTANTS=1 to run them all.
func TestMutants(t *testing.T) {
	t.Parallel()
	folder, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}

	for name, m := range mutants {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			file := filepath.Join(folder, m.file)
			source, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if n := strings.Count(string(source), m.old); n != 1 {
				t.Fatalf("%s contains the text %d times, want once; adapt the mutant to the machine:\n%s", m.file, n, m.old)
			}

			if os.Getenv("LATCHD_TEST_MUTANTS") != "" {
				m.explore(t, file, strings.Replace(string(source), m.old, m.faulty, 1))
			}
		})
	}
}

// explore runs TestExplore with a faulty source file. The go command reads this file
// instead of the original, which does not change.
func (m mutant) explore(t *testing.T, file, faulty string) {
	dir := t.TempDir()
	replacement, overlay := filepath.Join(dir, m.file), filepath.Join(dir, "overlay.json")
	list, err := json.Marshal(map[string]map[string]string{"Replace": {file: replacement}})
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string]string{replacement: faulty, overlay: string(list)} {
		if err := os.WriteFile(name, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}

	config := "^TestExplore$/^" + strings.ReplaceAll(m.config, "+", `\+`) + "$"
	cmd := exec.CommandContext(t.Context(), "go", "test", "-vet=off", "-overlay", overlay, "-run", config, ".")
	cmd.Env = append(os.Environ(), "LATCHD_TEST_EXPLORE=") // the default configurations
	out, err := cmd.CombinedOutput()
	switch {
	case err == nil:
		t.Errorf("TestExplore does not find the fault:\n%s", out)
	case !strings.Contains(string(out), m.finding):
		t.Errorf("TestExplore fails, but does not say %q:\n%s", m.finding, out)
	}
}
