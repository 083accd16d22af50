// Command tools prints the licenses that license files contain, as lines FILE LICENSE.
// licenseclassifier recognizes them. Its own command, identify_license, sometimes
// panics when it has read all files ("send on closed channel").
//
// The module of this command also has the versions of the tools that build.sh uses.
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
