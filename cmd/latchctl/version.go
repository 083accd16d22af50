package main

import (
	"context"
	"fmt"
	"io"
	"runtime"

	"github.com/spf13/cobra"
)

// version is the program's version. The linker sets it in a release:
// -ldflags "-X main.version=1.2.3".
var version = "devel"

type versionOptions struct {
	app *app
}

func newVersion(a *app) *cobra.Command {
	o := &versionOptions{app: a}
	return &cobra.Command{
		Use:     "version",
		Short:   "Print the version",
		Example: "  latchctl version",
		Args:    exactArgs(),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.perform(cmd.Context(), o) },
	}
}

// versionView is the version as -o json prints it.
type versionView struct {
	Version string `json:"version"`
	Go      string `json:"go"`
	System  string `json:"system"`
}

func (o *versionOptions) run(_ context.Context) error {
	v := versionView{o.app.version, runtime.Version(), runtime.GOOS + "/" + runtime.GOARCH}

	return o.app.printOne(v, func(w io.Writer) error {
		_, err := fmt.Fprintf(w, "latchctl %s (%s, %s)\n", v.Version, v.Go, v.System)
		return err
	})
}
