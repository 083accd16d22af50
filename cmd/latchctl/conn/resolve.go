package conn

import (
	"cmp"
	"errors"
	"fmt"
	"net/url"
	"os"
	"runtime"
	"strings"

	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
	"github.com/latchd/latchd/transport/textfile"
	"github.com/latchd/latchd/transport/trust"
)

// maxFile is the maximum size of a connection string file, in bytes.
const maxFile = 1 << 20

// Flags holds the flags that choose the hub. An empty field means that the flag was
// not given.
type Flags struct {
	Hub      string // name of a hub in the config file
	HubFile  string // path of a file with the connection string
	HubName  string // host name of a hub, for a login with Entra ID
	Endpoint string // address to connect to instead of the hub's name
	CAFile   string // path of the CA certificates to trust
}

// UsageError means that the flags and the environment name no hub or several hubs, or
// that one of their values is invalid.
type UsageError struct{ text string }

// Error returns the problem and its remedy.
func (e *UsageError) Error() string { return e.text }

// Target describes the hub that latchctl connects to.
type Target struct {
	Service  iothub.Service
	Label    string       // what users call the hub: its name in the config file, else its HOST, or the HOST:PORT of the endpoint
	HubID    iothub.HubID // id that the hub must have, from the config file; empty if not known
	Entra    bool         // log in with Entra ID; Service then has no key
	Endpoint *url.URL     // address to connect to; nil means the hub's host name
	RootCAs  trust.Roots  // CA certificates to trust; nil means those of the system
	Tier     string       // tier from the config file, such as S1; empty if not known
	Units    int          // number of units of the tier, at least 1
	Warnings []string     // warnings for the user, one line each
}

// Resolve chooses the hub and reads its connection string and CA file.
func Resolve(flags Flags, getenv func(string) string, config Config) (Target, error) {
	source, err := chooseSource(flags, getenv, config)
	if err != nil {
		return Target{}, err
	}

	t := Target{HubID: source.id, Tier: source.tier, Units: max(source.units, 1)}
	if config.warning != "" {
		t.Warnings = append(t.Warnings, config.warning)
	}

	if source.hubName != "" {
		if err := checkHubName(source.hubName); err != nil {
			return Target{}, &UsageError{fmt.Sprintf("%s %v", source.name, err)}
		}
		t.Service, t.Entra = iothub.Service{HostName: source.hubName}, true
	} else if t.Service, err = t.readService(source); err != nil {
		return Target{}, err
	}

	if source.endpoint != "" {
		if t.Endpoint, err = rest.ParseEndpoint(source.endpoint); err != nil {
			return Target{}, &UsageError{err.Error()}
		}
	}
	t.Label = source.label(t.Service.HostName, t.Endpoint, flags.Endpoint != "")
	if source.caFile != "" {
		t.RootCAs = trust.CAFile(source.caFile)
		if _, err := t.RootCAs(); err != nil {
			return Target{}, err
		}
	}

	return t, nil
}

// readService reads and parses the connection string of a hub. It adds a warning to t
// if other users can read the connection string's file.
func (t *Target) readService(src source) (iothub.Service, error) {
	text := src.connectionString
	if text == "" {
		content, warning, err := readSecret(src.file)
		if err != nil {
			return iothub.Service{}, err
		}
		if warning != "" {
			t.Warnings = append(t.Warnings, warning)
		}
		text = content
	}

	service, err := iothub.ParseService(text)
	if err != nil {
		return iothub.Service{}, fmt.Errorf("%s: %w", src.name, err)
	}
	return service, nil
}

// checkHubName returns an error unless name is a full host name. It is strict because
// latchctl sends an Entra ID token to this host. The error text begins with a verb;
// the caller prepends the name of the flag or variable.
func checkHubName(name string) error {
	if name == "" {
		return errors.New("has no host_name, such as myhub.azure-devices.net")
	}
	if u, err := rest.ParseEndpoint(name); err != nil || u.Host != name || !strings.Contains(name, ".") {
		return fmt.Errorf("has the host name %q; want the full name, such as myhub.azure-devices.net", name)
	}
	return nil
}

// source is the flag, environment variable or config file entry that chooses the hub.
// Exactly one of hubName, connectionString and file is set.
type source struct {
	name             string       // name of the flag, variable or file, for error messages
	hubName          string       // host name, for a login with Entra ID
	connectionString string       // text of the connection string
	file             string       // path of a file with the connection string
	hub              string       // name of the hub in the config file; empty if a flag or variable chooses the hub
	id               iothub.HubID // id of the hub in the config file; empty if not known
	endpoint         string
	caFile           string
	tier             string
	units            int
}

