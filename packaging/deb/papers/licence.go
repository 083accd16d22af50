package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
)

// terms are what a module may be used under.
type terms struct {
	licence string   // an SPDX expression
	holders []string // who has the copyright, as the module says
	texts   []string // the licences, and notices that have to go along
}

// more says of the modules that have further licences, beyond LICENSE, which of
// them hold for what a program of ours links. One that is not listed here fails, so
// that somebody reads it.
var more = map[string]struct {
	licence string
	files   []string
	ignore  []string
}{
	"github.com/warthog618/go-gpiocdev": {ignore: []string{"LICENSES"}}, // of its own examples
	"modernc.org/libc":                  {licence: "MIT", files: []string{"LICENSE-3RD-PARTY.md"}},
	"modernc.org/memory":                {files: []string{"LICENSE-GO", "LICENSE-MMAP-GO"}, ignore: []string{"LICENSE-LOGO"}},
	// The vectors are not linked; the third parties are modules, and listed as such.
	"modernc.org/sqlite": {licence: "blessing", files: []string{"LICENSE-SQLITE"}, ignore: []string{"LICENSE-SQLITE_VEC", "LICENSE-3RD-PARTY.md"}},
}

// readTerms reads the licence of a module in a folder.
func readTerms(path, folder string) (terms, error) {
	if folder == "" {
		return terms{}, errors.New("it is not in the module cache; build the programs here first")
	}
	entries, err := os.ReadDir(folder)
	if err != nil {
		return terms{}, err
	}
	var t terms
	known := more[path]
	licence := regexp.MustCompile(`^(LICEN[CS]E|COPYING|NOTICE)`)
	for _, e := range entries {
		name := e.Name()
		main := slices.Contains([]string{"LICENSE", "LICENSE.txt", "LICENSE.md"}, name)
		notice := slices.Contains([]string{"NOTICE", "NOTICE.md"}, name)
		switch {
		case !licence.MatchString(name) || slices.Contains(known.ignore, name):
			continue
		case !main && !notice && !slices.Contains(known.files, name):
			return terms{}, fmt.Errorf("its %s has not been considered", filepath.Join(folder, name))
		}
		text, err := os.ReadFile(filepath.Join(folder, name))
		if err != nil {
			return terms{}, err
		}
		if main {
			if t.licence, err = identify(string(text)); err != nil {
				return terms{}, fmt.Errorf("%s: %w", filepath.Join(folder, name), err)
			}
		}
		for _, holder := range holders(string(text)) {
			if !slices.Contains(t.holders, holder) {
				t.holders = append(t.holders, holder)
			}
		}
		if main && t.licence == apache { // Debian has it
			continue
		}
		t.texts = append(t.texts, strings.TrimSpace(string(text)))
	}
	if t.licence == "" {
		return terms{}, fmt.Errorf("there is no licence in %s", folder)
	}
	if known.licence != "" {
		t.licence += " AND " + known.licence
	}
	if len(t.holders) == 0 {
		t.holders = []string{"the authors of " + path}
	}
	return t, nil
}

const apache = "Apache-2.0"

// identify returns the SPDX expression of a licence by the words that are its own.
func identify(text string) (string, error) {
	text = strings.Join(strings.Fields(text), " ")
	has := func(words string) bool { return strings.Contains(text, words) }
	switch {
	case has("Eclipse Public License - v 2.0") && has("Eclipse Distribution License v1.0"):
		return "EPL-2.0 OR BSD-3-Clause", nil
	case has("Apache License Version 2.0") && !has("Permission is hereby granted"):
		return apache, nil
	case has("Permission is hereby granted, free of charge, to any person obtaining a copy"):
		return "MIT", nil
	case has("Redistribution and use in source and binary forms") && (has("Neither the name of") || has("Neither the names of")):
		return "BSD-3-Clause", nil
	case has("Redistribution and use in source and binary forms"):
		return "BSD-2-Clause", nil
	}
	return "", errors.New("its licence is none of those that are known here: read it, and teach it to packaging/deb/papers")
}

// holders returns who has the copyright by a licence's text: with a sign or a year,
// which "the above copyright notice" and a form to fill in have not.
func holders(text string) []string {
	line := regexp.MustCompile(`(?m)^[ \t]*Copyright (?:(?:\([cC]\)|©) *([0-9A-Z].*?)|([0-9]{4}.*?))\.?(?: [Aa]ll rights reserved\.?)?[ \t]*$`)
	var found []string
	for _, m := range line.FindAllStringSubmatch(text, -1) {
		found = append(found, strings.TrimRight(m[1]+m[2], "., \r"))
	}
	return found
}
