package main

import (
	_ "embed"

	"github.com/spf13/cobra"
)

// Topics of the help. Tests hold both to what they describe.
var (
	//go:embed output.txt
	outputFields string
	//go:embed connection.txt
	connectionHelp string
)

// newTopics are the topics of the help: latchctl help output.
func newTopics() []*cobra.Command {
	return []*cobra.Command{
		{
			Use:   "connection",
			Short: "Which hub is spoken to, and how one logs in",
			Long:  connectionHelp,
			Example: `  latchctl doctor --hub-file hub.connection-string
  latchctl device list --hub-name myhub.azure-devices.net`,
		},
		{
			Use:   "output",
			Short: "What -o json and -o jsonl print, field by field",
			Long:  outputFields,
			Example: `  latchctl lock --where "tags.building = '43'" -o json | jq -r '.devices[] | select(.result != "succeeded") | .deviceId'
  latchctl device list -o jsonl | jq -r 'select(.position != "locked") | .deviceId'`,
		},
	}
}
