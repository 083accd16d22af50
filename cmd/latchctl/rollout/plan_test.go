package rollout

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/latchd/latchd/transport/iothub"
)

func TestParseWaves(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"1,10%,100%":       "[1 10% 100%]",
		" 5 , 0.25% ,100%": "[5 0.25% 100%]",
		"100%":             "[100%]",
		"10%,50,100%":      "[10% 50 100%]", // the number of devices decides which of the two sizes is larger
	} {
		got, err := ParseWaves(text)
		if err != nil || fmt.Sprint(got) != want {
			t.Errorf("%q: %v, %v; want %s", text, got, err, want)
		}
	}

	for text, want := range map[string]string{
		"":                              `"": want a number of devices or a percentage`,
		"1,,100%":                       `"": want a number`,
		"0,100%":                        `"0": want a number`,
		"-1,100%":                       `"-1": want a number`,
		"0%,100%":                       "0% is not a wave size",
		"ten%,100%":                     `"ten%": want a percentage`,
		"101%":                          `"101%": want a percentage`,
		"0.001%,100%":                   `"0.001%": want a percentage`,
		"20%,10%,100%":                  "wave size 10% is not larger than 20% before it",
		"10,10,100%":                    "wave size 10 is not larger than 10 before it",
		"1,10%":                         "the last wave size is 10%; end with 100%",
		"10":                            "the last wave size is 10; end with 100%",
		"100%,5":                        "the last wave size is 5; end with 100%",
		strings.Repeat("1%,", 2) + "5%": "wave size 1% is not larger than 1%",
		risingWaves(maxWaves) + ",100%": "too many waves: 100; the limit is 99",
	} {
		if got, err := ParseWaves(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, %v; want %s", text, got, err, want)
		}
	}
}

// risingWaves returns the list of wave sizes "1,2,..." up to n.
func risingWaves(n int) string {
	var sizes []string
	for i := range n {
		sizes = append(sizes, fmt.Sprint(i+1))
	}
	return strings.Join(sizes, ",")
}

// Whatever sizes ParseWaves accepts, the waves contain each device once, and in order.
func FuzzParseWaves(f *testing.F) {
	for _, text := range []string{"1,10%,100%", "0.5%,100%", "99999999999999,100%", "%"} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		sizes, err := ParseWaves(text)
		if err != nil {
			return
		}
		for _, n := range []int{0, 1, 7, 1000} {
			var all []string
			for _, wave := range PlanWaves(ids(n), sizes) {
				if len(wave) == 0 {
					t.Errorf("%q of %d devices: an empty wave", text, n)
				}
				all = append(all, wave...)
			}
			if !slices.Equal(all, ids(n)) {
				t.Errorf("%q of %d devices: %d of them are in waves", text, n, len(all))
			}
		}
	})
}

// ids returns n sorted device ids: d0001, d0002 and so on.
func ids(n int) []string {
	var all []string
	for i := range n {
		all = append(all, fmt.Sprintf("d%04d", i+1))
	}
	return all
}

func TestPlanWaves(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		devices int
		waves   string
		want    []int
	}{
		{1000, "1,10%,100%", []int{1, 99, 900}},
		{999, "1,10%,100%", []int{1, 99, 899}}, // a fraction of a device is rounded up
		{10, "1,10%,100%", []int{1, 9}},
		{3, "1,10%,50%,100%", []int{1, 1, 1}},
		{1, "1,10%,100%", []int{1}},
		{4, "10,20,100%", []int{4}},
		{100, "10%,50,100%", []int{10, 40, 50}},
		{1000, "10%,50,100%", []int{100, 900}}, // the size 100 already exceeds 50%
		{0, "100%", nil},
	} {
		sizes, err := ParseWaves(tt.waves)
		if err != nil {
			t.Fatal(err)
		}
		var got []int
		for _, wave := range PlanWaves(ids(tt.devices), sizes) {
			got = append(got, len(wave))
		}
		if !slices.Equal(got, tt.want) {
			t.Errorf("%s of %d devices: %v, want %v", tt.waves, tt.devices, got, tt.want)
		}
	}
}

