package main

import (
	"context"
	"fmt"
	"io"
	"runtime"
	"runtime/debug"

	"github.com/spf13/cobra"
)

// release is set at link time: -ldflags "-X main.release=1.2.3".
var release string

type versionOptions struct {
	app *app
}

func newVersion(a *app, run func(context.Context, *versionOptions) error) *cobra.Command {
	if run == nil {
		run = runVersion
	}
	o := &versionOptions{app: a}
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  latchctl version",
		Args:    named(),
		RunE:    func(cmd *cobra.Command, args []string) error { return run(cmd.Context(), o) },
	}
}

func runVersion(_ context.Context, o *versionOptions) error {
	v := struct {
		Version string `json:"version"`
		Go      string `json:"go"`
		System  string `json:"system"`
	}{o.app.version, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}
	return o.app.printOne(v, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "latchctl %s (%s, %s)\n", v.Version, v.Go, v.System)
		return err
	})
}

// buildVersion is the release, or what the Go tool knows of the source.
func buildVersion() string {
	if release != "" {
		return release
	}
	info, ok := debug.ReadBuildInfo()
	if ok && info.Main.Version != "" && info.Main.Version != "(devel)" {
		return info.Main.Version
	}
	return "devel"
}
