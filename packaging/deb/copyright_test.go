package deb

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const mit = `Permission is hereby granted, free of charge, to any person obtaining a copy
of this software and associated documentation files (the "Software"), to deal
in the Software without restriction, including without limitation the rights
to use, copy, modify, merge, publish, distribute, sublicense, and/or sell
copies of the Software, and to permit persons to whom the Software is
furnished to do so, subject to the following conditions:

The above copyright notice and this permission notice shall be included in all
copies or substantial portions of the Software.

THE SOFTWARE IS PROVIDED "AS IS", WITHOUT WARRANTY OF ANY KIND, EXPRESS OR
IMPLIED, INCLUDING BUT NOT LIMITED TO THE WARRANTIES OF MERCHANTABILITY,
FITNESS FOR A PARTICULAR PURPOSE AND NONINFRINGEMENT. IN NO EVENT SHALL THE
AUTHORS OR COPYRIGHT HOLDERS BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER
LIABILITY, WHETHER IN AN ACTION OF CONTRACT, TORT OR OTHERWISE, ARISING FROM,
OUT OF OR IN CONNECTION WITH THE SOFTWARE OR THE USE OR OTHER DEALINGS IN THE
SOFTWARE.
`

// copyright.sh recognizes a module's license, copyright holders and notices. It fails
// for a license that no person has reviewed.
func TestCopyright(t *testing.T) {
	t.Parallel()
	apache, err := os.ReadFile("../../LICENSE")
	if err != nil {
		t.Fatal(err)
	}
	const ann = "Copyright (c) 2020 Ann\n\n"
	holders := `Copyright (c) 2012 The Go Authors. All rights reserved.
Copyright © 2005-2020 Rich Felker, et al.
  Copyright 2018 CoreOS, Inc
    Copyright (c) Microsoft Corporation. All rights reserved.
   Copyright [yyyy] [name of copyright owner]

`

	for _, test := range []struct {
		name  string
		files map[string]string
		want  string // expected part of the copyright file
		err   string
	}{
		{"MIT", map[string]string{"LICENSE": ann + mit, "main.go": ""}, "Files: example.com/m/*\nCopyright: 2020 Ann\nLicense: MIT\n Copyright (c) 2020 Ann\n .\n Permission is", ""},
		{"holders", map[string]string{"LICENSE": holders + mit}, "\nCopyright: 2012 The Go Authors\n 2005-2020 Rich Felker, et al\n 2018 CoreOS, Inc\n Microsoft Corporation\nLicense: MIT\n", ""},
		{"Apache with a notice", map[string]string{"LICENSE.txt": string(apache), "NOTICE": "\nBy Ann.\n\n"}, "License: Apache-2.0\n Its text is above. The module has this notice:\n .\n By Ann.\nComment: The programs link example.com/m v1.2.3.\n", ""},
		{"no license", map[string]string{"README": ""}, "", "example.com/m has no license file"},
		{"unknown license", map[string]string{"LICENSE": "Do what you like."}, "", "LICENSE needs a decision (license: unknown)"},
		{"second license", map[string]string{"LICENSE": ann + mit, "LICENSE-FONTS": ""}, "", "LICENSE-FONTS needs a decision"},
	} {
		t.Run(test.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, text := range test.files {
				if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
					t.Fatal(err)
				}
			}

			got, stderr, err := filter("example.com/m v1.2.3 "+dir+"\n", "./copyright.sh")
			if (err != nil) != (test.err != "") || !strings.Contains(stderr, test.err) || !strings.Contains(got, test.want) {
				t.Errorf("copyright.sh: %v\n%s%s", err, stderr, got)
			}
		})
	}

	if _, _, err := filter("example.com/m v1.2.3 /nonexistent\n", "./copyright.sh"); err == nil {
		t.Error("copyright.sh accepts a module that is not in the module cache")
	}
}

// filter runs a command with the given standard input and returns its output.
func filter(stdin, name string, args ...string) (stdout, stderr string, err error) {
	var out, problems strings.Builder
	cmd := exec.Command(name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Stdout = &out
	cmd.Stderr = &problems
	err = cmd.Run()
	return out.String(), problems.String(), err
}
