package credentials

import (
	"errors"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
)

// Commands that replace keys at the same time must not undo each other.
func TestRollPolicyKeysAtOnce(t *testing.T) {
	t.Parallel()

	dir := t.TempDir()
	if _, err := Load(Options{Dir: dir, Name: "hub.test", Now: time.Now, Log: zap.NewNop()}); err != nil {
		t.Fatal(err)
	}
	read := func(name string, secondary bool) string {
		text, err := PolicyConnectionString(dir, name, secondary)
		if err != nil {
			t.Error(err)
		}
		return text
	}

	before := make(map[string]string)
	for _, name := range PolicyNames() {
		before[name] = read(name, true)
	}
	var rolls sync.WaitGroup
	errs := make([]error, len(PolicyNames()))
	for i, name := range PolicyNames() {
		rolls.Go(func() { errs[i] = RollPolicyKey(dir, name, true) })
	}
	rolls.Wait()

	if err := errors.Join(errs...); err != nil {
		t.Error(err)
	}
	for _, name := range PolicyNames() {
		if read(name, true) == before[name] {
			t.Errorf("the key of %s is the old one", name)
		}
	}
}
