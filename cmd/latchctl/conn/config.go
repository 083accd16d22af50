package conn

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/pelletier/go-toml/v2"

	"github.com/latchd/latchd/cmd/latchctl/userdir"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/textfile"
)

// DefaultConfirmAbove is the number of devices above which latchctl asks for
// confirmation, unless the config file sets confirm_above.
const DefaultConfirmAbove = 10

// Config is the content of the user's config file.
type Config struct {
	// Default is the name of the hub that latchctl uses if no flag and no environment
	// variable chooses one.
	Default string `toml:"default"`
	// ConfirmAbove is the number of devices above which latchctl asks for confirmation.
	// nil means DefaultConfirmAbove.
	ConfirmAbove *int `toml:"confirm_above"`
	// Identify says whether latchctl sends the technician's login to the doors with each
	// command. nil means true.
	Identify *bool `toml:"identify"`
	// Hubs maps names to hubs.
	Hubs map[string]Hub `toml:"hubs"`

	path    string // path of the file; empty if no home folder is known
	warning string // warning for the user, such as unsafe permissions of the file
}

// Hub is one hub of the config file. It has either a connection string file, or a host
// name and auth = "entra". Relative paths start from the config file's folder.
type Hub struct {
	ConnectionStringFile string       `toml:"connection_string_file"`
	HostName             string       `toml:"host_name"`
	Auth                 string       `toml:"auth"`
	Endpoint             string       `toml:"endpoint"`
	CAFile               string       `toml:"ca_file"`
	ID                   iothub.HubID `toml:"id"`    // id of the hub; latchctl refuses a hub with another id. Empty if not known
	Tier                 string       `toml:"tier"`  // IoT Hub tier, such as S1; empty if not known
	Units                int          `toml:"units"` // number of units of the tier; 0 means 1
}

// ConfigPath returns the path of the config file: latchctl/config.toml in the user's
// folder for configuration files. It returns "" if the environment does not name that
// folder.
func ConfigPath(getenv func(string) string) string {
	folder := userdir.Config(runtime.GOOS, getenv)
	if folder == "" {
		return ""
	}
	return filepath.Join(folder, "latchctl", "config.toml")
}

// LoadConfig reads the config file. If the file does not exist, the config is empty.
func LoadConfig(getenv func(string) string) (Config, error) {
	path := ConfigPath(getenv)
	if path == "" {
		return Config{}, nil
	}

	text, err := textfile.Read(path, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return Config{path: path}, nil
	}
	if err != nil {
		return Config{}, fmt.Errorf("config: %w", err)
	}

	c, err := parseConfig([]byte(text), path)
	if err != nil {
		return Config{}, err
	}
	if info, err := os.Stat(path); err == nil && othersMay(info.Mode(), 0o022, runtime.GOOS) {
		c.warning = fmt.Sprintf("warning: other users can change %s, which decides the hub to trust (mode %04o); run: chmod go-w %s", path, info.Mode().Perm(), path)
	}

	home := userdir.Home(runtime.GOOS, getenv)
	for name, hub := range c.Hubs {
		hub.ConnectionStringFile = absolute(hub.ConnectionStringFile, path, home)
		hub.CAFile = absolute(hub.CAFile, path, home)
		c.Hubs[name] = hub
	}

	return c, nil
}

// parseConfig parses and checks the text of the config file. It does not resolve
// relative paths.
func parseConfig(text []byte, path string) (Config, error) {
	c := Config{path: path}
	if err := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(&c); err != nil {
		return Config{}, parseError(err, path)
	}

	if c.ConfirmAbove != nil && *c.ConfirmAbove < 0 {
		return Config{}, fmt.Errorf("%s: confirm_above is %d; want 0 or more", path, *c.ConfirmAbove)
	}
	for _, name := range c.Names() {
		if err := c.Hubs[name].check(); err != nil {
			return Config{}, fmt.Errorf("%s: hub %q %w", path, name, err)
		}
	}
	if c.Default != "" {
		if _, ok := c.Hubs[c.Default]; !ok {
			return Config{}, fmt.Errorf("%s: default is %q, but the file has no hub of that name; its hubs: %s", path, c.Default, c.list())
		}
	}

	return c, nil
}

