package guard

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// What each program links, module by module, with what for. A new one is a decision:
// it is more to download, to licence and to patch on every gateway.
var linked = map[string][]string{
	"latchd": {
		"github.com/coreos/go-systemd/v22",    // stored files and the watchdog's interval
		"github.com/eclipse/paho.mqtt.golang", // MQTT
		"github.com/godbus/dbus/v5",           // the method reboot
		"github.com/gorilla/websocket",        // MQTT where only port 443 is open
		"github.com/pelletier/go-toml/v2",     // the configuration
		"github.com/warthog618/go-gpiocdev",   // lines
		"go.uber.org/multierr",                // by zap
		"go.uber.org/zap",                     // the log
		"golang.org/x/net",                    // proxies, by paho too
		"golang.org/x/sync",                   // by paho
		"golang.org/x/sys",                    // the kernel's calls
	},
	"latchctl": {
		"github.com/Azure/azure-sdk-for-go/sdk/azcore",
		"github.com/Azure/azure-sdk-for-go/sdk/azidentity", // the login by Entra ID
		"github.com/Azure/azure-sdk-for-go/sdk/internal",
		"github.com/AzureAD/microsoft-authentication-library-for-go", // by azidentity
		"github.com/golang-jwt/jwt/v5",                               // by azidentity
		"github.com/google/uuid",                                     // ids of requests
		"github.com/kylelemons/godebug",                              // by azidentity's library
		"github.com/pelletier/go-toml/v2",                            // the named hubs
		"github.com/pkg/browser",                                     // by azidentity's library
		"github.com/spf13/cobra",                                     // commands
		"github.com/spf13/pflag",                                     // by cobra
		"golang.org/x/crypto",                                        // by azidentity
		"golang.org/x/net",                                           // by azcore
		"golang.org/x/sys",                                           // by term
		"golang.org/x/term",                                          // the width of the terminal
		"golang.org/x/text",                                          // by net
	},
	"latchhub": {
		"github.com/coreos/go-systemd/v22",
		"github.com/dustin/go-humanize", // by sqlite
		"github.com/godbus/dbus/v5",     // by the package systemd
		"github.com/google/uuid",
		"github.com/gorilla/websocket",
		"github.com/mochi-mqtt/server/v2",  // the broker
		"github.com/remyoudompheng/bigfft", // by sqlite
		"github.com/rs/xid",                // by mochi
		"github.com/spf13/cobra",
		"github.com/spf13/pflag",
		"go.uber.org/multierr",
		"go.uber.org/zap",
		"golang.org/x/sync",
		"golang.org/x/sys",
		"modernc.org/libc",     // by sqlite
		"modernc.org/mathutil", // by sqlite
		"modernc.org/memory",   // by sqlite
		"modernc.org/sqlite",   // the store
	},
	"latchsim": {
		"github.com/eclipse/paho.mqtt.golang",
		"github.com/google/uuid",
		"github.com/gorilla/websocket",
		"go.uber.org/multierr",
		"go.uber.org/zap",
		"golang.org/x/net",
		"golang.org/x/sync",
		"golang.org/x/sys",
	},
}

func TestLinkedModules(t *testing.T) {
	for program, want := range linked {
		t.Run(program, func(t *testing.T) {
			cmd := exec.CommandContext(t.Context(), "go", "list", "-deps", "-f", "{{with .Module}}{{.Path}}{{end}}", "./cmd/"+program)
			cmd.Dir = root(t)
			cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux", "GOARCH=arm64")
			out, err := cmd.Output()
			if err != nil {
				t.Fatalf("go list: %v", err)
			}
			got := strings.Fields(string(out))
			slices.Sort(got)
			got = slices.DeleteFunc(slices.Compact(got), func(path string) bool { return path == module })
			for _, path := range got {
				if !slices.Contains(want, path) {
					t.Errorf("%s links %s, which it was not meant to", program, path)
				}
			}
			for _, path := range want {
				if !slices.Contains(got, path) {
					t.Errorf("%s does not link %s any more: take it off the list", program, path)
				}
			}
		})
	}
}
