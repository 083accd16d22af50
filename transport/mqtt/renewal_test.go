package mqtt_test

import (
	"errors"
	"os"
	"sync"
	"testing"
	"time"

	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/mqtt"
)

// TestRenewalsUnderLoad calls a method every 100 ms while a short-lived token is
// renewed repeatedly. The caller must get the answer to every executed method. Only few
// methods may arrive while there is no link. The environment variable
// LATCHD_TEST_RENEWAL sets the duration, such as 3m.
func TestRenewalsUnderLoad(t *testing.T) {
	if testing.Short() {
		t.Skip("takes 20 s")
	}
	t.Parallel()

	duration, life := 20*time.Second, 10*time.Second
	if text := os.Getenv("LATCHD_TEST_RENEWAL"); text != "" {
		var err error
		if duration, err = time.ParseDuration(text); err != nil {
			t.Fatal(err)
		}
		life = 20 * time.Second
	}

	h := startHub(t)
	g := startGateway(t, h, "renewed", h.at.MQTT.String(), func(o *mqtt.Options) { o.TokenLife = life })
	g.nextLink()

	var calls sync.WaitGroup
	var mu sync.Mutex
	var answered []string
	failed := map[iothub.Code]int{}
	var unanswered []string
	ticker := time.NewTicker(100 * time.Millisecond)
	defer ticker.Stop()
	total := 0

	for end := time.Now().Add(duration); time.Now().Before(end); total++ {
		n := 2*total + 1 // odd, so that the function call locks the door
		calls.Go(func() {
			reason, err := g.call(n)
			mu.Lock()
			defer mu.Unlock()
			refusal, ok := errors.AsType[*iothub.Error](err)
			switch {
			case err == nil:
				answered = append(answered, reason)
			case ok:
				failed[refusal.Code]++
				unanswered = append(unanswered, reason)
			default:
				t.Errorf("%s: %v", reason, err)
			}
		})
		<-ticker.C
	}

	calls.Wait()
	g.check(answered)
	g.mu.Lock()
	defer g.mu.Unlock()
	executed := 0
	for _, reason := range unanswered {
		executed += g.executed[reason]
	}
	renewals := g.all.Load() - 1

	share := 100 * float64(len(unanswered)) / float64(total)
	t.Logf("%d methods, %d renewals: %d answered, failed %v (%.2f %%), executed without an answer %d",
		total, renewals, len(answered), failed, share, executed)
	if executed > 0 {
		t.Errorf("%d methods were executed without an answer, among %q", executed, unanswered)
	}
	if least := int64(duration/life) - 1; renewals < least {
		t.Errorf("%d renewals, want %d or more", renewals, least)
	}

	for code := range failed {
		if code != iothub.CodeDeviceNotOnline && code != iothub.CodeGatewayTimeout {
			t.Errorf("a method failed with %v", code)
		}
	}

	if share > 2 {
		t.Errorf("%.2f %% of the methods failed, want 2 %% at most", share)
	}
}
