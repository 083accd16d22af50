package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestIdentify(t *testing.T) {
	for text, want := range map[string]string{
		"Apache License\n   Version 2.0, January 2004":                                                                      "Apache-2.0",
		"Permission is hereby granted, free of charge, to any person\nobtaining a copy of this software":                    "MIT",
		"Redistribution and use in source and binary forms, with or\n... Neither the name of Google":                        "BSD-3-Clause",
		"Redistribution and use in source and binary\nforms, with or without modification, are permitted":                   "BSD-2-Clause",
		"Eclipse Public License - v 2.0 (EPL-2.0)\nthe Eclipse Public License v2.0\nand Eclipse Distribution License v1.0.": "EPL-2.0 OR BSD-3-Clause",
		"GNU GENERAL PUBLIC LICENSE": "",
		"":                           "",
	} {
		if got, err := identify(text); got != want || (err == nil) != (want != "") {
			t.Errorf("%q: %q, %v", text, got, err)
		}
	}
}

func TestHolders(t *testing.T) {
	text := `Copyright (c) 2012 The Go Authors. All rights reserved.
Copyright © 2005-2020 Rich Felker, et al.
  Copyright 2018 CoreOS, Inc
    Copyright (c) Microsoft Corporation. All rights reserved.
   Copyright [yyyy] [name of copyright owner]
The above copyright notice shall be included.
`
	want := []string{"2012 The Go Authors", "2005-2020 Rich Felker, et al", "2018 CoreOS, Inc", "Microsoft Corporation"}
	if got := holders(text); !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}

// A module's terms are read from its folder, and a licence that nobody has read fails.
func TestReadTerms(t *testing.T) {
	const mit = "Copyright (c) 2020 Ann\n\nPermission is hereby granted, free of charge, to any person obtaining a copy"
	for _, tc := range []struct {
		name    string
		files   map[string]string
		licence string
		texts   int
		problem string
	}{
		{"MIT", map[string]string{"LICENSE": mit, "main.go": ""}, "MIT", 1, ""},
		{"Apache with a notice", map[string]string{"LICENSE.txt": "Apache License Version 2.0", "NOTICE": "By Ann."}, "Apache-2.0", 1, ""},
		{"none", map[string]string{"README": ""}, "", 0, "there is no licence"},
		{"unknown", map[string]string{"LICENSE": "Do what you like."}, "", 0, "none of those that are known"},
		{"a second one", map[string]string{"LICENSE": mit, "LICENSE-FONTS": ""}, "", 0, "LICENSE-FONTS has not been considered"},
	} {
		dir := t.TempDir()
		for name, text := range tc.files {
			if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		got, err := readTerms("example.com/m", dir)
		if tc.problem != "" {
			if err == nil || !strings.Contains(err.Error(), tc.problem) {
				t.Errorf("%s: %v, want %q", tc.name, err, tc.problem)
			}
			continue
		}
		if err != nil || got.licence != tc.licence || len(got.texts) != tc.texts || len(got.holders) != 1 {
			t.Errorf("%s: %+v, %v", tc.name, got, err)
		}
	}
	if _, err := readTerms("example.com/m", ""); err == nil {
		t.Error("a module that is not there has terms")
	}
}

func TestChangelog(t *testing.T) {
	o := order{name: "latchd", version: "1.2.0+3.gabc", at: time.Unix(1795500000, 0).UTC()}
	var b strings.Builder
	err := o.changelog(&b, `# Changelog

All notable changes. Each entry is a [FEATURE].

## Unreleased

- [FEATURE] latchd: a key `+"`keep_alive`"+` that is so long that its line is to be broken, and goes
  on in another.
- [BUGFIX] latchd: none.

## 1.2.0 - 2026-11-24

- [FEATURE] latchd: all.
`)
	want := `latchd (1.2.0+3.gabc) unstable; urgency=medium

  * [FEATURE] latchd: a key 'keep_alive' that is so long that its line is to be
    broken, and goes on in another.
  * [BUGFIX] latchd: none.

 -- latchd maintainers <maintainers@latchd.example>  Tue, 24 Nov 2026 06:00:00 +0000

latchd (1.2.0) unstable; urgency=medium

  * [FEATURE] latchd: all.

 -- latchd maintainers <maintainers@latchd.example>  Tue, 24 Nov 2026 00:00:00 +0000
`
	if err != nil || b.String() != want {
		t.Errorf("%v\n%s", err, &b)
	}
	for _, bad := range []string{"", "# Changelog\n", "## 1.2\n", "## 1.2.0 - 2026-13-01\n"} {
		if err := o.changelog(&b, bad); err == nil {
			t.Errorf("%q is taken for a changelog", bad)
		}
	}
}

// Whatever stands in it, a changelog is refused or has the form that dpkg reads.
func FuzzChangelog(f *testing.F) {
	f.Add("## Unreleased\n\n- a\n  b\n\n## 1.2.0 - 2026-11-24\n\n- c\n")
	f.Add("## 1.2.0 - 2026-11-24\n- \n-- \n* ")
	f.Fuzz(func(t *testing.T, markdown string) {
		var b strings.Builder
		o := order{name: "latchd", version: "1", at: time.Unix(0, 0).UTC()}
		if o.changelog(&b, markdown) != nil {
			return
		}
		for line := range strings.Lines(b.String()) {
			switch {
			case line == "\n", strings.HasPrefix(line, "latchd ("), strings.HasPrefix(line, "  "), strings.HasPrefix(line, " -- latchd maintainers"):
			default:
				t.Errorf("the line %q of %q", line, markdown)
			}
		}
	})
}
