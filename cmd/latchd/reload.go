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

// reloader reads the configuration again on SIGHUP. It applies the changes that do not
// affect the lock or the connection, and logs which others need a restart.
type reloader struct {
	file     string
	running  config.Config // configuration that the process started with
	applied  config.Config // configuration that was read last
	agent    *agent.Agent
	hub      *hubLink
	problems *problems
	manager  systemd.Manager
	log      *zap.Logger
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

// reload reads the configuration and, if the hub is not connected, the credentials. A
// file with an error changes nothing.
func (r *reloader) reload() {
	r.tell(systemd.Reloading())
	defer r.tell(systemd.Ready)
	defer r.hub.retryNow()

	c, err := config.Load(r.file)
	r.problems.set(problemConfig, err)
	if err != nil {
		r.log.Error("the configuration has errors; the previous one stays in force", zap.Error(err))
		return
	}

	if !r.hub.settled.Load() { // then the agent uses the hub of the new file
		r.running.Hub, r.running.Provisioning = c.Hub, c.Provisioning
	}
	applied := slices.DeleteFunc(config.Changed(r.applied, c), func(key string) bool { return !config.Reloadable(key) })
	pending := slices.DeleteFunc(config.Changed(r.running, c), config.Reloadable)
	r.applied = c
	r.agent.SetDefaults(c.Settings())

	r.log.Info("the configuration was reloaded", zap.String("applied", joinKeys(applied)))
	if len(pending) > 0 {
		r.log.Warn("some changes need a restart: systemctl restart latchd", zap.String("keys", joinKeys(pending)))
	}
}

func (r *reloader) tell(line string) {
	if _, err := r.manager.Notify(line); err != nil {
		r.log.Warn("cannot notify systemd of the reload", zap.Error(err))
	}
}

func joinKeys(keys []string) string {
	if len(keys) == 0 {
		return "no changes"
	}
	return strings.Join(keys, ", ")
}
