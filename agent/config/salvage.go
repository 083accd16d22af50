package config

import (
	"bytes"
	"regexp"
	"slices"
	"strings"
)

// LoadLock loads a configuration file even if it has errors outside the table [lock],
// so that the agent can control its lock nevertheless. It is otherwise like Load.
//
// problems are the errors outside [lock]; the keys concerned get their defaults. After
// a problem in [hub] or [provisioning], the configuration's method HasHub returns
// false. LoadLock returns err if [lock] has an error or the file cannot be read.
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

// LoadHub loads the tables of a configuration file that have no errors, except [lock].
// With it, the way to the hub can be checked although the lock cannot be used. The error
// means that the file cannot be read.
func LoadHub(file string) (Config, error) {
	text, err := readFile(file)
	if err != nil {
		return Config{}, err
	}

	c := defaults(file)
	c.salvageOthers(file, text)
	c.resolvePaths(file)
	return c, nil
}

// HasHub reports whether the configuration describes a connection to the hub.
func (c Config) HasHub() bool { return c.Hub != Hub{} || c.Provisioning.configured() }

// salvage decodes each top-level table of a file with errors separately. ok is false if
// the table [lock] has an error.
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

	problems = c.salvageOthers(file, text)
	return c, problems, len(problems) > 0
}

// salvageOthers decodes into c each top-level table except [lock]. It returns their
// errors; the keys concerned get their defaults.
func (c *Config) salvageOthers(file string, text []byte) (problems []error) {
	tables := splitTables(text)
	var unusable []string // names of the tables that cannot be decoded
	for _, table := range tables.names() {
		if table == "lock" {
			continue
		}
		decoded, err := tables.decode(*c, table)
		if err == nil {
			*c = decoded
			continue
		}
		problems = append(problems, explain(file, text, err))
		unusable = append(unusable, table)
	}

	for _, err := range c.check() {
		table, _, _ := strings.Cut(err.(valueError).key, ".")
		if table == "lock" {
			continue
		}
		if !slices.Contains(unusable, table) { // otherwise only a consequence of an error that was already reported
			problems = append(problems, explain(file, text, err))
		}
		c.reset(file, table)
	}
	if slices.Contains(unusable, "hub") || slices.Contains(unusable, "provisioning") {
		c.reset(file, "hub")
	}
	return problems
}

// reset sets a top-level key, or all keys of a table, to their defaults.
func (c *Config) reset(file, table string) {
	initial := defaults(file)
	switch table {
	case "state_dir":
		c.StateDir = initial.StateDir
	case "log_level":
		c.LogLevel = initial.LogLevel
	case "place":
		c.Place = initial.Place
	case "hub", "provisioning": // each of these tables is useless without the other
		c.Hub, c.Provisioning = initial.Hub, initial.Provisioning
	}
}

// tables holds the lines of a file and, for each line, the name of its top-level table.
// The name is empty before the first table.
type tables struct {
	lines [][]byte
	table []string
	// lockOnTop is true if a key of the table [lock] comes before the first table
	// heading, as in lock.driver = "gpio".
	lockOnTop bool
}

var (
	tableHeading = regexp.MustCompile(`^\s*\[\[?\s*["']?([A-Za-z0-9_-]+)`)
	lockKey      = regexp.MustCompile(`^\s*["']?lock["']?\s*[.=]`)
)

// splitTables assigns each line of a file to its table. It examines only the beginning
// of each line, because the file may not be valid TOML.
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

// names returns the names of all tables in the file, each once.
func (t tables) names() []string {
	var names []string
	for _, name := range t.table {
		if !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return names
}

// decode decodes one table of the file into a copy of c. It replaces the lines of all
// other tables by empty lines, so that errors have the right line numbers.
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
