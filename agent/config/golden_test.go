package config

import (
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "rewrite the golden file")

// files are good configurations, as keys and values. The test puts each bad value into
// a configuration in which its key is allowed.
var files = map[string]map[string]string{
	"hold": {
		"hub.connection_string_file": `"secret"`, "lock.driver": `"gpio"`, "lock.mode": `"hold"`, "lock.at_power_on": `"last"`,
		"lock.gpio.chip": `"gpiochip0"`, "lock.gpio.line": `17`, "lock.gpio.active": `"locked"`,
		"lock.bolt_sensor.line": `27`, "lock.bolt_sensor.active": `"locked"`,
		"lock.door_sensor.line": `22`, "lock.door_sensor.active": `"open"`,
		"lock.exit.line": `23`, "lock.exit.action": `"unlock"`,
	},
	"dual": {
		"hub.connection_string_file": `"secret"`, "lock.driver": `"gpio"`, "lock.mode": `"dual"`,
		"lock.gpio.chip": `"gpiochip0"`, "lock.gpio.line": `17`, "lock.gpio.unlock_line": `18`,
	},
	"mock": {"hub.connection_string_file": `"secret"`, "lock.driver": `"mock"`, "lock.at_power_on": `"locked"`},
	"provisioning": {
		"provisioning.id_scope": `"0ne00000A0A"`, "provisioning.registration_id": `"front-door"`, "provisioning.key_file": `"key"`,
		"lock.driver": `"mock"`, "lock.at_power_on": `"locked"`,
	},
}

// missing stands for a key that is not in the file.
const missing = ""

var (
	texts     = []string{missing, `7`}
	paths     = []string{`7`}
	switches  = []string{`"yes"`, `1`}
	spans     = []string{`4`, `"4"`, `"fast"`, `"-1ns"`, `"25h"`}
	addresses = []string{`"hub/x"`, `"hub:"`, `"hub:65536"`, `8883`}
	lineRefs  = []string{`-1`, `65536`, `""`, `1.5`, `[17]`}
	biases    = []string{`"up"`, `true`}
)

// badValues are the bad values of each key, in the order of the example. file names the
// configuration to put them into; empty means hold.
var badValues = map[string]struct {
	file   string
	values []string
}{
	"state_dir":    {"", []string{`""`, `7`}},
	"log_level":    {"", []string{`"loud"`, `""`, `2`}},
	"allow_reboot": {"", switches},

	"hub.connection_string_file": {"", append(texts, `"HostName=h;DeviceId=d;SharedAccessKey=c2VjcmV0"`)},
	"hub.certificate_file":       {"", []string{`"cert.pem"`, `7`}}, // without certificate_key_file
	"hub.certificate_key_file":   {"", []string{`"key.pem"`, `7`}},
	"hub.endpoint":               {"", addresses},
	"hub.ca_file":                {"", paths},
	"hub.websocket":              {"", switches},
	"hub.proxy":                  {"", []string{`"proxy:1080"`, `"ftp://proxy"`, `"socks5://me:secret@proxy"`, `"http://proxy"`, `7`}},
	"hub.proxy_file":             {"", paths},

	"provisioning.id_scope":        {"provisioning", texts},
	"provisioning.registration_id": {"provisioning", texts},
	"provisioning.key_file":        {"provisioning", texts},
	"provisioning.group_key_file":  {"provisioning", []string{`"group-key"`, `7`}},
	"provisioning.endpoint":        {"provisioning", addresses},

	"lock.driver":          {"", []string{missing, `"gpoi"`, `1`}},
	"lock.mode":            {"", []string{missing, `"toggle"`, `"keep"`, `1`}},
	"lock.at_power_on":     {"", []string{missing, `"closed"`, `false`}},
	"lock.pulse":           {"dual", append([]string{`"9ms"`, `"11s"`}, spans...)},
	"lock.max_energised":   {"dual", append([]string{`"2s"`, `"11m"`}, spans...)},
	"lock.confirm_timeout": {"", append([]string{`"99ms"`, `"5s"`}, spans...)},
	"lock.min_interval":    {"", append([]string{`"2m"`, `"1001ms"`}, spans...)}, // 1001ms is too long for the exit input
	"lock.auto_relock":     {"", append([]string{`"1500ms"`}, spans...)},

	"lock.relock":    {"dual", []string{`"close"`, `"door"`, `""`, `1`}}, // dual has no door sensor
	"lock.settle":    {"", append([]string{`"11s"`}, spans...)},
	"lock.exit_time": {"", append([]string{`"0s"`, `"999ms"`, `"61s"`}, spans...)},
	"lock.held_open": {"", append([]string{`"1500ms"`}, spans...)},
	"lock.manual":    {"", switches},
	"lock.egress":    {"", []string{`"none"`, `true`}},

	"lock.gpio.chip":        {"", texts},
	"lock.gpio.line":        {"", append([]string{missing}, lineRefs...)},
	"lock.gpio.unlock_line": {"dual", append([]string{missing, `17`}, lineRefs...)},
	"lock.gpio.active":      {"", []string{missing, `"high"`, `1`}},
	"lock.gpio.active_low":  {"", switches},
	"lock.gpio.bias":        {"", biases},
	"lock.gpio.drive":       {"", []string{`"open"`, `1`}},

	"lock.bolt_sensor.chip":       {"", paths},
	"lock.bolt_sensor.line":       {"", append([]string{missing}, lineRefs...)},
	"lock.bolt_sensor.active":     {"", []string{missing, `"open"`, `1`}},
	"lock.bolt_sensor.active_low": {"", switches},
	"lock.bolt_sensor.bias":       {"", biases},
	"lock.bolt_sensor.debounce":   {"", spans},

	"lock.door_sensor.chip":       {"", paths},
	"lock.door_sensor.line":       {"", append([]string{missing}, lineRefs...)},
	"lock.door_sensor.active":     {"", []string{missing, `"locked"`, `1`}},
	"lock.door_sensor.active_low": {"", switches},
	"lock.door_sensor.bias":       {"", biases},
	"lock.door_sensor.debounce":   {"", spans},

	"lock.exit.action":     {"", []string{`"open"`, `1`}},
	"lock.exit.chip":       {"", paths},
	"lock.exit.line":       {"", append([]string{missing}, lineRefs...)},
	"lock.exit.active_low": {"", switches},
	"lock.exit.bias":       {"", biases},
	"lock.exit.debounce":   {"", spans},

	"lock.mock.travel": {"mock", append([]string{`"11s"`}, spans...)},
	"lock.mock.fault":  {"mock", []string{`"jammed"`, `""`, `1`}},

	"place.building": {"", []string{`43`, `"` + strings.Repeat("x", 129) + `"`}},
	"place.floor":    {"", []string{`"3"`, `3.5`, `4503599627370496`, `-4503599627370497`}},
	"place.room":     {"", []string{`3.14`, `"` + strings.Repeat("x", 129) + `"`}},
}

