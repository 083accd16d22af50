//go:build man

// Built with the tag "man", this package is a generator: it writes the man pages
// of all commands and help topics of latchctl into a folder.
//
//	SOURCE_DATE_EPOCH=1795500000 go run -tags man ./cmd/latchctl FOLDER
//
// The package build runs it. The tag keeps cobra/doc, and the Markdown renderer
// that cobra/doc needs, out of the latchctl that users install.
package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/cobra/doc"
	"github.com/spf13/pflag"
)

func main() {
	if err := writeManPages(os.Args[1:], os.Getenv("SOURCE_DATE_EPOCH")); err != nil {
		fmt.Fprintln(os.Stderr, "latchctl man pages:", err)
		os.Exit(1)
	}
}

// writeManPages writes one page per command and help topic into the folder that
// args names. epoch is the date of the pages, in seconds since 1970. The pages depend
// only on the commands and on epoch, so that equal sources give equal pages.
func writeManPages(args []string, epoch string) error {
	if len(args) != 1 {
		return fmt.Errorf("want one argument, the folder to write to; got %q", args)
	}

	seconds, err := strconv.ParseInt(epoch, 10, 64)
	if err != nil {
		return fmt.Errorf("SOURCE_DATE_EPOCH is %q; set it to the date of the pages, in seconds since 1970", epoch)
	}
	date := time.Unix(seconds, 0).UTC()

	root := newRoot(&app{})
	root.DisableAutoGenTag = true
	markTables(root)

	header := doc.GenManHeader{Section: "1", Date: &date, Source: "latchd"}
	if err := doc.GenManTree(root, &header, args[0]); err != nil {
		return err
	}
	if err := describeOptions(root, args[0]); err != nil {
		return err
	}

	return writeTopics(root, header, args[0])
}

// describeOptions writes the options in the page of each command as the help texts do:
// "--for duration" instead of cobra/doc's "--for=0".
func describeOptions(cmd *cobra.Command, folder string) error {
	file := filepath.Join(folder, strings.ReplaceAll(cmd.CommandPath(), " ", "-")+".1")
	page, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil // cobra/doc writes no page for a help topic
	}
	if err != nil {
		return err
	}

	page = option.ReplaceAllFunc(page, func(text []byte) []byte {
		parts := option.FindSubmatch(text)
		f := cmd.Flag(string(parts[2]))
		if f == nil {
			return text
		}
		return []byte(".TP\n" + string(parts[1]) + describeOption(f, string(parts[3])))
	})
	if err := os.WriteFile(file, page, 0o644); err != nil {
		return err
	}

	for _, sub := range cmd.Commands() {
		if err := describeOptions(sub, folder); err != nil {
			return err
		}
	}
	return nil
}

// option matches an option of a page: its names, its default, and the line that
// explains it.
var option = regexp.MustCompile(`(?m)^(?:\.PP\n)?(.*\\fB--([a-z-]+)\\fP)\[?=.*\n\t(.*)$`)

// describeOption returns the rest of an option's text: its kind of value, a line break,
// the explanation and the default.
func describeOption(f *pflag.Flag, explanation string) string {
	kind, _ := pflag.UnquoteUsage(f)
	if kind != "" {
		kind = ` \fI` + kind + `\fP`
	}
	if !slices.Contains([]string{"", "0", "0s", "false", "[]"}, f.DefValue) {
		explanation += fmt.Sprintf(" (default %s)", f.DefValue)
	}
	return kind + "\n" + explanation
}

// writeTopics writes the pages of the help topics, because doc.GenManTree does not
// write them. It also adds these pages to the section SEE ALSO of latchctl.1.
func writeTopics(root *cobra.Command, header doc.GenManHeader, folder string) error {
	// Hide the flags of all commands, because the page of a topic needs no flags.
	root.PersistentFlags().VisitAll(func(f *pflag.Flag) { f.Hidden = true })

	var names strings.Builder
	for _, topic := range root.Commands() {
		if !topic.IsAdditionalHelpTopicCommand() {
			continue
		}
		topic.InitDefaultHelpFlag()
		topic.Flags().Lookup("help").Hidden = true

		var page bytes.Buffer
		topicHeader := header
		if err := doc.GenMan(topic, &topicHeader, &page); err != nil {
			return err
		}
		synopsis := []byte(`\fBlatchctl ` + topic.Name() + `\fP`)
		text := bytes.Replace(page.Bytes(), synopsis, []byte(`\fBlatchctl help `+topic.Name()+`\fP`), 1)

		name := "latchctl-" + topic.Name()
		if err := os.WriteFile(filepath.Join(folder, name+".1"), text, 0o644); err != nil {
			return err
		}
		fmt.Fprintf(&names, `, \fB%s(1)\fP`, name)
	}

	file := filepath.Join(folder, "latchctl.1")
	page, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	page = append(bytes.TrimRight(page, "\n"), names.String()+"\n"...)

	return os.WriteFile(file, page, 0o644)
}

// markTables turns the indented lines of each command's long text into Markdown code
// blocks. cobra/doc renders the long text as Markdown, and would otherwise join the
// lines of a table into one paragraph.
func markTables(cmd *cobra.Command) {
	var text strings.Builder
	inTable := false

	for line := range strings.Lines(cmd.Long) {
		table := strings.HasPrefix(line, "  ")
		if table && !inTable {
			text.WriteString("\n")
		}
		if table {
			line = "    " + strings.TrimPrefix(line, "  ")
		}
		text.WriteString(line)
		inTable = table
	}
	cmd.Long = text.String()

	for _, sub := range cmd.Commands() {
		markTables(sub)
	}
}
