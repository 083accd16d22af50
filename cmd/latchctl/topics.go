package main

import (
	_ "embed"

	"github.com/spf13/cobra"
)

// The texts of the help topics. Tests check that the texts agree with the types and
// flags that they describe.
var (
	//go:embed output.txt
	outputFields string
	//go:embed connection.txt
	connectionHelp string
)

// newTopics returns the help topics, which the user reads with, for example, "latchctl
// help output".
func newTopics() []*cobra.Command {
	return []*cobra.Command{
		{
			Use:   "connection",
			Short: "How to choose a hub and log in to it",
			Long:  connectionHelp,
			Example: `  latchctl doctor --hub-file hub.connection-string
  latchctl device list --hub-name myhub.azure-devices.net`,
		},
		{
			Use:   "output",
			Short: "The fields that -o json and -o jsonl print",
			Long:  outputFields,
			Example: `  latchctl lock --where "properties.desired.building = '43'" -o json | jq -r '.devices[] | select(.result != "succeeded") | .deviceId'
  latchctl device list -o jsonl | jq -r 'select(.position != "locked") | .deviceId'`,
		},
	}
}
