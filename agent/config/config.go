// Package config reads and checks the agent's configuration file. Use [Load] to read
// it, [Example] to print one in which every key is documented.
//
// Guarantees:
//   - The TOML is read strictly: an unknown key is an error.
//   - Each error names the file, the line, the key and what is allowed.
//   - A configuration that Load returns is complete and within its bounds.
//   - The configuration holds no secrets. It names the files that hold them.
package config

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/pelletier/go-toml/v2"

	"github.com/latchd/latchd/agent"
)

// Config is the configuration of one agent.
type Config struct {
	// StateDir is the directory in which the agent keeps its state and events.
	StateDir string `toml:"state_dir"`
	LogLevel string `toml:"log_level"`
	Hub      Hub    `toml:"hub"`
	// Provisioning tells how to ask a provisioning service for the hub. It replaces
	// the connection string.
	Provisioning Provisioning `toml:"provisioning"`
	// AllowReboot lets the method reboot restart the machine.
	AllowReboot bool  `toml:"allow_reboot"`
	Lock        Lock  `toml:"lock"`
	Place       Place `toml:"place"`
}

// Place says where the door is. Desired properties override it.
type Place struct {
	Building *string `toml:"building"`
	Floor    *int64  `toml:"floor"`
	Room     *string `toml:"room"`
}

func defaults() Config {
	return Config{
		StateDir: "/var/lib/latchd",
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

// Load reads and checks a configuration file. It makes relative paths in the file
// relative to the file's directory. The error has one line for each problem.
func Load(file string) (Config, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return Config{}, fmt.Errorf("read the configuration: %w", err)
	}
	return parse(file, text)
}

func parse(file string, text []byte) (Config, error) {
	c := defaults()
	d := toml.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields().EnableUnmarshalerInterface()
	if err := d.Decode(&c); err != nil {
		return Config{}, explain(file, text, err)
	}

	c.Lock.setDefaults()
	if errs := c.check(); len(errs) > 0 {
		for i, err := range errs {
			errs[i] = explain(file, text, err)
		}
		return Config{}, errors.Join(errs...)
	}

	for _, path := range []*string{
		&c.StateDir, &c.Hub.ConnectionStringFile, &c.Hub.CAFile, &c.Hub.CertificateFile, &c.Hub.CertificateKeyFile, &c.Hub.ProxyFile,
		&c.Provisioning.KeyFile, &c.Provisioning.GroupKeyFile,
	} {
		if *path != "" && !filepath.IsAbs(*path) {
			*path = filepath.Join(filepath.Dir(file), *path)
		}
	}
	return c, nil
}

// check returns one error for each key with a bad value.
func (c Config) check() []error {
	var k checker
	k.required("state_dir", c.StateDir, "a directory, such as /var/lib/latchd")
	k.oneOf("log_level", c.LogLevel, agent.LogLevels...)
	c.Hub.check(&k, c.Provisioning)
	c.Provisioning.check(&k, c.Hub)
	c.Lock.check(&k)
	k.maxLength("place.building", c.Place.Building, agent.MaxText)
	k.maxLength("place.room", c.Place.Room, agent.MaxText)
	return k.errs
}

// Settings returns the settings that are in force where the twin desires nothing.
func (c Config) Settings() agent.Settings {
	return agent.Settings{
		Building:          c.Place.Building,
		Floor:             c.Place.Floor,
		Room:              c.Place.Room,
		AutoRelockSeconds: int64(time.Duration(c.Lock.AutoRelock) / time.Second),
		LogLevel:          c.LogLevel,
	}
}
