package conn

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"
	"strings"

	"github.com/pelletier/go-toml/v2"
)

// DefaultConfirmAbove is the number of devices above which a command asks first.
const DefaultConfirmAbove = 10

// Config is the user's config file.
type Config struct {
	// Default names the hub that is used where none is given.
	Default string `toml:"default"`
	// ConfirmAbove is the number of devices above which a command asks first.
	ConfirmAbove *int           `toml:"confirm_above"`
	Hubs         map[string]Hub `toml:"hubs"`

	path    string
	warning string
}

// Hub is a named hub of the config file: one with a connection string, or one
// with a host name and auth = "entra". Relative paths start at the file's folder.
type Hub struct {
	ConnectionStringFile string `toml:"connection_string_file"`
	HostName             string `toml:"host_name"`
	Auth                 string `toml:"auth"`
	Endpoint             string `toml:"endpoint"`
	CAFile               string `toml:"ca_file"`
	Tier                 string `toml:"tier"`  // the edition of IoT Hub, such as S1; empty: not known
	Units                int    `toml:"units"` // of the tier; 0: one
}

// ConfigPath is where the config file is: latchctl/config.toml under
// XDG_CONFIG_HOME or ~/.config. It is empty if neither is known.
func ConfigPath(getenv func(string) string) string {
	folder := getenv("XDG_CONFIG_HOME")
	if !filepath.IsAbs(folder) {
		home := getenv("HOME")
		if home == "" {
			return ""
		}
		folder = filepath.Join(home, ".config")
	}
	return filepath.Join(folder, "latchctl", "config.toml")
}

// LoadConfig reads the config file. One that does not exist is empty.
func LoadConfig(getenv func(string) string) (Config, error) {
	path := ConfigPath(getenv)
	if path == "" {
		return Config{}, nil
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return Config{path: path}, nil
	}
	if err != nil {
		return Config{}, fmt.Errorf("config: %w", err)
	}
	c, err := parseConfig(text, path)
	if err != nil {
		return Config{}, err
	}
	if info, err := os.Stat(path); err == nil && info.Mode().Perm()&0o022 != 0 {
		c.warning = fmt.Sprintf("warning: %s says which hub to trust, and others can change it (mode %04o); run: chmod go-w %s", path, info.Mode().Perm(), path)
	}
	home := getenv("HOME")
	for name, hub := range c.Hubs {
		hub.ConnectionStringFile = resolve(hub.ConnectionStringFile, path, home)
		hub.CAFile = resolve(hub.CAFile, path, home)
		c.Hubs[name] = hub
	}
	return c, nil
}

func parseConfig(text []byte, path string) (Config, error) {
	c := Config{path: path}
	err := toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().Decode(&c)
	var strict *toml.StrictMissingError
	var decode *toml.DecodeError
	switch {
	case errors.As(err, &strict) && len(strict.Errors) > 0:
		first := strict.Errors[0]
		row, _ := first.Position()
		return Config{}, fmt.Errorf("%s:%d: unknown key %s; allowed are default, confirm_above and, under [hubs.NAME], "+
			"connection_string_file, host_name, auth, endpoint, ca_file, tier, units", path, row, strings.Join(first.Key(), "."))
	case errors.As(err, &decode):
		row, _ := decode.Position()
		return Config{}, fmt.Errorf("%s:%d: %s", path, row, strings.TrimPrefix(decode.Error(), "toml: "))
	case err != nil:
		return Config{}, fmt.Errorf("%s: %w", path, err)
	}
	if c.ConfirmAbove != nil && *c.ConfirmAbove < 0 {
		return Config{}, fmt.Errorf("%s: confirm_above is %d; it can be 0 or more", path, *c.ConfirmAbove)
	}
	for _, name := range c.Names() {
		if err := c.Hubs[name].check(); err != nil {
			return Config{}, fmt.Errorf("%s: hub %q %w", path, name, err)
		}
	}
	if c.Default != "" {
		if _, ok := c.Hubs[c.Default]; !ok {
			return Config{}, fmt.Errorf("%s: default is %q, which is no hub of the file; there are: %s", path, c.Default, c.list())
		}
	}
	return c, nil
}

// check reports what is wrong with the hub, above all with how it says who logs in.
func (h Hub) check() error {
	switch {
	case h.Units < 0 || h.Units > 0 && h.Tier == "":
		return fmt.Errorf("has units = %d; want 1 or more, and a tier such as \"S1\"", h.Units)
	case h.Auth != "" && h.Auth != "entra":
		return fmt.Errorf("has auth = %q; it can be \"entra\", or be left out with a connection_string_file", h.Auth)
	case h.Auth == "entra" && h.ConnectionStringFile != "":
		return errors.New("has auth = \"entra\" and a connection_string_file; with Entra ID it is host_name")
	case h.Auth == "entra":
		return checkHubName(h.HostName)
	case h.HostName != "":
		return errors.New("has host_name; add auth = \"entra\", or give a connection_string_file instead")
	case h.ConnectionStringFile == "":
		return errors.New("has no connection_string_file, and no host_name with auth = \"entra\"")
	}
	return nil
}

// Names returns the names of the hubs, in order.
func (c Config) Names() []string {
	var names []string
	for name := range c.Hubs {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

func (c Config) list() string {
	if len(c.Hubs) == 0 {
		return "none"
	}
	return strings.Join(c.Names(), ", ")
}

// Threshold is the number of devices above which a command asks first.
func (c Config) Threshold() int {
	if c.ConfirmAbove == nil {
		return DefaultConfirmAbove
	}
	return *c.ConfirmAbove
}

func resolve(path, config, home string) string {
	switch {
	case path == "" || filepath.IsAbs(path):
		return path
	case strings.HasPrefix(path, "~/") && home != "":
		return filepath.Join(home, path[2:])
	}
	return filepath.Join(filepath.Dir(config), path)
}
