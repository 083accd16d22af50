package conn

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"

	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
)

// maxFile bounds what is read of a file that the user names.
const maxFile = 1 << 20

// Flags are what the command line says of the hub. Empty fields were not given.
type Flags struct {
	Hub      string // name in the config file
	HubFile  string
	HubName  string // a host name, for a login by Entra ID
	Endpoint string
	CAFile   string
}

// UsageError is a choice of hub that cannot be understood.
type UsageError struct{ text string }

// Error says what is wrong and how it is put right.
func (e *UsageError) Error() string { return e.text }

// Target is a hub to speak to.
type Target struct {
	Service  iothub.Service
	Entra    bool           // log in by Entra ID: Service has no key
	Endpoint *url.URL       // nil: at the hub's own name
	RootCAs  *x509.CertPool // nil: the system's
	Tier     string         // as the config file has it; may be empty
	Units    int            // of the tier, 1 or more
	Warnings []string       // for the user, one line each
}

// Resolve works out the hub.
func Resolve(flags Flags, getenv func(string) string, config Config) (Target, error) {
	choice, err := choose(flags, getenv, config)
	if err != nil {
		return Target{}, err
	}
	t := Target{Tier: choice.tier, Units: max(choice.units, 1)}
	if config.warning != "" {
		t.Warnings = append(t.Warnings, config.warning)
	}
	if choice.hubName != "" {
		if err := checkHubName(choice.hubName); err != nil {
			return Target{}, &UsageError{fmt.Sprintf("%s %v", choice.source, err)}
		}
		t.Service, t.Entra = iothub.Service{HostName: choice.hubName}, true
	} else if t.Service, err = t.readService(choice); err != nil {
		return Target{}, err
	}
	if choice.endpoint != "" {
		if t.Endpoint, err = rest.ParseEndpoint(choice.endpoint); err != nil {
			return Target{}, &UsageError{err.Error()}
		}
	}
	if choice.caFile != "" {
		if t.RootCAs, err = readCA(choice.caFile); err != nil {
			return Target{}, err
		}
	}
	return t, nil
}

// readService reads the connection string, and notes what is to be warned of.
func (t *Target) readService(c choice) (iothub.Service, error) {
	text := c.text
	if text == "" {
		content, warning, err := readSecret(c.file)
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
		return iothub.Service{}, fmt.Errorf("%s: %w", c.source, err)
	}
	return service, nil
}

// checkHubName wants a whole host name: what is dialled, and named to Entra ID.
func checkHubName(name string) error {
	if name == "" {
		return errors.New("has no host_name, such as myhub.azure-devices.net")
	}
	if u, err := rest.ParseEndpoint(name); err != nil || u.Host != name || !strings.Contains(name, ".") {
		return fmt.Errorf("has the host name %q; want the whole name, such as myhub.azure-devices.net", name)
	}
	return nil
}

// choice is where the parts come from.
type choice struct {
	source           string // for errors
	hubName          string // the host name, for Entra ID; else
	text, file       string // the connection string, or its file
	endpoint, caFile string
	tier             string
	units            int
}

func choose(flags Flags, getenv func(string) string, config Config) (choice, error) {
	var c choice
	envText, envFile, envName := getenv("LATCHCTL_HUB"), getenv("LATCHCTL_HUB_FILE"), getenv("LATCHCTL_HUB_NAME")
	name := flags.Hub
	switch {
	case given(flags.Hub, flags.HubFile, flags.HubName) > 1:
		return c, &UsageError{"give one of --hub NAME, --hub-file FILE and --hub-name HOST"}
	case flags.HubFile != "":
		c.source, c.file = flags.HubFile, flags.HubFile
	case flags.HubName != "":
		c.source, c.hubName = "--hub-name", flags.HubName
	case flags.Hub != "":
	case given(envText, envFile, envName) > 1:
		return c, &UsageError{"of LATCHCTL_HUB, LATCHCTL_HUB_FILE and LATCHCTL_HUB_NAME more than one is set; unset all but one"}
	case envText != "":
		c.source, c.text = "LATCHCTL_HUB", envText
	case envFile != "":
		c.source, c.file = envFile, envFile
	case envName != "":
		c.source, c.hubName = "LATCHCTL_HUB_NAME", envName
	case config.Default != "":
		name = config.Default
	default:
		return c, &UsageError{"which hub? give --hub-file FILE with its connection string, set LATCHCTL_HUB_FILE, or name hubs in " + configName(config)}
	}
	if name != "" {
		hub, ok := config.Hubs[name]
		if !ok {
			return c, &UsageError{fmt.Sprintf("there is no hub %q in %s; there are: %s", name, configName(config), config.list())}
		}
		c = choice{source: hub.ConnectionStringFile, file: hub.ConnectionStringFile, hubName: hub.HostName, endpoint: hub.Endpoint, caFile: hub.CAFile,
			tier: hub.Tier, units: hub.Units}
	} else {
		c.endpoint, c.caFile = getenv("LATCHCTL_ENDPOINT"), getenv("LATCHCTL_CA_FILE")
	}
	if flags.Endpoint != "" {
		c.endpoint = flags.Endpoint
	}
	if flags.CAFile != "" {
		c.caFile = flags.CAFile
	}
	return c, nil
}

// given counts the texts that are not empty.
func given(texts ...string) int {
	n := 0
	for _, text := range texts {
		if text != "" {
			n++
		}
	}
	return n
}

func configName(config Config) string {
	if config.path == "" {
		return "~/.config/latchctl/config.toml"
	}
	return config.path
}

// readSecret reads a connection string, with a warning if others can read it too.
func readSecret(path string) (text, warning string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", "", fmt.Errorf("connection string: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return "", "", fmt.Errorf("connection string: %w", err)
	}
	if info.IsDir() {
		return "", "", fmt.Errorf("connection string: %s is a folder; want the file in it", path)
	}
	if mode := info.Mode(); mode.IsRegular() && mode.Perm()&0o077 != 0 {
		warning = fmt.Sprintf("warning: %s holds a key and others can read it (mode %04o); run: chmod 600 %s", path, mode.Perm(), path)
	}
	content, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return "", "", fmt.Errorf("connection string: %w", err)
	}
	if len(content) == 0 {
		return "", "", fmt.Errorf("connection string: %s is empty", path)
	}
	return string(content), warning, nil
}

func readCA(path string) (*x509.CertPool, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("CA file: %w", err)
	}
	defer f.Close()
	content, err := io.ReadAll(io.LimitReader(f, maxFile))
	if err != nil {
		return nil, fmt.Errorf("CA file: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(content) {
		return nil, errors.New("CA file: " + path + " has no certificate in PEM form")
	}
	return pool, nil
}
