package main

import (
	"bytes"
	"crypto/sha256"
	"debug/buildinfo"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// program is one program of a package.
type program struct {
	name    string
	sha256  string
	modules []module // what it links, the standard library first
}

// module is one module that a program links.
type module struct {
	path, version string
	sum           string // as in go.sum; empty for the standard library
	terms
}

// std is what Go's standard library is called among modules.
const std = "std"

// inspect reads from the programs which modules they link, and from the module
// cache under what terms.
func inspect(files []string) ([]program, error) {
	var programs []program
	folders := map[string]string{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		info, err := buildinfo.Read(bytes.NewReader(text))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		sum := sha256.Sum256(text)
		p := program{name: filepath.Base(file), sha256: hex.EncodeToString(sum[:])}
		goVersion, _, _ := strings.Cut(strings.TrimPrefix(info.GoVersion, "go"), " ")
		p.modules = append(p.modules, module{path: std, version: goVersion})
		for _, dep := range info.Deps {
			if dep.Replace != nil {
				dep = dep.Replace
			}
			p.modules = append(p.modules, module{path: dep.Path, version: dep.Version, sum: dep.Sum})
			folders[dep.Path] = ""
		}
		programs = append(programs, p)
	}
	if err := locate(folders); err != nil {
		return nil, err
	}
	for _, p := range programs {
		for i, m := range p.modules {
			terms, err := readTerms(m.path, folders[m.path])
			if err != nil {
				return nil, fmt.Errorf("%s links %s: %w", p.name, m.path, err)
			}
			p.modules[i].terms = terms
		}
	}
	return programs, nil
}

// locate finds the folder of each module, and of the standard library.
func locate(folders map[string]string) error {
	list := func(args ...string) (string, error) {
		out, err := exec.Command("go", args...).Output()
		if exit, ok := errors.AsType[*exec.ExitError](err); ok {
			return "", fmt.Errorf("go %s: %w\n%s", args[0], err, exit.Stderr)
		}
		return string(out), err
	}
	root, err := list("env", "GOROOT")
	if err != nil {
		return err
	}
	out, err := list(append([]string{"list", "-m", "-f", "{{.Path}} {{.Dir}}"}, slices.Sorted(maps.Keys(folders))...)...)
	if err != nil {
		return err
	}
	for line := range strings.Lines(out) {
		path, dir, _ := strings.Cut(strings.TrimSpace(line), " ")
		folders[path] = dir
	}
	folders[std] = strings.TrimSpace(root)
	return nil
}

// modules returns the modules of all programs, each once, by path.
func (o order) modules() []module {
	all := map[string]module{}
	for _, p := range o.programs {
		for _, m := range p.modules {
			all[m.path] = m
		}
	}
	return slices.SortedFunc(maps.Values(all), func(a, b module) int { return strings.Compare(a.path, b.path) })
}
