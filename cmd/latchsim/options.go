package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
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

It registers the devices that are not there yet, connects them and prints one
line on standard output when all that shall connect have reported:

  latchsim ready devices=1000 connected=1000

Then it runs until SIGTERM. Which devices fail depends on the seed and their ids
only; --list-faults prints them, without a connection.

Flags:
`

// maxDevices is what five digits can number.
const maxDevices = 99999

// options are what the command line says.
type options struct {
	devices    int
	prefix     string
	hubFile    string
	mqtt       string
	endpoint   *url.URL // nil: the hub's own name
	caFile     string
	shares     shares
	seed       int64
	tags       iothub.Object
	start      actuator.Position
	travel     time.Duration
	listFaults bool
}

func flags(o *options) *flag.FlagSet {
	f := flag.NewFlagSet("latchsim", flag.ContinueOnError)
	f.SetOutput(io.Discard)
	f.Usage = func() {}
	f.IntVar(&o.devices, "devices", 0, "`number` of devices")
	f.StringVar(&o.prefix, "prefix", "sim-", "what device ids begin with; a number of five digits follows")
	f.StringVar(&o.hubFile, "hub-file", "", "`file` with the hub's service connection string")
	f.StringVar(&o.mqtt, "mqtt", "", "`host:port` of the hub's MQTT front (default: the hub's name, port 8883)")
	f.Func("endpoint", "`https://host:port` of the hub's service front (default: the hub's name, port 443)", func(text string) (err error) {
		o.endpoint, err = rest.ParseEndpoint(text)
		return err
	})
	f.StringVar(&o.caFile, "ca-file", "", "`file` with the authority's certificate, for a hub of your own")
	f.Func("jam", "`share` of devices whose bolt does not move, such as 5%", share(&o.shares.jam))
	f.Func("late", "`share` of devices that take 3 s to lock", share(&o.shares.late))
	f.Func("offline", "`share` of devices that are registered and never connect", share(&o.shares.offline))
	f.Int64Var(&o.seed, "seed", 1, "another `number` makes other devices fail")
	f.Func("tags", "`JSON` object to set as tags of every device's twin", func(text string) (err error) {
		o.tags, err = iothub.ParseObject([]byte(text))
		return err
	})
	f.Func("start", "`position` of the bolts at the start, locked or unlocked (default unlocked)", func(text string) error {
		o.start = actuator.Position(text)
		if o.start != actuator.Locked && o.start != actuator.Unlocked {
			return errors.New("want locked or unlocked")
		}
		return nil
	})
	f.DurationVar(&o.travel, "travel", 50*time.Millisecond, "`time` that a bolt takes")
	f.BoolVar(&o.listFaults, "list-faults", false, "print which devices fail and how, and end")
	return f
}

func parseOptions(args []string) (options, error) {
	o := options{start: actuator.Unlocked}
	f := flags(&o)
	if err := f.Parse(args); err != nil {
		return o, err
	}
	switch {
	case f.NArg() > 0:
		return o, fmt.Errorf("%q is one argument too many; see latchsim --help", f.Arg(0))
	case o.devices < 1 || o.devices > maxDevices:
		return o, fmt.Errorf("--devices is %d; want 1 to %d", o.devices, maxDevices)
	case o.hubFile == "" && !o.listFaults:
		return o, errors.New("--hub-file is missing: the file with the hub's service connection string")
	case o.travel < 0:
		return o, fmt.Errorf("--travel is %s; want 0s or more", o.travel)
	case o.shares.sum() > 1:
		return o, fmt.Errorf("--jam, --late and --offline are %.4g %% together; want 100 %% or less", 100*o.shares.sum())
	}
	if err := iothub.CheckDeviceID(o.id(o.devices)); err != nil {
		return o, fmt.Errorf("--prefix: %w", err)
	}
	return o, nil
}

// id returns the id of the nth device, from 1.
func (o options) id(n int) string { return fmt.Sprintf("%s%05d", o.prefix, n) }

// share reads "5%", "0.5 %" and, the same, "5".
func share(to *float64) func(string) error {
	return func(text string) error {
		percent, err := strconv.ParseFloat(strings.TrimSpace(strings.TrimSuffix(text, "%")), 64)
		if err != nil || !(percent >= 0 && percent <= 100) {
			return errors.New("want 0% to 100%")
		}
		*to = percent / 100
		return nil
	}
}

func help() string {
	var b strings.Builder
	b.WriteString(usage)
	f := flags(&options{})
	f.SetOutput(&b)
	f.PrintDefaults()
	return b.String()
}
