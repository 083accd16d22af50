package main

import (
	_ "embed"

	"github.com/spf13/cobra"
)

// outputFields documents the fields of -o json and jsonl. A test holds it to what
// is printed.
//
//go:embed output.txt
var outputFields string

// newOutputHelp is a topic of the help: latchctl help output.
func newOutputHelp() *cobra.Command {
	return &cobra.Command{
		Use:   "output",
		Short: "What -o json and -o jsonl print, field by field",
		Long:  outputFields,
		Example: `  latchctl lock --where "tags.building = '43'" -o json | jq -r '.devices[] | select(.result != "succeeded") | .deviceId'
  latchctl device list -o jsonl | jq -r 'select(.position != "locked") | .deviceId'`,
	}
}
