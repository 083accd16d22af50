package main

import (
	"context"
	"os"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/latchd/latchd/agent"
	"github.com/latchd/latchd/agent/config"
	"github.com/latchd/latchd/systemd"
)

// reloader takes a new configuration when SIGHUP comes, as far as that does not
// touch the lock or the link.
type reloader struct {
	file    string
	running config.Config // what the lock and the link were made of
	applied config.Config // what was read last
	agent   *agent.Agent
	manager systemd.Manager
	log     *zap.Logger
}

// watch reloads at each signal until ctx ends.
func (r *reloader) watch(ctx context.Context, signals <-chan os.Signal) {
	for {
		select {
		case <-signals:
			r.reload()
		case <-ctx.Done():
			return
		}
	}
}

// reload reads the file. One that is not good changes nothing.
func (r *reloader) reload() {
	r.tell(systemd.Reloading())
	defer r.tell(systemd.Ready)
	c, err := config.Load(r.file)
	if err != nil {
		r.log.Error("the configuration is not taken, and nothing is changed", zap.Error(err))
		return
	}
	taken := slices.DeleteFunc(config.Changed(r.applied, c), func(key string) bool { return !config.Reloadable(key) })
	later := slices.DeleteFunc(config.Changed(r.running, c), config.Reloadable)
	r.applied = c
	r.agent.SetDefaults(c.Settings())
	r.log.Info("the configuration was read again", zap.String("taken", orNone(taken)))
	if len(later) > 0 {
		r.log.Warn("some changes need a restart: systemctl restart latchd", zap.String("keys", orNone(later)))
	}
}

func (r *reloader) tell(line string) {
	if _, err := r.manager.Notify(line); err != nil {
		r.log.Warn("systemd does not know of the reload", zap.Error(err))
	}
}

func orNone(keys []string) string {
	if len(keys) == 0 {
		return "nothing has changed"
	}
	return strings.Join(keys, ", ")
}
