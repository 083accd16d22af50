package guard

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	module    = "github.com/latchd/latchd"
	goSystemd = "github.com/coreos/go-systemd"
	azure     = "github.com/Azure"
)

// TestImports checks that no part of the project links a package that is forbidden for
// this part. Test files may import any package.
func TestImports(t *testing.T) {
	packages := list(t)
	for _, rule := range []struct {
		part, because string
		forbidden     []string
	}{
		{"agent", "the agent uses its hub and its system through interfaces that main connects",
			[]string{module + "/transport/hub", module + "/transport/mqtt", module + "/transport/rest", module + "/systemd", goSystemd}},
		{"transport/hub", "the hub knows devices only by the protocol", []string{module + "/agent", module + "/actuator"}},
		{"actuator", "the lock must not depend on hubs or on systemd",
			[]string{module + "/transport", module + "/agent", module + "/systemd", goSystemd}},
		{"transport", "the protocol code must work on every system", []string{module + "/systemd", goSystemd, azure}},
		{"transport/durable", "every program may use it, so it needs no other package of the project", []string{module}},
		{"transport/textfile", "every program may use it, so it needs no other package of the project", []string{module}},
		{"systemd", "this package must serve any program that runs under systemd", []string{module + "/agent", module + "/actuator", module + "/transport"}},
		{"cmd/latchd", "a gateway must not contain code of latchctl or of the hub",
			[]string{"github.com/spf13/cobra", "github.com/mochi-mqtt/server", "modernc.org/sqlite", module + "/transport/hub", module + "/transport/rest", azure}},
		{"cmd/latchctl", "latchctl must not contain code of the agent or of the hub",
			[]string{"github.com/mochi-mqtt/server", "modernc.org/sqlite", module + "/transport/hub", module + "/transport/mqtt", module + "/agent"}},
		{"cmd/latchctl/fleet", "the console and the rollouts use it too, so it must neither parse a command line nor print",
			[]string{"github.com/spf13", module + "/cmd/latchctl/ui", module + "/cmd/latchctl/console", module + "/cmd/latchctl/rollout"}},
		{"cmd/latchhub", "the hub must not contain code of the agent", []string{module + "/agent", module + "/actuator", module + "/transport/mqtt", azure}},
	} {
		seen := false
		for _, p := range packages {
			if !within(p.ImportPath, module+"/"+rule.part) {
				continue
			}
			seen = true
			for _, dep := range p.Deps {
				for _, forbidden := range rule.forbidden {
					if within(dep, forbidden) {
						t.Errorf("%s links %s, but %s", p.ImportPath, dep, rule.because)
					}
				}
			}
		}
		if !seen {
			t.Errorf("there is no package %s; adapt the rule to the new layout", rule.part)
		}
	}
}

// All parts of the project use the package iothub. It must link only the standard
// library, and it must not do input or output.
func TestVocabularyImportsTheStandardLibraryOnly(t *testing.T) {
	for _, p := range list(t) {
		if p.ImportPath != module+"/transport/iothub" {
			continue
		}
		for _, dep := range p.Deps {
			if first, _, _ := strings.Cut(dep, "/"); strings.Contains(first, ".") {
				t.Errorf("%s links %s", p.ImportPath, dep)
			}
		}
		for _, dep := range []string{"net", "os", "time/tzdata"} {
			if slices.Contains(p.Imports, dep) {
				t.Errorf("%s imports %s, but it must not do input or output", p.ImportPath, dep)
			}
		}
		return
	}
	t.Error("there is no transport/iothub")
}

func TestEveryPackageHasADocComment(t *testing.T) {
	for _, p := range list(t) {
		if strings.TrimSpace(p.Doc) == "" {
			t.Errorf("%s has no doc comment", p.ImportPath)
		}
	}
}

// TestTopLevel checks that the top-level directories are the listed ones, because they
// show the structure of the project. Add a new directory to the list only on purpose.
func TestTopLevel(t *testing.T) {
	// The Makefile creates the directories bin and dist.
	allowed := []string{"actuator", "agent", "bin", "cmd", "dist", "packaging", "systemd", "transport"}
	entries, err := os.ReadDir(root(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") && !slices.Contains(allowed, e.Name()) {
			t.Errorf("unexpected directory %s at the top level; allowed are %v", e.Name(), allowed)
		}
	}
}

type goPackage struct {
	ImportPath, Doc string
	Imports, Deps   []string
}

// list runs go list and returns all packages of the module. It disables cgo, as a
// release build does.
func list(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Doc,Imports,Deps", "./...")
	cmd.Dir = root(t)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.Output()
	if err != nil {
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			t.Fatalf("go list: %s", exit.Stderr)
		}
		t.Fatal(err)
	}

	var packages []goPackage
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := d.Decode(&p); err == io.EOF {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

// root returns the module's root directory.
func root(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Dir(strings.TrimSpace(string(out)))
}

// within reports whether path equals tree or is below it.
func within(path, tree string) bool {
	return path == tree || strings.HasPrefix(path, tree+"/")
}
