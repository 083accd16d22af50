package words

import (
	"os/exec"
	"testing"
	"time"
)

// A command that a hint tells the user to copy passes the id to latchctl unchanged, and
// runs nothing else.
func TestShellArgument(t *testing.T) {
	t.Parallel()
	for id, plain := range map[string]bool{
		"front": true, "east-1.2:3_4": true, "a@b,c=d+e%f": true,
		"x$(echo evil)": false, "x`echo evil`": false, "a;b": false, "it's": false, "'": false, "a b": false, "*": false, "a?": false,
		"#": false, "!!": false, "(a)": false, "": false, "-rf": false, "=ls": false, "~": false, "a\nb": false,
	} {
		argument := ShellArgument(id)
		if (argument == id) != plain {
			t.Errorf("%q is written %s; quotes are needed: %t", id, argument, !plain)
		}
		out, err := exec.CommandContext(t.Context(), "sh", "-c", "printf %s "+argument).CombinedOutput()
		if err != nil || string(out) != id {
			t.Errorf("sh reads %s as %q, %v; want %q", argument, out, err, id)
		}
	}
}

func TestDuration(t *testing.T) {
	t.Parallel()
	for d, want := range map[time.Duration]string{
		1200 * time.Millisecond: "1.2 s", 9 * time.Second: "9 s", 59 * time.Second: "59 s", 5 * time.Minute: "5 min",
		125 * time.Second: "2 min 5 s", time.Hour: "1 h", 3780 * time.Second: "1 h 3 min",
	} {
		if got := Duration(d); got != want {
			t.Errorf("%v: %q, want %q", d, got, want)
		}
	}
}
