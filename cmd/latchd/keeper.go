package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"go.uber.org/zap"

	"github.com/latchd/latchd/systemd"
)

// keeper has systemd keep the lock's line beyond the life of the process.
type keeper struct {
	manager systemd.Manager
	kept    map[string]*os.File
}

// newKeeper takes the files that were kept for this process.
func newKeeper(manager systemd.Manager) *keeper {
	k := &keeper{manager, make(map[string]*os.File)}
	for _, file := range systemd.Stored() {
		if k.kept[file.Name()] != nil { // one name twice: the later one is in use
			k.kept[file.Name()].Close()
		}
		k.kept[file.Name()] = file
	}
	return k
}

// Kept implements gpio.Keeper.
func (k *keeper) Kept() map[string]*os.File { return k.kept }

// Keep implements gpio.Keeper. What was kept under the name before ends.
func (k *keeper) Keep(name string, fd int) error {
	if _, err := k.manager.Remove(name); err != nil {
		return err
	}
	_, err := k.manager.Store(fd, name)
	return err
}

// giveBack drops all that was kept, for a lock that has no lines.
func (k *keeper) giveBack(log *zap.Logger) {
	for name := range k.kept {
		err := k.Drop(name)
		log.Warn("a line that was kept is given back", zap.String("line", name), zap.Error(err))
	}
}

// dropTimeout bounds how long systemd may take to give a line back.
const dropTimeout = time.Second

// Drop implements gpio.Keeper.
func (k *keeper) Drop(name string) error {
	if file := k.kept[name]; file != nil {
		file.Close()
		delete(k.kept, name)
	}
	if _, err := k.manager.Remove(name); err != nil {
		return err
	}
	ctx, stop := context.WithTimeout(context.Background(), dropTimeout)
	defer stop()
	if _, err := k.manager.Barrier(ctx); err != nil {
		return fmt.Errorf("wait until systemd has closed it: %w", err)
	}
	return nil
}
