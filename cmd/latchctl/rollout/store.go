package rollout

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/latchd/latchd/transport/durable"
	"github.com/latchd/latchd/transport/iothub"
)

// fileVersion is the form of the files that this program writes and reads.
const fileVersion = 1

// maxFile bounds what is read of a file.
const maxFile = 256 << 20

const suffix = ".json"

// Store is the folder of the rollouts' files.
type Store string

// DefaultStore is latchctl/rollouts under XDG_STATE_HOME or ~/.local/state. It is
// empty if neither is known.
func DefaultStore(getenv func(string) string) Store {
	folder := getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(folder) {
		home := getenv("HOME")
		if home == "" {
			return ""
		}
		folder = filepath.Join(home, ".local", "state")
	}
	return Store(filepath.Join(folder, "latchctl", "rollouts"))
}

// Path is the rollout's file.
func (s Store) Path(id string) string { return filepath.Join(string(s), id+suffix) }

type file struct {
	Version int `json:"version"`
	Rollout
}

// Save writes the rollout's file, so that a power cut leaves the old one or the
// new one, whole.
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

// ErrNone says that there is no rollout of that id.
var ErrNone = errors.New("no such rollout")

// Load reads the rollout's file.
func (s Store) Load(id string) (Rollout, error) {
	if err := iothub.CheckJobID(id); err != nil {
		return Rollout{}, fmt.Errorf("%w: %q", ErrNone, id)
	}
	info, err := os.Stat(s.Path(id))
	if errors.Is(err, fs.ErrNotExist) {
		return Rollout{}, fmt.Errorf("%w: %s", ErrNone, id)
	}
	if err != nil {
		return Rollout{}, fmt.Errorf("read rollout %s: %w", id, err)
	}
	if info.Size() > maxFile {
		return Rollout{}, fmt.Errorf("read rollout %s: %s is larger than %d MiB", id, s.Path(id), maxFile>>20)
	}
	text, err := os.ReadFile(s.Path(id))
	if err != nil {
		return Rollout{}, fmt.Errorf("read rollout %s: %w", id, err)
	}
	r, err := parse(text)
	if err == nil && r.ID != id {
		err = fmt.Errorf("it is of rollout %s", r.ID)
	}
	if err != nil {
		return Rollout{}, fmt.Errorf("%s: %w", s.Path(id), err)
	}
	return r, nil
}

// List returns the ids of the rollouts, in order.
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

// parse reads a file and checks all that the steps rely on.
func parse(text []byte) (Rollout, error) {
	var v struct{ Version int }
	if err := json.Unmarshal(text, &v); err != nil {
		return Rollout{}, err
	}
	if v.Version != fileVersion {
		return Rollout{}, fmt.Errorf("version %d of the file is not known to this latchctl, which knows %d", v.Version, fileVersion)
	}
	var f file
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&f); err != nil {
		return Rollout{}, err
	}
	return f.Rollout, f.Rollout.check()
}

// check finds what no rollout of this program has.
func (r Rollout) check() error {
	switch {
	case iothub.CheckJobID(r.ID) != nil:
		return fmt.Errorf("the id %q is none", r.ID)
	case !slices.Contains([]Status{Running, Aborted, Stopped, Done}, r.Status):
		return fmt.Errorf("status %q is not known", r.Status)
	case !slices.Contains([]Phase{Calling, Soaking, Checking}, r.Phase):
		return fmt.Errorf("phase %q is not known", r.Phase)
	case (r.Phase == Soaking) != (r.SoakUntil != nil):
		return errors.New("soakUntil does not go with the phase")
	case (r.Work.Type == iothub.ScheduleDeviceMethod) != (r.Work.Method != nil), r.Work.Type == iothub.ScheduleUpdateTwin != (len(r.Work.UpdateTwin) > 0):
		return fmt.Errorf("the work is not that of a job of type %q", r.Work.Type)
	case r.Rules.Soak < 0, r.Rules.MinDevices < 0, len(r.Waves) == 0:
		return errors.New("it has no waves, or rules that cannot be")
	}
	jobs, wave := make(map[string]bool), make(map[string]int)
	for i, w := range r.Waves {
		if len(w.Jobs) == 0 {
			return fmt.Errorf("wave %d has no job", i+1)
		}
		if w.Passed && w.open() >= 0 {
			return fmt.Errorf("wave %d has passed with an open job", i+1)
		}
		for _, j := range w.Jobs {
			if iothub.CheckJobID(j.ID) != nil || jobs[j.ID] || len(j.Devices) == 0 || j.Ended && j.Begun == nil {
				return fmt.Errorf("job %q of wave %d is none", j.ID, i+1)
			}
			jobs[j.ID] = true
			for _, id := range j.Devices {
				if at, known := wave[id]; known && at != i {
					return fmt.Errorf("device %q is in two waves", id)
				}
				wave[id] = i
			}
		}
		for id := range w.Failed {
			if at, known := wave[id]; !known || at != i {
				return fmt.Errorf("device %q failed in wave %d and is not of it", id, i+1)
			}
		}
	}
	return nil
}
