package guard

import (
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// linked lists the modules that each program links, with the purpose of each. Add a
// module only on purpose, because somebody must download, license and patch it for
// every machine.
var linked = map[string][]string{
	"latchd": {
		"github.com/coreos/go-systemd/v22",    // file descriptor store and watchdog interval of systemd
		"github.com/eclipse/paho.mqtt.golang", // MQTT
		"github.com/godbus/dbus/v5",           // reboots the machine through logind
		"github.com/gorilla/websocket",        // MQTT over WebSocket, on port 443
		"github.com/pelletier/go-toml/v2",     // reads the configuration
		"github.com/warthog618/go-gpiocdev",   // GPIO lines
		"go.uber.org/multierr",                // used by zap
		"go.uber.org/zap",                     // logging
		"golang.org/x/net",                    // proxies; also used by paho
		"golang.org/x/sync",                   // used by paho
		"golang.org/x/sys",                    // system calls
	},
	"latchctl": {
		"github.com/Azure/azure-sdk-for-go/sdk/azcore",
		"github.com/Azure/azure-sdk-for-go/sdk/azidentity", // logins with Entra ID
		"github.com/Azure/azure-sdk-for-go/sdk/internal",
		"github.com/AzureAD/microsoft-authentication-library-for-go", // used by azidentity
		"github.com/golang-jwt/jwt/v5",                               // used by azidentity
		"github.com/google/uuid",                                     // request ids
		"github.com/kylelemons/godebug",                              // used by azidentity's library
		"github.com/pelletier/go-toml/v2",                            // reads the file of named hubs
		"github.com/pkg/browser",                                     // used by azidentity's library
		"github.com/spf13/cobra",                                     // commands
		"github.com/spf13/pflag",                                     // used by cobra
		"golang.org/x/crypto",                                        // used by azidentity
		"golang.org/x/net",                                           // used by azcore
		"golang.org/x/sys",                                           // used by term
		"golang.org/x/term",                                          // finds the width of the terminal
		"golang.org/x/text",                                          // widths of characters on a terminal; used by net
	},
	"latchhub": {
		"github.com/coreos/go-systemd/v22",
		"github.com/dustin/go-humanize", // used by sqlite
		"github.com/godbus/dbus/v5",     // used by the package systemd
		"github.com/google/uuid",
		"github.com/gorilla/websocket",
		"github.com/mochi-mqtt/server/v2",  // MQTT broker
		"github.com/remyoudompheng/bigfft", // used by sqlite
		"github.com/rs/xid",                // used by mochi
		"github.com/spf13/cobra",
		"github.com/spf13/pflag",
		"go.uber.org/multierr",
		"go.uber.org/zap",
		"golang.org/x/sync",
		"golang.org/x/sys",
		"modernc.org/libc",     // used by sqlite
		"modernc.org/mathutil", // used by sqlite
		"modernc.org/memory",   // used by sqlite
		"modernc.org/sqlite",   // database of the hub
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
					t.Errorf("%s links %s, which is not on the list", program, path)
				}
			}
			for _, path := range want {
				if !slices.Contains(got, path) {
					t.Errorf("%s no longer links %s; remove it from the list", program, path)
				}
			}
		})
	}
}
