// Package config reads and checks the agent's configuration file. Use [Load] to read
// the file, and [Example] to print an example that documents every key.
//
// Guarantees:
//   - Load reads the TOML file strictly: an unknown key is an error.
//   - Each error names the file, the line, the key and the allowed values.
//   - A configuration from Load is complete, and all its values are within their
//     bounds.
//   - The configuration contains no secrets, only the names of the files with the
//     secrets.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"strings"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/latchd/latchd/agent"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/textfile"
)

// Config is the configuration of one agent.
type Config struct {
	// StateDir is the directory in which the agent keeps its state and events.
	StateDir string `toml:"state_dir"`
	LogLevel string `toml:"log_level"`
	Hub      Hub    `toml:"hub"`
	// Provisioning describes the provisioning service that tells the device its hub. It
	// replaces the connection string.
	Provisioning Provisioning `toml:"provisioning"`
	// AllowReboot allows the direct method reboot to restart the machine.
	AllowReboot bool  `toml:"allow_reboot"`
	Lock        Lock  `toml:"lock"`
	Place       Place `toml:"place"`
}

// Place is the location of the door. The twin's desired properties override it.
type Place struct {
	Building *string `toml:"building"`
	Floor    *int64  `toml:"floor"`
	Room     *string `toml:"room"`
}

// defaults returns the configuration for an empty file.
func defaults(file string) Config {
	return Config{
		StateDir: DefaultStateDir(file),
		LogLevel: "info",
		Lock: Lock{
			ConfirmTimeout: Duration(4 * time.Second),
			MinInterval:    Duration(time.Second),
			Relock:         "timer",
			Settle:         Duration(time.Second),
			ExitTime:       Duration(5 * time.Second),
			Mock:           Mock{Travel: Duration(50 * time.Millisecond), Fault: "none"},
		},
	}
}

// Dir is the directory of the configuration files. On a gateway with one door, the file
// is latchd.toml. On a gateway with several doors, each door has a file NAME.toml.
const Dir = "/etc/latchd"

// DefaultStateDir returns the default state directory for the door whose configuration
// file has the given path.
func DefaultStateDir(file string) string {
	const all = "/var/lib/latchd"
	door, isTOML := strings.CutSuffix(filepath.Base(file), ".toml")
	if filepath.Dir(file) != Dir || !isTOML || door == "latchd" {
		return all
	}
	return filepath.Join(all, door)
}

// Load reads and checks a configuration file. Relative paths in the file are relative
// to the file's directory. The returned error has one line for each problem.
func Load(file string) (Config, error) {
	text, err := readFile(file)
	if err != nil {
		return Config{}, err
	}
	return parse(file, text)
}

// maxFile is the size, in bytes, of the largest configuration file.
const maxFile = 1 << 20

func readFile(file string) ([]byte, error) {
	text, err := textfile.Read(file, maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read the configuration: %w; run 'latchd config --example > %s' and edit the file", err, file)
	}
	if err != nil {
		return nil, fmt.Errorf("read the configuration: %w", err)
	}
	return []byte(text), nil
}

func parse(file string, text []byte) (Config, error) {
	c := defaults(file)
	if err := decode(text, &c); err != nil {
		return Config{}, explain(file, text, err)
	}

	c.Lock.setDefaults()
	if errs := c.check(); len(errs) > 0 {
		for i, err := range errs {
			errs[i] = explain(file, text, err)
		}
		return Config{}, errors.Join(errs...)
	}

	c.resolvePaths(file)
	return c, nil
}

// decode decodes TOML into c. Keys that the text does not set keep their values in c.
// An unknown key is an error.
func decode(text []byte, c *Config) error {
	return toml.NewDecoder(bytes.NewReader(text)).DisallowUnknownFields().EnableUnmarshalerInterface().Decode(c)
}

// resolvePaths prepends the configuration file's directory to each relative path.
func (c *Config) resolvePaths(file string) {
	for _, path := range append(c.secretFiles(), &c.StateDir, &c.Hub.CAFile) {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(filepath.Dir(file), *path)
		}
	}
}

func (c *Config) secretFiles() []*string {
	return []*string{
		&c.Hub.ConnectionStringFile, &c.Hub.CertificateFile, &c.Hub.CertificateKeyFile, &c.Hub.ProxyFile,
		&c.Provisioning.KeyFile, &c.Provisioning.GroupKeyFile,
	}
}

// SecretFiles returns the paths of the files that contain the device's secrets.
func (c Config) SecretFiles() []string {
	var files []string
	for _, path := range c.secretFiles() {
		if *path != "" {
			files = append(files, *path)
		}
	}
	return files
}

// check returns one error for each key with an invalid value.
func (c Config) check() []error {
	var k checker
	k.required("state_dir", c.StateDir, "a directory, such as /var/lib/latchd")
	k.oneOf("log_level", c.LogLevel, agent.LogLevels...)
	c.Hub.check(&k, c.Provisioning)
	c.Provisioning.check(&k, c.Hub)
	c.Lock.check(&k)
	k.maxLength("place.building", c.Place.Building, agent.MaxText)
	k.maxLength("place.room", c.Place.Room, agent.MaxText)
	if floor := c.Place.Floor; floor != nil && (*floor < iothub.MinInteger || *floor > iothub.MaxInteger) {
		k.fail("place.floor", "%d is out of range; want %d to %d", *floor, int64(iothub.MinInteger), int64(iothub.MaxInteger))
	}
	return k.errs
}

// Settings returns the defaults for those settings that the twin can override.
func (c Config) Settings() agent.Settings {
	return agent.Settings{
		Building:          c.Place.Building,
		Floor:             c.Place.Floor,
		Room:              c.Place.Room,
		AutoRelockSeconds: int64(time.Duration(c.Lock.AutoRelock) / time.Second),
		HeldOpenSeconds:   int64(time.Duration(c.Lock.HeldOpen) / time.Second),
		LogLevel:          c.LogLevel,
	}
}
