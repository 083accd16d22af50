package provisioning_test

import (
	"errors"
	"fmt"
	"sync"
	"testing"

	"github.com/latchd/latchd/transport/hub/internal/provisioning"
	"github.com/latchd/latchd/transport/iothub"
)

// A stranger's attempt must not make the hub read and parse all groups. Changes of a group
// must count at once.
func TestCostOfAStranger(t *testing.T) { // not parallel, because it counts allocations
	f := start(t)
	key := iothub.NewKey()
	f.putGroups(t, 20)
	stranger := f.login("door", iothub.NewKey())
	admit := func(want bool) {
		t.Helper()
		_, _, err := f.Admit(t.Context(), f.login("door", provisioning.DeriveKey(key, "door")))
		if refused := errors.Is(err, &iothub.Error{Code: iothub.CodeUnauthorized}); err != nil && !refused || refused == want {
			t.Errorf("%v, want admitted %t", err, want)
		}
	}

	if n := testing.AllocsPerRun(20, func() { f.Admit(t.Context(), stranger) }) / 20; n > 60 {
		t.Errorf("a stranger's attempt makes %.0f allocations for each group", n)
	}

	admit(false)
	f.put(t, provisioning.Enrollment{GroupID: "new", Attestation: keys(key, iothub.NewKey())}, "")
	admit(true)
	f.put(t, provisioning.Enrollment{GroupID: "new", Status: iothub.Disabled, Attestation: keys(key, iothub.NewKey())}, "*")
	admit(false)
	f.put(t, provisioning.Enrollment{GroupID: "new", Attestation: keys(key, iothub.NewKey())}, "*")
	admit(true)
	if err := f.Delete(t.Context(), true, "new", ""); err != nil {
		t.Fatal(err)
	}
	admit(false)
}

func TestLimitsOfGroups(t *testing.T) {
	t.Parallel()

	f := start(t)
	f.putGroups(t, 200)
	if _, err := f.Put(t.Context(), group("more"), ""); !errors.Is(err, &iothub.Error{Code: iothub.CodeQuotaExceeded}) {
		t.Errorf("the group 201: %v", err)
	}
	f.put(t, group("g7"), "*")
	if err := f.Delete(t.Context(), true, "g7", ""); err != nil {
		t.Fatal(err)
	}
	f.put(t, group("more"), "")
}

func group(id string) provisioning.Enrollment {
	return provisioning.Enrollment{GroupID: id, Attestation: keys(iothub.NewKey(), iothub.NewKey()),
		InitialTwin: &iothub.TwinPatch{Tags: iothub.Object{"building": "43", "floor": "3"}}}
}

// putGroups stores the groups g0, g1 and so on. It stores them at the same time, so that they
// share transactions.
func (f *fixture) putGroups(t *testing.T, n int) {
	t.Helper()
	var puts sync.WaitGroup
	for i := range n {
		puts.Go(func() {
			if _, err := f.Put(t.Context(), group(fmt.Sprint("g", i)), ""); err != nil {
				t.Error(err)
			}
		})
	}
	puts.Wait()
}