// PlanWaves sorts the devices by id, whatever the order in which the hub lists them.
func TestOrderOfDevices(t *testing.T) {
	t.Parallel()
	given := []string{"b-10", "a", "b-9", "B"}
	waves := PlanWaves(given, []Size{{Count: 2}, {Percent: wholePercent}})
	if got := fmt.Sprint(waves); got != "[[B a] [b-10 b-9]]" {
		t.Error(got)
	}
	if fmt.Sprint(given) != "[b-10 a b-9 B]" {
		t.Errorf("PlanWaves changed its argument to %v", given)
	}
}

func TestPercent(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]Percent{"0%": 0, "5%": 500, "0.25%": 25, "12.5%": 1250, "100%": 10000, "100.00%": 10000, "007%": 700} {
		got, err := ParsePercent(text)
		if err != nil || got != want {
			t.Errorf("%s: %d, %v; want %d", text, got, err, want)
		}
		again, err := ParsePercent(got.String())
		if err != nil || again != got {
			t.Errorf("%s is formatted as %s", text, got)
		}
	}

	for _, text := range []string{"", "5", "%", ".5%", "5.%", "-1%", "+5%", "100.01%", "0.125%", "1e1%", "5 %", "99999999999999999999%"} {
		if got, err := ParsePercent(text); err == nil {
			t.Errorf("%q: %s", text, got)
		}
	}

	for _, tt := range []struct {
		p      Percent
		n, all int
		want   bool
	}{
		{500, 5, 100, false}, {500, 6, 100, true}, {0, 0, 10, false}, {0, 1, 1000000, true},
		{wholePercent, 10, 10, false}, {25, 25, 10000, false}, {25, 26, 10000, true}, {500, 0, 0, false},
	} {
		if got := tt.p.exceededBy(tt.n, tt.all); got != tt.want {
			t.Errorf("%d of %d are more than %s: %v", tt.n, tt.all, tt.p, got)
		}
	}
}

func TestEstimate(t *testing.T) {
	t.Parallel()
	sizes, _ := ParseWaves("1,10%,100%")
	for _, tt := range []struct {
		tier    string
		units   int
		devices int
		rules   Rules
		want    string // time for the calls and time for soaking
	}{
		{"S1", 1, 1000, Rules{}, "1m43s 0s"}, // 1000 devices at 10 per second, and the overhead of three jobs
		{"S1", 5, 1000, Rules{}, "1m43s 0s"}, // five units have the rate of one
		{"S2", 5, 1000, Rules{}, "1m43s 0s"},
		{"S2", 20, 1000, Rules{}, "53s 0s"},
		{"S3", 2, 1000, Rules{}, "13s 0s"},
		{"f1", 1, 1000, Rules{Soak: 60}, "1m43s 2m0s"},                   // no soak after the last wave
		{"S1", 1, 1000, Rules{Soak: 60, Require: "a = 1"}, "1m43s 3m0s"}, // the condition needs a soak after the last wave
		{"", 0, 1000, Rules{Soak: 60}, "0s 2m0s"},
		{"S3", 1, 10000, Rules{}, "3m33s 0s"}, // the overhead of 13 jobs
	} {
		rate := 0
		if tt.tier != "" {
			tier, err := iothub.ParseTier(tt.tier)
			if err != nil {
				t.Fatal(err)
			}
			rate = int(tier.JobDevices.PerSecond(tt.units))
		}
		r := New("r", Hub{HostName: "h"}, "*", Work{}, tt.rules, PlanWaves(ids(tt.devices), sizes), start)
		e := r.Estimate(rate)
		if got := fmt.Sprint(e.Calls, e.Soak); got != tt.want || e.Total() != e.Calls+e.Soak {
			t.Errorf("%+v: %s", tt, got)
		}
	}
	if _, err := iothub.ParseTier("B1"); err == nil || !strings.Contains(err.Error(), "the basic tiers have no jobs") {
		t.Error(err)
	}
}
