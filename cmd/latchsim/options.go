package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/latchd/latchd/actuator"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/rest"
)

const usage = `latchsim simulates a fleet of gateways with door locks.

  latchsim --devices 1000 --hub-file hub/service.connection-string --ca-file hub/ca.pem \
    --mqtt localhost:8883 --endpoint https://localhost:8443 --jam 5%

It registers the devices that do not exist in the hub and connects all devices.
When all devices have reported, except those with --offline, it prints one line:

  latchsim ready devices=1000 connected=1000

Then it runs until SIGTERM. Only the seed and the device id determine whether and
how a device fails. --list-faults prints the devices that will fail, without
connecting to the hub.

With --exits, --forced or --ajar, each door has a door sensor and an exit button:

  latchsim --devices 100 --hub-file hub/service.connection-string --ca-file hub/ca.pem \
    --mqtt localhost:8883 --endpoint https://localhost:8443 --start locked --exits 1m --forced 2%

Flags:
`

// maxDevices is the largest number of devices, because each device id ends in a number
// of five digits.
const maxDevices = 99999

// options holds the values of the command-line flags.
type options struct {
	devices    int
	prefix     string
	hubFile    string
	mqtt       string
	endpoint   *url.URL // nil means the hub's host name and port 443
	sources    []net.IP // local addresses from which the devices connect in turn; if empty, the kernel chooses
	caFile     string
	shares     shares
	seed       int64
	tags       iothub.Object
	start      actuator.Position
	travel     time.Duration
	exits      time.Duration // mean time between two people who leave through a door; 0 means nobody leaves
	listFaults bool
}

// flags returns the command-line flags. Parsing them sets the fields of o.
func flags(o *options) *flag.FlagSet {
	f := flag.NewFlagSet("latchsim", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.Usage = func() {}

	f.IntVar(&o.devices, "devices", 0, "`number` of devices")
	f.StringVar(&o.prefix, "prefix", "sim-", "`text` before the five-digit number in each device id")
	f.StringVar(&o.hubFile, "hub-file", "", "`file` with the hub's service connection string")
	f.StringVar(&o.mqtt, "mqtt", "", "`host:port` of the hub's MQTT server (default: the hub's name, port 8883)")
	f.Func("endpoint", "`https://host:port` of the hub's service API (default: the hub's name, port 443)", func(text string) (err error) {
		o.endpoint, err = rest.ParseEndpoint(text)
		return err
	})
	f.Func("source-addresses", "`addresses` of this computer, separated by commas, from which the devices connect in turn; "+
		"one address can have about 28,000 connections to a hub (default: the system chooses)", func(text string) error {
		o.sources = nil
		for address := range strings.SplitSeq(text, ",") {
			ip := net.ParseIP(address)
			if ip == nil {
				return fmt.Errorf("%q is not an IP address", address)
			}
			o.sources = append(o.sources, ip)
		}
		return nil
	})
	f.StringVar(&o.caFile, "ca-file", "", "`file` with the CA certificate of a private hub, in PEM format")

	f.Func("jam", "`share` of devices whose bolt does not move, such as 5%", share(&o.shares.jam))
	f.Func("late", "`share` of devices whose bolt needs 3 s to move", share(&o.shares.late))
	f.Func("offline", "`share` of devices that are registered but never connect", share(&o.shares.offline))
	f.Func("forced", "`share` of devices whose locked door somebody pries open, once", share(&o.shares.forced))
	f.Func("ajar", "`share` of devices whose door somebody leaves open", share(&o.shares.ajar))
	f.DurationVar(&o.exits, "exits", 0, "mean `time` between two people who press the exit button and leave; 0s means nobody")
	f.Int64Var(&o.seed, "seed", 1, "`number` that selects the devices that fail")

	f.Func("tags", "`JSON` object to merge into the tags of every device's twin", func(text string) (err error) {
		o.tags, err = iothub.ParseObject([]byte(text))
		return err
	})
	f.Func("start", "`position` of all bolts at the start: locked or unlocked (default unlocked)", func(text string) error {
		o.start = actuator.Position(text)
		if o.start != actuator.Locked && o.start != actuator.Unlocked {
			return errors.New("use locked or unlocked")
		}
		return nil
	})

	f.DurationVar(&o.travel, "travel", 50*time.Millisecond, "`time` that a bolt needs to move")
	f.BoolVar(&o.listFaults, "list-faults", false, "print the devices that fail and their faults, then exit")
	return f
}

// parseOptions parses and checks the command line.
func parseOptions(args []string) (options, error) {
	o := options{start: actuator.Unlocked}
	f := flags(&o)
	if err := f.Parse(args); err != nil {
		return o, err
	}

	switch {
	case f.NArg() > 0:
		return o, fmt.Errorf("unexpected argument %q; see latchsim --help", f.Arg(0))
	case o.devices < 1 || o.devices > maxDevices:
		return o, fmt.Errorf("--devices is %d; use 1 to %d", o.devices, maxDevices)
	case o.hubFile == "" && !o.listFaults:
		return o, errors.New("--hub-file is missing; give the file with the hub's service connection string")
	case o.travel < 0:
		return o, fmt.Errorf("--travel is %s; use 0s or more", o.travel)
	case o.exits < 0 || o.exits > 0 && o.exits < minExits:
		return o, fmt.Errorf("--exits is %s; use %s or more, or 0s for nobody", o.exits, minExits)
	case o.shares.sum() > 1:
		return o, fmt.Errorf("--jam, --late, --offline, --forced and --ajar add up to %.4g %%; use 100 %% or less", 100*o.shares.sum())
	}

	if err := iothub.CheckDeviceID(o.id(o.devices)); err != nil {
		return o, fmt.Errorf("--prefix: %w", err)
	}
	return o, nil
}

// hasPeople reports whether somebody uses the doors.
func (o options) hasPeople() bool { return o.exits > 0 || o.shares.forced > 0 || o.shares.ajar > 0 }

// id returns the id of the device with number n. The first device has number 1.
func (o options) id(n int) string { return fmt.Sprintf("%s%05d", o.prefix, n) }

// share returns a function that parses a percentage, such as "5%", "0.5 %" or "5". The
// function stores the percentage as a fraction in *to.
func share(to *float64) func(string) error {
	return func(text string) error {
		percent, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(text, "%")), 64)
		if err != nil || !(percent >= 0 && percent <= 100) {
			return errors.New("use 0% to 100%")
		}
		*to = percent / 100
		return nil
	}
}

// help returns the help text. Unlike PrintDefaults of package flag, it writes flags
// with two dashes.
func help() string {
	var defaults strings.Builder
	f := flags(&options{})
	f.SetOutput(&defaults)
	f.PrintDefaults()
	return usage + strings.ReplaceAll("\n"+defaults.String(), "\n  -", "\n  --")[1:]
}
