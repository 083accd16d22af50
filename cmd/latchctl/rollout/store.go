package rollout

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/latchd/latchd/cmd/latchctl/userdir"
	"github.com/latchd/latchd/transport/durable"
	"github.com/latchd/latchd/transport/iothub"
)

// fileVersion is the version of the rollout file format that this program writes and
// reads.
const fileVersion = 1

// maxFile is the maximum size of a rollout's file, in bytes.
const maxFile = 256 << 20

// suffix is the suffix of a rollout's file name.
const suffix = ".json"

// Store is the path of the folder with the rollouts' files.
type Store string

// DefaultStore returns the folder latchctl/rollouts in the user's folder for the state of
// programs. It returns "" if the environment does not name that folder.
func DefaultStore(getenv func(string) string) Store {
	folder := userdir.State(runtime.GOOS, getenv)
	if folder == "" {
		return ""
	}
	return Store(filepath.Join(folder, "latchctl", "rollouts"))
}

// Path returns the path of the rollout's file.
func (s Store) Path(id string) string { return filepath.Join(string(s), id+suffix) }

// file is the content of a rollout's file.
type file struct {
	Version int `json:"version"`
	Rollout
}

// Save writes the rollout's file. After a power cut, the file has either the old or the
// new content, never a mixture.
func (s Store) Save(r Rollout) error {
	text, err := json.Marshal(file{fileVersion, r})
	if err == nil {
		err = durable.Replace(s.Path(r.ID), append(text, '\n'), 0o600)
	}
	if err != nil {
		return fmt.Errorf("write the state of rollout %s: %w", r.ID, err)
	}
	return nil
}

// ErrNotFound means that the store has no rollout with the requested id.
var ErrNotFound = errors.New("no such rollout")

// Load reads and checks the rollout's file.
func (s Store) Load(id string) (Rollout, error) {
	if err := iothub.CheckJobID(id); err != nil {
		return Rollout{}, fmt.Errorf("%w: %q", ErrNotFound, id)
	}

	text, err := durable.ReadLinked(s.Path(id), maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return Rollout{}, fmt.Errorf("%w: %s", ErrNotFound, id)
	}
	if err != nil {
		return Rollout{}, fmt.Errorf("read rollout %s: %w", id, err)
	}

	r, err := parse(text)
	if err == nil && r.ID != id {
		err = fmt.Errorf("the file belongs to rollout %s", r.ID)
	}
	if err != nil {
		return Rollout{}, fmt.Errorf("%s: %w", s.Path(id), err)
	}
	return r, nil
}

// Interrupted is the reason that Show gives for a rollout that no process runs.
const Interrupted = "interrupted: no latchctl process runs this rollout"

// Show loads a rollout like Load, for users to see: if no process runs the rollout, its
// status is not Running but Stopped, with the reason Interrupted.
func (s Store) Show(id string) (Rollout, error) {
	r, err := s.Load(id)
	if err != nil || r.Status != Running || s.locked(id) {
		return r, err
	}

	// The process may have ended in between, and have written a new status.
	r, err = s.Load(id)
	if err == nil && r.Status == Running {
		r.Status, r.Reason = Stopped, Interrupted
	}
	return r, err
}

// List returns the sorted ids of the rollouts.
func (s Store) List() ([]string, error) {
	entries, err := os.ReadDir(string(s))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}

	var ids []string
	for _, e := range entries {
		if id, ok := strings.CutSuffix(e.Name(), suffix); ok && iothub.CheckJobID(id) == nil {
			ids = append(ids, id)
		}
	}
	slices.Sort(ids)
	return ids, nil
}

// parse parses the content of a rollout's file and checks everything that Step relies
// on.
func parse(text []byte) (Rollout, error) {
	var v struct{ Version int }
	if err := json.Unmarshal(text, &v); err != nil {
		return Rollout{}, err
	}
	if v.Version != fileVersion {
		return Rollout{}, fmt.Errorf("unsupported file version %d; this latchctl supports version %d", v.Version, fileVersion)
	}

	var f file
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return Rollout{}, err
	}
	return f.Rollout, f.Rollout.check()
}

// check returns an error for the first value in the file that Step could not handle.
func (r Rollout) check() error {
	isMethod := r.Work.Type == iothub.ScheduleDeviceMethod
	isTwin := r.Work.Type == iothub.ScheduleUpdateTwin

	switch {
	case iothub.CheckJobID(r.ID) != nil:
		return fmt.Errorf("invalid id %q", r.ID)
	case !slices.Contains([]Status{Running, Aborted, Stopped, Done}, r.Status):
		return fmt.Errorf("unknown status %q", r.Status)
	case !slices.Contains([]Phase{Calling, Soaking, Checking}, r.Phase):
		return fmt.Errorf("unknown phase %q", r.Phase)
	case (r.Phase == Soaking) != (r.SoakUntil != nil):
		return errors.New("soakUntil must be set in the phase soaking, and in no other")
	case isMethod != (r.Work.Method != nil), isTwin != (len(r.Work.UpdateTwin) > 0):
		return fmt.Errorf("the work does not match the job type %q", r.Work.Type)
	case r.Rules.Soak < 0:
		return fmt.Errorf("soakSeconds is %d; want 0 or more", r.Rules.Soak)
	case r.Rules.MinDevices < 0:
		return fmt.Errorf("minDevices is %d; want 0 or more", r.Rules.MinDevices)
	case len(r.Waves) == 0:
		return errors.New("the rollout has no waves")
	}

	return checkWaves(r.Waves)
}

// checkWaves checks that all job ids differ, and that each device belongs to one wave
// only.
func checkWaves(waves []Wave) error {
	jobs := make(map[string]bool)
	waveOf := make(map[string]int)
	movedUp := slices.ContainsFunc(waves, func(w Wave) bool { return len(w.Skipped)+len(w.Gone) > 0 }) // other devices may have moved up from a wave

	for i, w := range waves {
		if len(w.Jobs) == 0 && !movedUp {
			return fmt.Errorf("wave %d has no job", i+1)
		}
		if w.Passed && w.currentJob() >= 0 {
			return fmt.Errorf("wave %d has passed but has an unfinished job", i+1)
		}

		for _, j := range w.Jobs {
			if iothub.CheckJobID(j.ID) != nil || jobs[j.ID] || len(j.Devices) == 0 || j.Ended && j.SubmittedAt == nil {
				return fmt.Errorf("job %q of wave %d is invalid", j.ID, i+1)
			}
			jobs[j.ID] = true
			for _, id := range j.Devices {
				if wave, known := waveOf[id]; known && wave != i {
					return fmt.Errorf("device %q is in two waves", id)
				}
				waveOf[id] = i
			}
		}

		for id := range w.Failed {
			if wave, known := waveOf[id]; !known || wave != i {
				return fmt.Errorf("wave %d lists the failed device %q, which is not in the wave", i+1, id)
			}
		}
	}

	return nil
}
