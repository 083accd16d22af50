package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/latchd/latchd/transport/invitation"
)

// hideInput makes a terminal hide what somebody types, until show is called. It fails if
// the file is no terminal.
func hideInput(terminal *os.File) (show func(), err error) {
	fd := int(terminal.Fd())
	before, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return nil, err
	}

	hidden := *before
	hidden.Lflag &^= unix.ECHO
	if err := unix.IoctlSetTermios(fd, unix.TCSETS, &hidden); err != nil {
		return nil, err
	}
	return func() { unix.IoctlSetTermios(fd, unix.TCSETS, before) }, nil
}

// askCode asks for a code on a terminal. A mail program may have wrapped the code, so
// askCode reads lines until the code is complete. It returns when ctx ends.
func askCode(ctx context.Context, terminal io.Reader, stderr io.Writer) (invitation.Door, error) {
	type result struct {
		line string
		err  error
	}
	lines := make(chan result)
	go func() {
		reader := bufio.NewReader(io.LimitReader(terminal, invitation.MaxCode))
		for {
			line, err := reader.ReadString('\n')
			select {
			case lines <- result{strings.TrimSpace(line), err}:
			case <-ctx.Done():
				return
			}
			if err != nil {
				return
			}
		}
	}()

	fmt.Fprint(stderr, "Paste the invitation code (it is not shown) and press Enter: ")
	for code := ""; ; {
		select {
		case read := <-lines:
			fmt.Fprintln(stderr)
			code += read.line
			door, err := invitation.ParseDoor(code)
			if !errors.Is(err, invitation.ErrDamaged) || read.line == "" || read.err != nil {
				return door, err
			}
			fmt.Fprint(stderr, "The code is not complete. Paste the rest, or press Enter to stop: ")

		case <-ctx.Done():
			fmt.Fprintln(stderr)
			return invitation.Door{}, errors.New("no code was given")
		}
	}
}
