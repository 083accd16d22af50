package main

import (
	"bytes"
	"io"
	"strings"
	"testing"
)

func TestBadCommandLines(t *testing.T) {
	for _, test := range []struct{ name, args, want string }{
		{"devices missing", "--hub-file f", "--devices is 0; use 1 to 99999"},
		{"too many", "--devices 100000 --hub-file f", "--devices is 100000; use 1 to 99999"},
		{"hub file missing", "--devices 1", "--hub-file is missing; give the file with the hub's service connection string"},
		{"share above 100 %", "--devices 1 --hub-file f --jam 101%", `invalid value "101%" for flag -jam: use 0% to 100%`},
		{"share is no number", "--devices 1 --hub-file f --late many", `invalid value "many" for flag -late: use 0% to 100%`},
		{"share is not a number", "--devices 1 --hub-file f --late NaN", `invalid value "NaN" for flag -late: use 0% to 100%`},
		{"shares above 100 % together", "--devices 1 --hub-file f --jam 50 --late 40 --offline 20", "--jam, --late, --offline, --forced and --ajar add up to 110 %; use 100 % or less"},
		{"exits too often", "--devices 1 --hub-file f --exits 1s", "--exits is 1s; use 8s or more, or 0s for nobody"},
		{"prefix", "--devices 1 --hub-file f --prefix a/b", `--prefix: the device id contains '/'; allowed are ASCII letters, digits, the semicolon and -.%_*?!(),:=@$'`},
		{"start", "--devices 1 --hub-file f --start ajar", `invalid value "ajar" for flag -start: use locked or unlocked`},
		{"tags", "--devices 1 --hub-file f --tags []", `invalid value "[]" for flag -tags: got an array, want an object`},
		{"endpoint", "--devices 1 --hub-file f --endpoint http://h", `invalid value "http://h" for flag -endpoint: endpoint "http://h": the scheme is http; want https`},
		{"source address", "--devices 1 --hub-file f --source-addresses 127.0.0.1,h", `invalid value "127.0.0.1,h" for flag -source-addresses: "h" is not an IP address`},
		{"argument", "--devices 1 --hub-file f 5", `unexpected argument "5"; see latchsim --help`},
		{"flag", "--device 1", "flag provided but not defined: -device"},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			var stderr bytes.Buffer
			err := run(t.Context(), strings.Fields(test.args), io.Discard, &stderr)
			if err == nil || err.Error() != test.want {
				t.Fatalf("got  %v\nwant %s", err, test.want)
			}
			if code := exitCode(&stderr, err); code != 2 || stderr.String() != "latchsim: "+test.want+"\n" {
				t.Errorf("exit code %d, standard error %q", code, stderr.String())
			}
		})
	}
}

func TestHelp(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	if err := run(t.Context(), []string{"--help"}, &out, io.Discard); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"latchsim --devices 1000", "\n  --list-faults\n", "latchsim ready devices="} {
		if !strings.Contains(out.String(), want) {
			t.Errorf("the help does not contain %q", want)
		}
	}
}

// For a given seed, the same devices must fail in every version, because tests rely on
// this.
func TestFaultsGolden(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	args := strings.Fields("--devices 130 --jam 5% --late 4.5% --offline 3 --list-faults")
	if err := run(t.Context(), args, &out, io.Discard); err != nil {
		t.Fatal(err)
	}

	const want = `sim-00001 jam
sim-00005 late
sim-00007 jam
sim-00011 jam
sim-00016 jam
sim-00021 jam
sim-00035 late
sim-00050 late
sim-00089 jam
sim-00094 late
sim-00103 jam
sim-00106 jam
sim-00115 jam
sim-00118 jam
sim-00128 offline
`

	if out.String() != want {
		t.Errorf("got\n%swant\n%s", out.String(), want)
	}
}

func TestFaultsFollowTheirShares(t *testing.T) {
	t.Parallel()
	count := func(o options) [3]int {
		p := o.plan()
		return [3]int{p.count(jam), p.count(late), p.count(offline)}
	}

	o := options{devices: 20000, prefix: "d", shares: shares{jam: 0.10, late: 0.05, offline: 0.01}}
	for seed := range int64(3) {
		o.seed = seed
		got := count(o)
		for i, want := range []int{2000, 1000, 200} {
			if got[i] < want*8/10 || got[i] > want*12/10 {
				t.Errorf("seed %d: %v of 20000 devices jam, are late, stay offline; want about 2000, 1000, 200", seed, got)
			}
		}
	}

	o.shares = shares{forced: 0.20, ajar: 0.10}
	if p := o.plan(); p.count(forced) < 3600 || p.count(forced) > 4400 || p.count(ajar) < 1800 || p.count(ajar) > 2200 {
		t.Errorf("%d of 20000 doors are forced and %d left ajar; want about 4000 and 2000", p.count(forced), p.count(ajar))
	}
	o.shares = shares{jam: 1}
	if got := count(o); got[0] != o.devices {
		t.Errorf("with --jam 100%%, %d of %d devices jam", got[0], o.devices)
	}
	o.shares = shares{}
	if got := count(o); got != [3]int{} {
		t.Errorf("without shares, %v devices fail", got)
	}

	a := options{devices: 50, prefix: "d", seed: 1, shares: shares{jam: 0.5}}
	b := options{devices: 50, prefix: "d", seed: 2, shares: shares{jam: 0.5}}
	var listA, listB bytes.Buffer
	a.plan().list(&listA)
	b.plan().list(&listB)
	if listA.String() == listB.String() {
		t.Error("two seeds select the same devices")
	}
}