// testdata/bad-values.txt holds the error messages for the bad values of each key.
func TestMessagesForBadValues(t *testing.T) {
	var b strings.Builder
	for _, k := range keys {
		bad := badValues[k.name]
		if len(bad.values) == 0 {
			t.Errorf("badValues has no entry for the key %s", k.name)
		}
		for _, value := range bad.values {
			shown := fmt.Sprintf("%s = %s", k.name, strings.Replace(value, strings.Repeat("x", 129), "(129 characters)", 1))
			if value == missing {
				shown = k.name + " is missing"
			}
			fmt.Fprintln(&b, shown)
			_, err := parse("latchd.toml", fileWith(bad.file, k.name, value))
			if err == nil {
				t.Errorf("%s is accepted", shown)
				continue
			}
			if name := k.name[strings.LastIndexByte(k.name, '.')+1:]; !strings.Contains(err.Error(), name) {
				t.Errorf("%s: the message does not name the key: %v", shown, err)
			}
			for line := range strings.Lines(err.Error()) {
				fmt.Fprintf(&b, "\t%s\n", strings.TrimSuffix(line, "\n"))
			}
		}
	}

	golden := filepath.Join("testdata", "bad-values.txt")
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}

	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}

	if b.String() != string(want) {
		t.Errorf("the messages have changed; run 'go test ./agent/config -update' and read the diff:\n%s", &b)
	}
}

// fileWith returns the text of a good configuration with one value changed.
func fileWith(name, key, value string) []byte {
	if name == "" {
		name = "hold"
	}

	values := maps.Clone(files[name])
	values[key] = value
	if value == missing {
		delete(values, key)
	}

	tables := make(map[string][]string)
	for key, value := range values {
		table, name := "", key
		if dot := strings.LastIndexByte(key, '.'); dot >= 0 {
			table, name = key[:dot], key[dot+1:]
		}
		tables[table] = append(tables[table], name+" = "+value)
	}

	var b strings.Builder
	for _, table := range slices.Sorted(maps.Keys(tables)) {
		if table != "" {
			fmt.Fprintf(&b, "[%s]\n", table)
		}
		slices.Sort(tables[table])
		fmt.Fprintln(&b, strings.Join(tables[table], "\n"))
	}

	return []byte(b.String())
}
