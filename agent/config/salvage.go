package config

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
)

// LoadLock reads a configuration for an agent that must serve its lock, even if other
// parts of the file have errors. problems are the errors outside the table [lock]; the
// keys that they concern have their defaults. After a problem in [hub] or
// [provisioning], HasHub of the configuration returns false. err means that the table
// [lock] cannot be used.
func LoadLock(file string) (c Config, problems []error, err error) {
	text, err := readFile(file)
	if err != nil {
		return Config{}, nil, err
	}

	c, err = parse(file, text)
	if err == nil {
		return c, nil, nil
	}

	c, problems, ok := salvage(file, text)
	if !ok {
		return Config{}, nil, err
	}
	c.resolvePaths(file)
	return c, problems, nil
}

// HasHub reports whether the configuration says how to reach the hub.
func (c Config) HasHub() bool { return c.Hub != Hub{} || c.Provisioning.configured() }

// salvage decodes each top-level table of a file with errors by itself. ok is false if
// the table lock has an error.
func salvage(file string, text []byte) (c Config, problems []error, ok bool) {
	c = defaults(file)
	tables := splitTables(text)
	withLock, err := tables.decode(c, "lock")
	if err != nil {
		return Config{}, nil, false
	}

	c.Lock = withLock.Lock
	c.Lock.setDefaults()
	var k checker
	if c.Lock.check(&k); len(k.errs) > 0 {
		return Config{}, nil, false
	}

	var unusable []string // tables
	for _, table := range tables.names() {
		if table == "lock" {
			continue
		}
		decoded, err := tables.decode(c, table)
		if err == nil {
			c = decoded
			continue
		}
		problems = append(problems, explain(file, text, err))
		unusable = append(unusable, table)
	}

	for _, err := range c.check() {
		table, _, _ := strings.Cut(err.(valueError).key, ".")
		if !slices.Contains(unusable, table) { // else the error only follows from an earlier one
			problems = append(problems, explain(file, text, err))
		}
		c.reset(file, table)
	}
	if slices.Contains(unusable, "hub") || slices.Contains(unusable, "provisioning") {
		c.reset(file, "hub")
	}
	return c, problems, len(problems) > 0
}

// reset gives a top-level key or table its default.
func (c *Config) reset(file, table string) {
	initial := defaults(file)
	switch table {
	case "state_dir":
		c.StateDir = initial.StateDir
	case "log_level":
		c.LogLevel = initial.LogLevel
	case "place":
		c.Place = initial.Place
	case "hub", "provisioning": // neither is of use without the other's keys
		c.Hub, c.Provisioning = initial.Hub, initial.Provisioning
	}
}

// tables are the lines of a file, each with the name of its top-level table. The name
// is empty for the lines before the first table.
type tables struct {
	lines [][]byte
	table []string
	// lockOnTop is set if keys of the table lock are written before the first table, as
	// in lock.driver = "gpio".
	lockOnTop bool
}

var (
	tableHeading = regexp.MustCompile(`^\s*\[\[?\s*["']?([A-Za-z0-9_-]+)`)
	lockKey      = regexp.MustCompile(`^\s*["']?lock["']?\s*[.=]`)
)

// splitTables looks only at the beginning of each line, because the file may not be
// valid TOML.
func splitTables(text []byte) tables {
	var t tables
	name := ""
	for line := range bytes.Lines(text) {
		if heading := tableHeading.FindSubmatch(line); heading != nil {
			name = string(heading[1])
		}
		t.lines, t.table = append(t.lines, line), append(t.table, name)
		t.lockOnTop = t.lockOnTop || name == "" && lockKey.Match(line)
	}
	return t
}

// names returns the names of all tables, each once.
func (t tables) names() []string {
	var names []string
	for _, name := range t.table {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// decode decodes one table over c. All other lines are left empty, so that the line
// numbers in errors are right.
func (t tables) decode(c Config, name string) (Config, error) {
	var text []byte
	for i, line := range t.lines {
		wanted := t.table[i] == name || name == "lock" && t.table[i] == "" && t.lockOnTop
		if wanted {
			text = append(text, line...)
		} else {
			text = append(text, '\n')
		}
	}
	return c, decode(text, &c)
}