// parseError adds the file's path and the line to an error of the TOML decoder.
func parseError(err error, path string) error {
	if unknown, ok := errors.AsType[*toml.StrictMissingError](err); ok && len(unknown.Errors) > 0 {
		first := unknown.Errors[0]
		line, _ := first.Position()
		return fmt.Errorf("%s:%d: unknown key %s; allowed keys: default, confirm_above, identify and, under [hubs.NAME], "+
			"connection_string_file, host_name, auth, endpoint, ca_file, id, tier, units", path, line, strings.Join(first.Key(), "."))
	}

	if decode, ok := errors.AsType[*toml.DecodeError](err); ok {
		line, _ := decode.Position()
		return fmt.Errorf("%s:%d: %s", path, line, strings.TrimPrefix(decode.Error(), "toml: "))
	}

	return fmt.Errorf("%s: %w", path, err)
}

// check returns an error for the first invalid key of a hub. The error text begins
// with a verb; the caller prepends the hub's name: "hub north has auth = ...".
func (h Hub) check() error {
	if h.ID != "" {
		if err := iothub.CheckHubID(string(h.ID)); err != nil {
			return fmt.Errorf("has an invalid id: %w", err)
		}
	}

	switch {
	case h.Units < 0 || h.Units > 0 && h.Tier == "":
		return fmt.Errorf("has units = %d; want 1 or more and a tier such as \"S1\"", h.Units)
	case h.Auth != "" && h.Auth != "entra":
		return fmt.Errorf("has auth = %q; use \"entra\", or leave auth out and give a connection_string_file", h.Auth)
	case h.Auth == "entra" && h.ConnectionStringFile != "":
		return errors.New("has auth = \"entra\" and a connection_string_file; Entra ID needs host_name instead")
	case h.Auth == "entra":
		return checkHubName(h.HostName)
	case h.HostName != "":
		return errors.New("has host_name without auth; add auth = \"entra\", or give a connection_string_file instead")
	case h.ConnectionStringFile == "":
		return errors.New("has no login; give a connection_string_file, or host_name with auth = \"entra\"")
	}
	return nil
}

// Names returns the sorted names of the hubs.
func (c Config) Names() []string {
	return slices.Sorted(maps.Keys(c.Hubs))
}

// list returns the names of the hubs for an error message.
func (c Config) list() string {
	if len(c.Hubs) == 0 {
		return "none"
	}
	return strings.Join(c.Names(), ", ")
}

// Threshold returns the number of devices above which latchctl asks for confirmation.
func (c Config) Threshold() int {
	if c.ConfirmAbove == nil {
		return DefaultConfirmAbove
	}
	return *c.ConfirmAbove
}

// Identifies reports whether latchctl sends the technician's login to the doors.
func (c Config) Identifies() bool { return c.Identify == nil || *c.Identify }

// othersMay reports whether a file's mode gives other users one of the rights in mask. On
// Windows, a mode says nothing about other users: access control lists decide, and those
// of a user's own folders exclude other users.
func othersMay(mode fs.FileMode, mask fs.FileMode, goos string) bool {
	return goos != "windows" && mode.IsRegular() && mode.Perm()&mask != 0
}

// absolute turns a path from the config file into an absolute path. A path that begins
// with ~/ starts from the home folder, and any other relative path from the config
// file's folder. An empty path stays empty.
func absolute(path, config, home string) string {
	switch {
	case path == "" || filepath.IsAbs(path):
		return path
	case len(path) > 1 && path[0] == '~' && os.IsPathSeparator(path[1]) && home != "":
		return filepath.Join(home, path[2:])
	}
	return filepath.Join(filepath.Dir(config), path)
}
