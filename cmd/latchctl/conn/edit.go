package conn

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"regexp"
	"slices"
	"strings"

	"github.com/latchd/latchd/transport/durable"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/textfile"
)

// NewHub is a hub to add to the config file.
type NewHub struct {
	Name     string
	Service  iothub.Service
	Endpoint string       // https://HOST:PORT; empty means the hub's host name
	CA       string       // CA certificates in PEM; empty means those of the system
	ID       iothub.HubID // empty if not known
}

var hubName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$`)

// CheckHubName returns an error if name cannot be the name of a hub in the config file.
func CheckHubName(name string) error {
	if !hubName.MatchString(name) {
		return fmt.Errorf("the hub's name is %q; want letters, digits, - and _", name)
	}
	return nil
}

// NameFor returns a name for the hub with the given host name: its first label, or an IP
// address with hyphens.
func NameFor(hostName string) string {
	host := strings.ToLower(hostName)
	name, rest, _ := strings.Cut(host, ".")
	if strings.Trim(name, "0123456789") == "" {
		name = strings.TrimSuffix(name+"."+rest, ".")
	}
	return strings.ReplaceAll(name, ".", "-")
}

// CheckNew returns an error if the hub's name is taken by another hub, or by a file that
// AddHub would have to replace. A file with a login of the same policy at the same hub may
// stay from an interrupted command.
func (c Config) CheckNew(h NewHub) error {
	if c.path == "" {
		return errors.New("no folder for the config file is known; set HOME or XDG_CONFIG_HOME")
	}
	if _, ok := c.Hubs[h.Name]; ok {
		return fmt.Errorf("the config file %s has a hub %q already; choose another name, or remove it with 'latchctl hub remove %s'", c.path, h.Name, h.Name)
	}

	text, err := textfile.Read(c.secretFile(h.Name), maxFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if service, parseErr := iothub.ParseService(text); err != nil || parseErr != nil || service.HostName != h.Service.HostName || service.KeyName != h.Service.KeyName {
		return fmt.Errorf("%s exists; choose another name for the hub, or remove the file", c.secretFile(h.Name))
	}
	return nil
}

func (c Config) secretFile(name string) string {
	return filepath.Join(filepath.Dir(c.path), name+".connection-string")
}

func (c Config) caFile(name string) string {
	return filepath.Join(filepath.Dir(c.path), name+"-ca.pem")
}

// SaveSecret writes the connection string of a new hub beside the config file. Only the
// user can read it. Call CheckNew before.
func (c Config) SaveSecret(h NewHub) error {
	if err := durable.MakeDir(filepath.Dir(c.path), 0o700); err != nil {
		return err
	}
	return durable.Replace(c.secretFile(h.Name), []byte(h.Service.ConnectionString()+"\n"), 0o600)
}

// AddHub adds a hub to the config file, whose secret SaveSecret has written. Without a
// default hub, the new one becomes the default. It reports whether the hub is the default.
func (c Config) AddHub(h NewHub) (isDefault bool, err error) {
	if h.CA != "" {
		if err := durable.Replace(c.caFile(h.Name), []byte(h.CA), 0o644); err != nil {
			return false, err
		}
	}

	added := Hub{ConnectionStringFile: h.Name + ".connection-string", Endpoint: h.Endpoint, ID: h.ID}
	var table strings.Builder
	fmt.Fprintf(&table, "\n[hubs.%s]\nconnection_string_file = %q\n", h.Name, added.ConnectionStringFile)
	if h.Endpoint != "" {
		fmt.Fprintf(&table, "endpoint = %q\n", h.Endpoint)
	}
	if h.CA != "" {
		added.CAFile = filepath.Base(c.caFile(h.Name))
		fmt.Fprintf(&table, "ca_file = %q\n", added.CAFile)
	}
	if h.ID != "" {
		fmt.Fprintf(&table, "id = %q\n", h.ID)
	}

	isDefault = c.Default == ""
	return isDefault, c.edit(func(text string, want *Config) string {
		if want.Hubs == nil {
			want.Hubs = make(map[string]Hub)
		}
		want.Hubs[h.Name] = added
		if text != "" && !strings.HasSuffix(text, "\n") {
			text += "\n"
		}
		text += table.String()
		if isDefault {
			want.Default = h.Name
			text = withDefault(text, h.Name)
		}
		return strings.TrimPrefix(text, "\n")
	})
}

// UseHub makes a hub of the config file the default.
func (c Config) UseHub(name string) error {
	if _, ok := c.Hubs[name]; !ok {
		return c.noHub(name)
	}
	return c.edit(func(text string, want *Config) string {
		want.Default = name
		return withDefault(text, name)
	})
}

// RemoveHub removes a hub from the config file, and then the files that AddHub has written
// for it. If it was the default, no hub is.
func (c Config) RemoveHub(name string) error {
	if _, ok := c.Hubs[name]; !ok {
		return c.noHub(name)
	}
	err := c.edit(func(text string, want *Config) string {
		delete(want.Hubs, name)
		if want.Default == name {
			want.Default = ""
			text = withDefault(text, "")
		}
		return withoutTable(text, name)
	})
	if err != nil {
		return err
	}

	for _, file := range []string{c.secretFile(name), c.caFile(name)} {
		unused := !slices.ContainsFunc(c.Names(), func(other string) bool {
			return other != name && (c.Hubs[other].ConnectionStringFile == file || c.Hubs[other].CAFile == file)
		})
		used := c.Hubs[name].ConnectionStringFile == file || c.Hubs[name].CAFile == file
		if used && unused {
			err = errors.Join(err, os.Remove(file))
		}
	}
	return err
}

func (c Config) noHub(name string) error {
	return &UsageError{fmt.Sprintf("the config file %s has no hub %q; its hubs: %s", configName(c), name, c.list())}
}

// edit changes the text of the config file. The function change also makes the same change
// in the present config. If the new text does not mean that config, edit changes nothing.
func (c Config) edit(change func(text string, want *Config) string) error {
	text, err := textfile.Read(c.path, maxFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("config: %w", err)
	}
	mode := fs.FileMode(0o600)
	if info, err := os.Stat(c.path); err == nil {
		mode = info.Mode().Perm()
	}

	want, err := parseConfig([]byte(text), c.path)
	if err != nil {
		return err
	}
	changed := change(text, &want)
	got, err := parseConfig([]byte(changed), c.path)
	if err != nil || !reflect.DeepEqual(got, want) && !(len(got.Hubs) == 0 && len(want.Hubs) == 0 && got.Default == want.Default) {
		return fmt.Errorf("%s: the file has an unusual form and cannot be changed automatically; edit it by hand", c.path)
	}

	path := c.path
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	return durable.Replace(path, []byte(changed), mode)
}

var (
	defaultLine = regexp.MustCompile(`^\s*["']?default["']?\s*=`)
	anyHeading  = regexp.MustCompile(`^\s*\[`)
)

