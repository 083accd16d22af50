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

// Each rule says what a part of the project must not link, tests excepted.
func TestImports(t *testing.T) {
	packages := list(t)
	for _, rule := range []struct {
		part, because string
		forbidden     []string
	}{
		{"agent", "the agent reaches its hub and its system by interfaces that main wires",
			[]string{module + "/transport/hub", module + "/transport/mqtt", module + "/transport/rest", module + "/systemd", goSystemd}},
		{"transport/hub", "the hub knows devices by the protocol alone", []string{module + "/agent", module + "/actuator"}},
		{"actuator", "a lock knows nothing of hubs, nor of who keeps its lines open",
			[]string{module + "/transport", module + "/agent", module + "/systemd", goSystemd}},
		{"transport", "the wire is the same on every system", []string{module + "/systemd", goSystemd, azure}},
		{"systemd", "it talks to the service manager, of whatever service", []string{module + "/agent", module + "/actuator", module + "/transport"}},
		{"cmd/latchd", "a gateway carries nothing of the command line's or of the hub's",
			[]string{"github.com/spf13/cobra", "github.com/mochi-mqtt/server", "modernc.org/sqlite", module + "/transport/hub", module + "/transport/rest", azure}},
		{"cmd/latchctl", "the command line carries nothing of the agent's or of the hub's",
			[]string{"github.com/mochi-mqtt/server", "modernc.org/sqlite", module + "/transport/hub", module + "/transport/mqtt", module + "/agent"}},
		{"cmd/latchhub", "the hub carries nothing of the agent's", []string{module + "/agent", module + "/actuator", module + "/transport/mqtt", azure}},
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
			t.Errorf("there is no package %s: does the rule still say what it means?", rule.part)
		}
	}
}

// The shared vocabulary is usable by everyone, so it brings nothing along.
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
				t.Errorf("%s imports %s: it is to do no input and output", p.ImportPath, dep)
			}
		}
		return
	}
	t.Error("there is no transport/iothub")
}

func TestEveryPackageSaysWhatItIsFor(t *testing.T) {
	for _, p := range list(t) {
		if strings.TrimSpace(p.Doc) == "" {
			t.Errorf("%s has no doc comment", p.ImportPath)
		}
	}
}

// The top level is a map of the project: a new folder there is a decision.
func TestTopLevel(t *testing.T) {
	// bin and dist are what the Makefile makes.
	allowed := []string{"actuator", "agent", "bin", "cmd", "dist", "packaging", "systemd", "transport"}
	entries, err := os.ReadDir(root(t))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if e.IsDir() && !strings.HasPrefix(e.Name(), ".") && !slices.Contains(allowed, e.Name()) {
			t.Errorf("the folder %s does not belong at the top level, which has %v", e.Name(), allowed)
		}
	}
}

type goPackage struct {
	ImportPath, Doc string
	Imports, Deps   []string
}

// list asks the go command for all packages of the module, as they are linked
// into the programs that are shipped.
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

func root(t *testing.T) string {
	t.Helper()
	out, err := exec.Command("go", "env", "GOMOD").Output()
	if err != nil {
		t.Fatal(err)
	}
	return filepath.Dir(strings.TrimSpace(string(out)))
}

// within reports whether path is tree or below it.
func within(path, tree string) bool {
	return path == tree || strings.HasPrefix(path, tree+"/")
}
