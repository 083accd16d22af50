package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os/signal"
	"runtime"
	"syscall"

	"github.com/spf13/cobra"
	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/latchd/latchd/systemd"
	"github.com/latchd/latchd/transport/hub"
	"github.com/latchd/latchd/transport/termtext"
)

// run executes latchhub's command line. args are the arguments after the program's
// name.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer) error {
	root := &cobra.Command{
		Use:   "latchhub",
		Short: "run an IoT hub in one process, for sites and tests without Azure",
		Example: `  latchhub serve --data /var/lib/latchhub
  latchhub invite door front | latchd enroll --mock
  latchhub invite person anna | latchctl hub add
  latchctl lock front`,
		SilenceUsage:  true,
		SilenceErrors: true,
		Args:          noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cmd.SetOut(stderr)
			cmd.Help()
			return usageError{errors.New("missing command; use serve, invite, backup, restore, ca, enrollment, policy or version")}
		},
	}
	root.CompletionOptions.HiddenDefaultCmd = true // hide the command "completion": the package installs the completion scripts
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usageError{err} })
	root.AddCommand(newServe(stdout, stderr), newBackup(), newRestore(stdout), newCA(stdin, stdout), newEnrollment(stdin, stdout), newInvite(stdout, stderr), newPolicy(stdout), newVersion(stdout))

	root.SetArgs(args)
	root.SetOut(stdout)
	root.SetErr(stderr)
	return root.ExecuteContext(ctx)
}

// serveOptions holds the flags of the command "latchhub serve".
type serveOptions struct {
	hub   hub.Options
	level string // value of --log-level
}

func newServe(stdout, stderr io.Writer) *cobra.Command {
	var opts serveOptions
	cmd := &cobra.Command{
		Use:   "serve --data DIR",
		Short: "run the hub until it receives SIGTERM or SIGINT",
		Long: `Run the hub. The first start creates a certificate authority (DIR/ca.pem), which
clients must trust, and the connection string of the policy iothubowner
(DIR/service.connection-string). When the hub is ready for connections, it prints
one line on standard output. It writes its log to standard error.`,
		Example: `  latchhub serve --data /var/lib/latchhub --name hub.example.com
  latchhub serve --data ./hub --mqtt 127.0.0.1:0 --https 127.0.0.1:0`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return opts.serve(cmd.Context(), stdout, stderr) },
	}

	flags := cmd.Flags()
	flags.StringVar(&opts.hub.DataDir, "data", "", "directory for certificates, keys and the database; created if it does not exist")
	flags.StringVar(&opts.hub.MQTTAddr, "mqtt", ":8883", "address for devices (MQTT over TLS); port 0 selects a free port")
	flags.StringVar(&opts.hub.HTTPSAddr, "https", ":8443", "address for services and for MQTT over WebSocket; port 0 selects a free port")
	flags.StringVar(&opts.hub.Metrics, "metrics", "", "loopback address for Prometheus metrics, such as 127.0.0.1:9464; empty disables metrics")
	flags.StringVar(&opts.hub.Tier, "tier", "", "throttle clients like IoT Hub's tier F1, S1, S2 or S3; empty disables throttling")
	flags.IntVar(&opts.hub.Units, "units", 0, "number of units of the tier (default 1)")
	flags.StringVar(&opts.hub.Name, "name", "localhost", "host name that clients use for the hub")
	flags.StringVar(&opts.level, "log-level", "info", "lowest level to log: debug, info, warn or error")
	return cmd
}

// serve checks the flags and runs the hub until ctx ends.
func (o serveOptions) serve(ctx context.Context, stdout, stderr io.Writer) error {
	// Without the journal, log entries are lost, but the hub keeps running.
	signal.Ignore(syscall.SIGPIPE)

	minimum, err := zapcore.ParseLevel(o.level)
	if err != nil {
		return usageError{fmt.Errorf("--log-level is %q; use debug, info, warn or error", o.level)}
	}
	if o.hub.DataDir == "" {
		return usageError{errNoDataDir}
	}
	for flag, addr := range map[string]string{"--mqtt": o.hub.MQTTAddr, "--https": o.hub.HTTPSAddr} {
		if _, _, err := net.SplitHostPort(addr); err != nil {
			return usageError{fmt.Errorf("%s is %q; use HOST:PORT or :PORT", flag, addr)}
		}
	}

	log := newLogger(stderr, minimum)
	defer log.Sync()
	o.hub.Logger = log
	o.hub.Ready = func(at hub.Addresses) {
		fmt.Fprintf(stdout, "latchhub ready mqtt=%s https=%s data=%s\n", at.MQTT, at.HTTPS, o.hub.DataDir)
		if at.Metrics != nil {
			log.Info("serving metrics", zap.Stringer("address", at.Metrics))
		}
		notifySystemd(log, systemd.Ready, systemd.Status(fmt.Sprintf("devices at %s, services at %s", at.MQTT, at.HTTPS)))
	}
	defer context.AfterFunc(ctx, func() { notifySystemd(log, systemd.Stopping) })()

	return hub.Run(ctx, o.hub)
}

// version is the program's version. The linker sets it in a release build.
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

// newLogger returns the program's logger. If stderr is connected to the journal, the
// logger writes to the journal. Otherwise it writes readable lines to stderr, without
// characters that could control a terminal.
func newLogger(stderr io.Writer, minimum zapcore.Level) *zap.Logger {
	if core, ok := systemd.JournalCore(stderr, "latchhub", minimum); ok {
		return zap.New(core)
	}

	config := zap.NewProductionEncoderConfig()
	config.EncodeTime = zapcore.ISO8601TimeEncoder
	config.EncodeLevel = zapcore.CapitalLevelEncoder
	config.ConsoleSeparator = " "
	return zap.New(zapcore.NewCore(zapcore.NewConsoleEncoder(config), zapcore.Lock(zapcore.AddSync(termtext.NewWriter(stderr))), minimum))
}

// notifySystemd sends a notification to systemd if systemd started the hub.
func notifySystemd(log *zap.Logger, lines ...string) {
	if _, err := systemd.FromEnvironment().Notify(lines...); err != nil {
		log.Warn("cannot notify systemd", zap.Error(err))
	}
}