// withDefault sets the default hub in the text of a config file. An empty name removes it.
func withDefault(text, name string) string {
	line := ""
	if name != "" {
		line = fmt.Sprintf("default = %q\n", name)
	}

	var b strings.Builder
	done, top := false, true
	for old := range strings.Lines(text) {
		top = top && !anyHeading.MatchString(old)
		if top && !done && defaultLine.MatchString(old) {
			old, done = line, true
		}
		b.WriteString(old)
	}
	if done {
		return b.String()
	}
	return line + b.String()
}

// withoutTable removes the table of a hub from the text of a config file, up to the next
// table and its comment.
func withoutTable(text, name string) string {
	heading := regexp.MustCompile(`^\s*\[\s*["']?hubs["']?\s*\.\s*["']?` + regexp.QuoteMeta(name) + `["']?\s*\]`)
	var b strings.Builder
	inside, comment := false, ""

	for line := range strings.Lines(text) {
		if anyHeading.MatchString(line) {
			inside = heading.MatchString(line)
			b.WriteString(comment)
			comment = ""
		}

		switch {
		case !inside:
			b.WriteString(line)
		case strings.HasPrefix(strings.TrimSpace(line), "#"):
			comment += line
		default:
			comment = ""
		}
	}
	return b.String()
}

// HostName returns the host of a hub's HOST or HOST:PORT, and the endpoint for it, which is
// empty for the standard port.
func HostName(hub string) (host, endpoint string) {
	host, port, ok := strings.Cut(hub, ":")
	if !ok || port == "443" {
		return host, ""
	}
	return host, "https://" + hub
}

// Address returns HOST:PORT, or the host of an endpoint, for a list of hubs.
func (h Hub) Address() string {
	return cmp.Or(strings.TrimPrefix(h.Endpoint, "https://"), h.HostName)
}