// label returns what users call the hub. atEndpoint says that a flag overrides the
// address of a hub in the config file.
func (src source) label(hostName string, endpoint *url.URL, atEndpoint bool) string {
	switch {
	case src.hub != "" && atEndpoint:
		return src.hub + " at " + endpoint.Host
	case src.hub != "":
		return src.hub
	case endpoint != nil:
		return endpoint.Host
	}
	return hostName
}

// chooseSource returns the flag, environment variable or config file entry that
// chooses the hub. Precedence: flags, environment, default hub of the config file.
func chooseSource(flags Flags, getenv func(string) string, config Config) (source, error) {
	src, configHub, err := chooseHub(flags, getenv, config)
	if err != nil {
		return source{}, err
	}

	if configHub != "" {
		hub, ok := config.Hubs[configHub]
		if !ok {
			return source{}, &UsageError{fmt.Sprintf("the config file %s has no hub %q; its hubs: %s", configName(config), configHub, config.list())}
		}
		src = source{
			name: cmp.Or(hub.ConnectionStringFile, fmt.Sprintf("hub %q of the config file", configHub)), file: hub.ConnectionStringFile, hubName: hub.HostName,
			hub: configHub, id: hub.ID, endpoint: hub.Endpoint, caFile: hub.CAFile, tier: hub.Tier, units: hub.Units,
		}
	} else {
		src.endpoint, src.caFile = getenv("LATCHCTL_ENDPOINT"), getenv("LATCHCTL_CA_FILE")
	}

	if flags.Endpoint != "" {
		src.endpoint = flags.Endpoint
	}
	if flags.CAFile != "" {
		src.caFile = flags.CAFile
	}

	return src, nil
}

// chooseHub returns the flag or environment variable that chooses the hub. If that is a
// hub of the config file, it returns the hub's name instead. The returned source has no
// endpoint and no CA file.
func chooseHub(flags Flags, getenv func(string) string, config Config) (src source, configHub string, err error) {
	envText := getenv("LATCHCTL_HUB")
	envFile := getenv("LATCHCTL_HUB_FILE")
	envName := getenv("LATCHCTL_HUB_NAME")

	switch {
	case countSet(flags.Hub, flags.HubFile, flags.HubName) > 1:
		return source{}, "", &UsageError{"more than one hub is given; give one of --hub NAME, --hub-file FILE and --hub-name HOST"}
	case flags.HubFile != "":
		return source{name: flags.HubFile, file: flags.HubFile}, "", nil
	case flags.HubName != "":
		return source{name: "--hub-name", hubName: flags.HubName}, "", nil
	case flags.Hub != "":
		return source{}, flags.Hub, nil
	}

	switch {
	case countSet(envText, envFile, envName) > 1:
		return source{}, "", &UsageError{"more than one of LATCHCTL_HUB, LATCHCTL_HUB_FILE and LATCHCTL_HUB_NAME is set; unset all but one"}
	case envText != "":
		return source{name: "LATCHCTL_HUB", connectionString: envText}, "", nil
	case envFile != "":
		return source{name: envFile, file: envFile}, "", nil
	case envName != "":
		return source{name: "LATCHCTL_HUB_NAME", hubName: envName}, "", nil
	case config.Default != "":
		return source{}, config.Default, nil
	}

	return source{}, "", &UsageError{"no hub is given; add one with 'latchctl hub add', or use --hub-file FILE with its connection string; hubs are in " + configName(config)}
}

// countSet returns the number of texts that are not empty.
func countSet(texts ...string) int {
	n := 0
	for _, text := range texts {
		if text != "" {
			n++
		}
	}
	return n
}

// configName returns the path of the config file for an error message.
func configName(config Config) string {
	if config.path == "" {
		return "latchctl/config.toml"
	}
	return config.path
}

// readSecret reads a connection string from a file. It returns a warning if other users
// can read the file.
func readSecret(path string) (text, warning string, err error) {
	text, err = textfile.Read(path, maxFile)
	if err != nil {
		return "", "", fmt.Errorf("connection string: %w", err)
	}
	if text == "" {
		return "", "", fmt.Errorf("connection string: %s is empty", path)
	}

	info, err := os.Stat(path)
	if err != nil {
		return "", "", fmt.Errorf("connection string: %w", err)
	}
	if mode := info.Mode(); othersMay(mode, 0o077, runtime.GOOS) {
		warning = fmt.Sprintf("warning: other users can read %s, which holds a key (mode %04o); run: chmod 600 %s", path, mode.Perm(), path)
	}
	return text, warning, nil
}
