package audit

import (
	"bytes"
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"
)

// buffer is a buffer that the log's timer may write while a test reads it.
type buffer struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.text.String()
}

func (b *buffer) Reset() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.text.Reset()
}

// text is a log that writes its entries to a buffer, one per line.
func text() (*Log, *buffer) {
	var out buffer
	encoder := zapcore.NewConsoleEncoder(zapcore.EncoderConfig{MessageKey: "m", EncodeTime: func(time.Time, zapcore.PrimitiveArrayEncoder) {}})
	return New(zap.New(zapcore.NewCore(encoder, zapcore.AddSync(&out), zapcore.InfoLevel))), &out
}

var owner = Client{"iothubowner", "192.0.2.1:5000"}

func TestEntries(t *testing.T) {
	t.Parallel()

	long := strings.Repeat("x", 300)
	for name, test := range map[string]struct {
		change Change
		want   string
	}{
		"one device":    {Change{Action: "delete device", Kind: Device, IDs: []string{"d1"}, Result: Done}, `"change": "delete device", "device_id": "d1", "result": "done"`},
		"two devices":   {Change{Action: "create device", Kind: Device, IDs: []string{"d1", "d2"}, Result: Done}, `"affected": 2, "device_ids": ["d1", "d2"], "result": "done"`},
		"a method":      {Change{Action: "call method", Kind: Device, IDs: []string{"d1"}, Method: "unlockDoor", Status: 409, Result: Done}, `"method": "unlockDoor", "status": 409`},
		"a job":         {Change{Action: "create job", Kind: Job, IDs: []string{"j1"}, Method: "lockDoor", Condition: "tags.floor = 3", Result: Done}, `"job_id": "j1", "method": "lockDoor", "condition": "tags.floor = 3"`},
		"a refusal":     {Change{Action: "cancel job", Kind: Job, IDs: []string{"j1"}, Result: "JobNotFound"}, `"result": "JobNotFound"`},
		"a long text":   {Change{Action: "create job", Kind: Job, Condition: long, Result: Done}, `"condition": "` + long[:256] + `… (44 more bytes)"`},
		"control texts": {Change{Action: "delete device", Kind: Device, IDs: []string{"\x1b]0;x\n"}, Result: "DeviceNotFound"}, `"device_id": "\u001b]0;x\n"`},
	} {
		t.Run(name, func(t *testing.T) {
			log, out := text()
			defer log.Close()

			log.Record(owner, test.change)
			if got := out.String(); !strings.Contains(got, test.want) || !strings.Contains(got, Message) ||
				!strings.Contains(got, `"policy": "iothubowner", "remote": "192.0.2.1:5000"`) || strings.Count(got, "\n") != 1 {
				t.Errorf("got %s, want %s", got, test.want)
			}
		})
	}
}

// A list of ids must not make an entry long. The entry still says how many there are.
func TestLongListOfIDs(t *testing.T) {
	t.Parallel()

	log, out := text()
	defer log.Close()
	var ids []string
	for i := range 100 {
		ids = append(ids, fmt.Sprintf("d%03d-%s", i, strings.Repeat("x", 100)))
	}
	log.Record(owner, Change{Action: "create device", Kind: Device, IDs: ids, Result: Done})
	if got := out.String(); len(got) > 2500 || !strings.Contains(got, `"affected": 100`) || !strings.Contains(got, "d000-") {
		t.Errorf("%d bytes: %s", len(got), got)
	}
}

// A flood of one client must not fill the log. No change that it made may be missing.
func TestFlood(t *testing.T) {
	t.Parallel()

	synctest.Test(t, func(t *testing.T) {
		log, out := text()
		defer log.Close()
		const changes = 10_000
		for i := range changes {
			log.Record(owner, Change{Action: "delete device", Kind: Device, IDs: []string{fmt.Sprint("d", i%3)}, Result: Done})
		}
		log.Record(owner, Change{Action: "call method", Kind: Device, IDs: []string{"vault"}, Method: "unlockDoor", Status: 200, Result: Done})
		log.Record(Client{"service", owner.Address}, Change{Action: "change twin", Kind: Device, IDs: []string{"other"}, Result: Done})
		if lines := strings.Count(out.String(), "\n"); lines != MaxEntries+1 || !strings.Contains(out.String(), `"other"`) {
			t.Errorf("%d entries in the flood, want %d and one of the other policy", lines, MaxEntries)
		}

		time.Sleep(Window + time.Second)
		synctest.Wait()
		_, merged, _ := strings.Cut(out.String(), `"other"`)
		for _, want := range []string{
			fmt.Sprintf(`"changes": %d`, changes-MaxEntries), `"change": "delete device", "affected": 3, "device_ids": ["d2", "d0", "d1"]`,
			`"changes": 1`, `"device_id": "vault", "method": "unlockDoor", "status": 200, "result": "done"`,
		} {
			if !strings.Contains(merged, want) {
				t.Errorf("no %s in %s", want, merged)
			}
		}

		// The limits start again in the next window.
		out.Reset()
		log.Record(owner, Change{Action: "cancel job", Kind: Job, IDs: []string{"j1"}, Result: Done})
		if !strings.Contains(out.String(), `"job_id": "j1"`) {
			t.Errorf("the next window has %s", out)
		}
	})
}

// Texts that differ in every request must not make many merged entries. The changes that
// were made stay visible.
func TestFloodOfDifferentTexts(t *testing.T) {
	t.Parallel()

	log, out := text()
	for i := range 5000 {
		log.Record(Client{"service", fmt.Sprintf("192.0.2.%d:1", i%200)}, Change{
			Action: "call method", Kind: Device, IDs: []string{fmt.Sprintf("d%d-%s", i, strings.Repeat("x", 120))},
			Method: fmt.Sprintf("m%d%s", i, strings.Repeat("y", 1000)), Status: i, Condition: strings.Repeat("z", 5000), Result: Done,
		})
	}
	log.Record(Client{"service", "192.0.2.199:1"}, Change{Action: "delete device", Kind: Device, IDs: []string{"vault"}, Result: Done})
	log.Close()

	got := out.String()
	if lines := strings.Count(got, "\n"); lines > (MaxClients+1)*(MaxEntries+MaxMerged+2) || len(got) > 1<<20 {
		t.Errorf("%d entries, %d bytes", lines, len(got))
	}
	if !strings.Contains(got, `"method": "several", "result": "done"`) || !strings.Contains(got, `"change": "delete device", "device_id": "vault"`) {
		t.Errorf("a change is missing at the end: %s", got[len(got)-3000:])
	}
}

func TestCloseWritesWhatIsMerged(t *testing.T) {
	t.Parallel()

	log, out := text()
	for range MaxEntries + 1 {
		log.Record(owner, Change{Action: "cancel job", Kind: Job, IDs: []string{"j"}, Result: "JobNotFound"})
	}
	log.Close()
	if !strings.Contains(out.String(), `"changes": 1`) {
		t.Errorf("the merged entry is missing: %s", out)
	}

	log.Record(owner, Change{Action: "cancel job", Kind: Job, IDs: []string{"late"}, Result: Done})
	if !strings.Contains(out.String(), "late") {
		t.Error("a change after Close is missing")
	}
}
