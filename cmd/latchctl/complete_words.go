package main

import (
	"strings"

	"github.com/latchd/latchd/cmd/latchctl/fleet"
	"github.com/spf13/cobra"
)

// methods lists the direct methods of latchd.
var methods = []cobra.Completion{"lockDoor", "unlockDoor", "getStatus", "ping", "reboot"}

// completeMethods completes the name of a direct method as the first argument.
func completeMethods(_ *cobra.Command, args []string, _ string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return methods, cobra.ShellCompDirectiveNoFileComp
}

// completeMethodCall completes the id of a device and then the name of a direct method.
func (a *app) completeMethodCall(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
	if len(args) == 1 {
		return completeMethods(cmd, nil, typed)
	}
	return a.completeIDs(a.matchingDevices, false)(cmd, args, typed)
}

// conditionFields returns the fields that conditions on doors use most.
func conditionFields() []string {
	fields := []string{"deviceId", "connectionState", "status", "lastActivityTime", "tags.building", "tags.floor", "tags.room"}
	for _, name := range []string{"position", "secured", "fault", "lockdown", "pending", "hold"} {
		fields = append(fields, "properties.reported.lock."+name)
	}
	for _, name := range []string{"open", "forced", "heldOpen"} {
		fields = append(fields, "properties.reported.door."+name)
	}
	for _, name := range fleet.Properties {
		fields = append(fields, "properties.desired."+name)
	}
	return fields
}

// completeCondition completes the field at the end of a condition. The words in front of it
// stay as they are.
func completeCondition(_ *cobra.Command, _ []string, typed string) ([]string, cobra.ShellCompDirective) {
	begin := strings.LastIndexAny(typed, " \t\n([,") + 1

	var offers []string
	for _, field := range conditionFields() {
		if strings.HasPrefix(field, typed[begin:]) {
			offers = append(offers, typed[:begin]+field)
		}
	}
	return offers, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace | cobra.ShellCompDirectiveKeepOrder
}

// completeTopics makes the command help complete the names of help topics, too. The library
// cobra offers only commands.
func completeTopics(root *cobra.Command) {
	root.InitDefaultHelpCmd()
	help, _, err := root.Find([]string{"help"})
	if err != nil || help == root {
		return
	}

	commands := help.ValidArgsFunction
	help.ValidArgsFunction = func(cmd *cobra.Command, args []string, typed string) ([]string, cobra.ShellCompDirective) {
		offers, directive := commands(cmd, args, typed)
		for _, topic := range root.Commands() {
			if len(args) == 0 && topic.IsAdditionalHelpTopicCommand() && strings.HasPrefix(topic.Name(), typed) {
				offers = append(offers, cobra.CompletionWithDesc(topic.Name(), topic.Short))
			}
		}
		return offers, directive
	}
}
