package agent

import (
	"strings"
	"testing"
	"time"

	"github.com/latchd/latchd/actuator"
)

// No reported text is longer than a hub accepts, wherever the text comes from. A hub
// refuses the whole report otherwise.
func TestReportedTextsAreBounded(t *testing.T) {
	a := bareAgent(t)
	long := strings.Repeat("\U0001F6AA", 10_000) // each character takes four bytes
	a.config.System = System{OS: long, Kernel: long, Model: long}
	a.lock = doorLock{&stillLock{}, actuator.Status{Fault: long, Last: &actuator.Last{Name: "lockDoor", Reason: long, At: time.Now()}}}
	a.link.Store(&linkInfo{lastError: long})

	var check func(path string, value any)
	check = func(path string, value any) {
		switch value := value.(type) {
		case string:
			if len(value) > 4096 {
				t.Errorf("%s has %d bytes", path, len(value))
			}
		case map[string]any:
			for name, v := range value {
				check(path+"."+name, v)
			}
		}
	}
	check("reported", map[string]any(normalize(a.reported())))
}
