// Command tools recognizes the licenses in license files. For each license it prints a
// line FILE LICENSE. It uses the library licenseclassifier, because the library's own
// command identify_license sometimes panics after it has read all files ("send on
// closed channel").
//
// The go.mod file of this command also sets the versions of the tools that build.sh
// uses.
package main

import (
	"fmt"
	"os"

	"github.com/google/licenseclassifier/v2/assets"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "identify licenses:", err)
		os.Exit(1)
	}
}

func run(files []string) error {
	classifier, err := assets.DefaultClassifier()
	if err != nil {
		return err
	}

	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		for _, match := range classifier.Match(text).Matches {
			if match.MatchType == "License" {
				fmt.Println(file, match.Name)
			}
		}
	}
	return nil
}
