package main

import (
	"io"
	"slices"
	"sync/atomic"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/latchd/latchd/systemd"
	"github.com/latchd/latchd/transport/termtext"
)

// newLogger returns a logger to the journal if stderr is connected to it, and a logger
// of readable lines otherwise. It adds the device's name to each entry, once the name is
// known.
func newLogger(stderr io.Writer, least zapcore.LevelEnabler, device *deviceName) *zap.Logger {
	core, ok := systemd.JournalCore(stderr, "latchd", least)
	if !ok {
		encoding := zap.NewDevelopmentEncoderConfig()
		encoding.EncodeTime = zapcore.TimeEncoderOfLayout("2006-01-02T15:04:05.000Z07:00")
		core = zapcore.NewCore(zapcore.NewConsoleEncoder(encoding), zapcore.AddSync(termtext.NewWriter(stderr)), least)
	}
	return zap.New(namedCore{core, device})
}

// deviceName is the device's name at the hub. It is empty until the device's
// credentials have been read, which happens after the lock has been started.
type deviceName struct{ name atomic.Pointer[string] }

func (d *deviceName) set(name string) { d.name.Store(&name) }

func (d *deviceName) get() string {
	if name := d.name.Load(); name != nil {
		return *name
	}
	return ""
}

// namedCore adds the device's name to each log entry.
type namedCore struct {
	zapcore.Core
	device *deviceName
}

func (c namedCore) With(fields []zapcore.Field) zapcore.Core {
	return namedCore{c.Core.With(fields), c.device}
}

func (c namedCore) Check(e zapcore.Entry, to *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return to.AddCore(e, c)
	}
	return to
}

func (c namedCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	const key = "device_id"
	given := slices.ContainsFunc(fields, func(f zapcore.Field) bool { return f.Key == key })
	if name := c.device.get(); name != "" && !given {
		fields = append(slices.Clip(fields), zap.String(key, name))
	}
	return c.Core.Write(e, fields)
}
