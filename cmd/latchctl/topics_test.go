package main

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/latchd/latchd/cmd/latchctl/conn"
)

// TestConnectionHelp checks that connection.txt names each key of the config file, and
// each environment variable and flag that chooses a hub. The example in connection.txt
// must be a valid config file.
func TestConnectionHelp(t *testing.T) {
	var words []string
	for _, of := range []reflect.Type{reflect.TypeFor[conn.Config](), reflect.TypeFor[conn.Hub]()} {
		for i := range of.NumField() {
			if key := of.Field(i).Tag.Get("toml"); key != "" && key != "hubs" {
				words = append(words, key+" = ")
			}
		}
	}

	source, err := os.ReadFile("conn/resolve.go")
	if err != nil {
		t.Fatal(err)
	}
	variables := regexp.MustCompile(`getenv\("([A-Z_]+)"\)`).FindAllSubmatch(source, -1)
	if len(variables) < 5 {
		t.Fatalf("conn/resolve.go reads the variables %q", variables)
	}
	for _, v := range variables {
		words = append(words, string(v[1])+" ")
	}

	for _, flag := range []string{"hub", "hub-file", "hub-name", "endpoint", "ca-file"} {
		if newRoot(&app{}).PersistentFlags().Lookup(flag) == nil {
			t.Errorf("there is no flag --%s", flag)
		}
		words = append(words, "--"+flag+" ")
	}

	for _, word := range words {
		if !strings.Contains(connectionHelp, word) {
			t.Errorf("connection.txt does not have %q", word)
		}
	}

	var config []string
	for line := range strings.Lines(connectionHelp) {
		if regexp.MustCompile(`^  (\[|[a-z_]+ = )`).MatchString(line) {
			config = append(config, line)
		}
	}

	home := t.TempDir()
	if err := os.MkdirAll(home+"/latchctl", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(home+"/latchctl/config.toml", []byte(strings.Join(config, "")), 0o600); err != nil {
		t.Fatal(err)
	}

	c, err := conn.LoadConfig(func(name string) string { return map[string]string{"XDG_CONFIG_HOME": home}[name] })
	if err != nil || !slices.Equal(c.Names(), []string{"cellar", "site"}) || c.Default != "site" || c.Threshold() != conn.DefaultConfirmAbove {
		t.Errorf("the example is %+v, %v", c, err)
	}
}
