package main

import (
	"errors"
	"fmt"
	"os"
	"os/user"
	"strconv"
	"syscall"
)

// agentUser is the user of latchd.service and latchd@.service.
const agentUser = "latchd"

// becomeAgent permanently changes a root process to the agent's user, with this user's
// groups and those in more. dir is a directory of the agent. A process that is not root
// stays as it is.
func becomeAgent(dir string, more ...int) error {
	if os.Getuid() != 0 {
		return nil
	}

	err := become(dir, more)
	if err != nil {
		return fmt.Errorf("give up root's rights: %w", err)
	}
	return nil
}

func become(dir string, more []int) error {
	account, err := agentAccount(dir)
	if err != nil {
		return err
	}
	uid, uidErr := strconv.Atoi(account.Uid)
	gid, gidErr := strconv.Atoi(account.Gid)
	groups, err := groupsOf(account)
	if err := errors.Join(uidErr, gidErr, err); err != nil {
		return err
	}
	if uid == 0 {
		return fmt.Errorf("the user %s is root itself", account.Username)
	}

	if err := syscall.Setgroups(append(groups, more...)); err != nil {
		return err
	}
	if err := syscall.Setgid(gid); err != nil {
		return err
	}
	return syscall.Setuid(uid)
}

// agentAccount returns the account of the agent's user: latchd or, on a computer without
// this user, the owner of the directory dir.
func agentAccount(dir string) (*user.User, error) {
	account, err := user.Lookup(agentUser)
	if _, unknown := errors.AsType[user.UnknownUserError](err); !unknown {
		return account, err
	}

	f, err := os.OpenFile(dir, os.O_RDONLY|syscall.O_DIRECTORY|syscall.O_NOFOLLOW, 0)
	if err != nil {
		return nil, fmt.Errorf("there is no user %s, and no owner to take its place: %w", agentUser, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}

	owner := info.Sys().(*syscall.Stat_t).Uid
	if owner == 0 {
		return nil, fmt.Errorf("there is no user %s, and %s belongs to root", agentUser, dir)
	}
	return user.LookupId(strconv.FormatUint(uint64(owner), 10))
}

// groupsOf returns the groups of a user. One of the agent's groups gives access to the
// GPIO chips.
func groupsOf(account *user.User) ([]int, error) {
	ids, err := account.GroupIds()
	if err != nil {
		return nil, err
	}

	groups := make([]int, len(ids))
	for i, id := range ids {
		if groups[i], err = strconv.Atoi(id); err != nil {
			return nil, err
		}
	}
	return groups, nil
}
