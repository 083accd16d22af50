package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/latchd/latchd/systemd"
	"github.com/latchd/latchd/transport/hub"
)

func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	root := &cobra.Command{
		Use:   "latchhub",
		Short: "an IoT hub in one process, for sites and tests without Azure",
		Example: `  latchhub serve --data /var/lib/latchhub
  latchctl --hub-file /var/lib/latchhub/service.connection-string --ca-file /var/lib/latchhub/ca.pem device list`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SetOut(stderr)
			cmd.Help()
			return usageError{errors.New("say what to do: serve, ca, enrollment, policy or version")}
		},
	}
	root.CompletionOptions.HiddenDefaultCmd = true // the package installs what it prints
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(newServe(stdout, stderr), newCA(stdin, stdout), newEnrollment(stdin, stdout), newPolicy(stdout), newVersion(stdout))
	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	return root.ExecuteContext(ctx)
}

// garbage is how much may gather, in percent of what is in use, before the
// collector runs. The stacks of the devices' goroutines count as in use, and are
// more than the heap: with Go's 100 the heap grows to three times what is alive.
// Half of it costs the hub 3 % of its CPU time during a job.
const garbage = 50

func newServe(stdout, stderr io.Writer) *cobra.Command {
	var opts hub.Options
	var level string
	cmd := &cobra.Command{
		Use:   "serve --data DIR",
		Short: "run the hub until it gets SIGTERM or SIGINT",
		Long: `Run the hub. The first start makes a certificate authority (DIR/ca.pem, which
clients are to trust) and the owner's connection string
(DIR/service.connection-string). When the hub takes connections it says so in
one line on standard output; its log goes to standard error.`,
		Example: `  latchhub serve --data /var/lib/latchhub --name hub.example.com
  latchhub serve --data ./hub --mqtt 127.0.0.1:0 --https 127.0.0.1:0`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			minimum, err := zapcore.ParseLevel(level)
			if err != nil {
				return usageError{fmt.Errorf("--log-level is %q, it can be debug, info, warn or error", level)}
			}
			if opts.DataDir == "" {
				return usageError{errors.New("--data is missing: the directory for the hub's data")}
			}
			for flag, addr := range map[string]string{"--mqtt": opts.MQTTAddr, "--https": opts.HTTPSAddr} {
				if _, _, err := net.SplitHostPort(addr); err != nil {
					return usageError{fmt.Errorf("%s is %q, want HOST:PORT or :PORT", flag, addr)}
				}
			}
			opts.Logger = newLogger(stderr, minimum)
			defer opts.Logger.Sync()
			opts.Ready = func(at hub.Addresses) {
				fmt.Fprintf(stdout, "latchhub ready mqtt=%s https=%s data=%s\n", at.MQTT, at.HTTPS, opts.DataDir)
				if at.Metrics != nil {
					opts.Logger.Info("metrics", zap.Stringer("address", at.Metrics))
				}
				tell(opts.Logger, systemd.Ready, systemd.Status(fmt.Sprintf("devices at %s, services at %s", at.MQTT, at.HTTPS)))
			}
			defer context.AfterFunc(cmd.Context(), func() { tell(opts.Logger, systemd.Stopping) })()
			if os.Getenv("GOGC") == "" {
				debug.SetGCPercent(garbage)
			}
			return hub.Run(cmd.Context(), opts)
		},
	}
	flags := cmd.Flags()
	flags.StringVar(&opts.DataDir, "data", "", "directory for certificates, keys and the database (made if missing)")
	flags.StringVar(&opts.MQTTAddr, "mqtt", ":8883", "address of the MQTT front; port 0 is any free one")
	flags.StringVar(&opts.HTTPSAddr, "https", ":8443", "address of the service front; port 0 is any free one")
	flags.StringVar(&opts.Metrics, "metrics", "", "loopback address for Prometheus, such as 127.0.0.1:9464 (none if empty)")
	flags.StringVar(&opts.Tier, "tier", "", "throttle clients as IoT Hub's tier F1, S1, S2 or S3 does (not at all if empty)")
	flags.IntVar(&opts.Units, "units", 0, "units of the tier (default 1)")
	flags.StringVar(&opts.Name, "name", "localhost", "the hub's host name, as clients use it")
	flags.StringVar(&level, "log-level", "info", "debug, info, warn or error")
	return cmd
}

// version is set when a release is linked.
var version = "devel"

func newVersion(stdout io.Writer) *cobra.Command {
	return &cobra.Command{
		Use:   "version",
		Short: "print the version",
		Args:  noArgs,
		Run: func(*cobra.Command, []string) {
			fmt.Fprintf(stdout, "latchhub %s (%s, %s/%s)\n", version, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		},
	}
}

func noArgs(cmd *cobra.Command, args []string) error {
	if err := cobra.NoArgs(cmd, args); err != nil {
		return usageError{err}
	}
	return nil
}

func exactArgs(n int) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if err := cobra.ExactArgs(n)(cmd, args); err != nil {
			return usageError{err}
		}
		return nil
	}
}

// newLogger writes to the journal if stderr leads there, else lines that a
// person can read.
func newLogger(stderr io.Writer, minimum zapcore.Level) *zap.Logger {
	if core, ok := systemd.JournalCore(stderr, "latchhub", minimum); ok {
		return zap.New(core)
	}
	config := zap.NewProductionEncoderConfig()
	config.EncodeTime = zapcore.ISO8601TimeEncoder
	config.EncodeLevel = zapcore.CapitalLevelEncoder
	config.ConsoleSeparator = " "
	return zap.New(zapcore.NewCore(zapcore.NewConsoleEncoder(config), zapcore.Lock(zapcore.AddSync(stderr)), minimum))
}

// tell tells systemd, if it started the hub.
func tell(log *zap.Logger, lines ...string) {
	if _, err := systemd.FromEnvironment().Notify(lines...); err != nil {
		log.Warn("systemd does not know how the hub is", zap.Error(err))
	}
}
