// Package config reads the agent's configuration file: TOML, read strictly, so
// that a key which is not known or a value which cannot be is an error that
// names the file, the line, the key and what is allowed, before anything is
// done. Secrets stand in files of their own, which the configuration names.
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

// Config is the configuration of one agent. Paths are absolute or relative to
// the working directory, as after Load.
type Config struct {
	// StateDir is the directory where the agent keeps what outlives its process.
	StateDir string `toml:"state_dir"`
	LogLevel string `toml:"log_level"`
	Hub      Hub    `toml:"hub"`
	// Provisioning is how the device finds its hub, in place of a connection string.
	Provisioning Provisioning `toml:"provisioning"`
	// AllowReboot lets the method reboot restart the machine.
	AllowReboot bool  `toml:"allow_reboot"`
	Lock        Lock  `toml:"lock"`
	Place       Place `toml:"place"`
}

// Place says where the door is, as long as no desired property does.
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
			Mock:           Mock{Travel: Duration(50 * time.Millisecond), Fault: "none"},
		},
	}
}

// Load reads and checks the file. Relative paths in it are taken from the
// file's directory. Its error has a line for each thing that is wrong.
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
	c.Lock.fill()
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

// check returns all that is wrong with the values themselves.
func (c Config) check() []error {
	var k checker
	k.required("state_dir", c.StateDir, "a directory, such as /var/lib/latchd")
	k.oneOf("log_level", c.LogLevel, agent.LogLevels...)
	c.Hub.check(&k, c.Provisioning)
	c.Provisioning.check(&k, c.Hub)
	c.Lock.check(&k)
	k.short("place.building", c.Place.Building, agent.MaxText)
	k.short("place.room", c.Place.Room, agent.MaxText)
	return k.errs
}

// Settings returns what is in force where the twin desires nothing.
func (c Config) Settings() agent.Settings {
	return agent.Settings{
		Building:          c.Place.Building,
		Floor:             c.Place.Floor,
		Room:              c.Place.Room,
		AutoRelockSeconds: int64(time.Duration(c.Lock.AutoRelock) / time.Second),
		LogLevel:          c.LogLevel,
	}
}
