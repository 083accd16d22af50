// Papers writes what goes along with a package and follows from the programs in
// it: the copyright with the licences of all that they link, the bill of materials
// and the changelog. What is linked is read from the programs themselves, so none
// of it can be out of date.
//
//	papers --package latchd --version 1.2.0 --arch arm64 --time 1795500000 --out DIR bin/latchd
//
// writes DIR/copyright, DIR/changelog and DIR/sbom.cdx.json. It is run in the
// project's folder, for CHANGELOG.md and the module cache.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// Who makes the packages.
const (
	project    = "github.com/latchd/latchd"
	maintainer = "latchd maintainers <maintainers@latchd.example>"
)

// order is what is asked for.
type order struct {
	name, version, arch string
	at                  time.Time // all times in it
	programs            []program
}

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "papers: %v\n", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	var o order
	var out string
	var at int64
	f := flag.NewFlagSet("papers", flag.ContinueOnError)
	f.StringVar(&o.name, "package", "", "the package's name")
	f.StringVar(&o.version, "version", "", "its version")
	f.StringVar(&o.arch, "arch", "", "its architecture, as Debian calls it")
	f.Int64Var(&at, "time", 0, "the time that it is of, in seconds since 1970")
	f.StringVar(&out, "out", "", "the folder to write to")
	if err := f.Parse(args); err != nil {
		return err
	}
	if o.name == "" || o.version == "" || o.arch == "" || at == 0 || out == "" || f.NArg() == 0 {
		return errors.New("--package, --version, --arch, --time, --out and a program are needed")
	}
	o.at = time.Unix(at, 0).UTC()
	var err error
	if o.programs, err = inspect(f.Args()); err != nil {
		return err
	}
	changes, err := os.ReadFile("CHANGELOG.md")
	if err != nil {
		return err
	}
	for _, paper := range []struct {
		file  string
		write func(io.Writer) error
	}{
		{"copyright", o.copyright},
		{"sbom.cdx.json", o.bill},
		{"changelog", func(w io.Writer) error { return o.changelog(w, string(changes)) }},
	} {
		if err := write(filepath.Join(out, paper.file), paper.write); err != nil {
			return fmt.Errorf("%s of %s: %w", paper.file, o.name, err)
		}
	}
	return nil
}

func write(path string, to func(io.Writer) error) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	return errors.Join(to(f), f.Close())
}
