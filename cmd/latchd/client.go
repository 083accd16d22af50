package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"github.com/latchd/latchd/agent/config"
	"github.com/latchd/latchd/transport/iothub"
)

// errNotRunning means that no agent listens on the control socket.
var errNotRunning = errors.New("the agent is not running; see 'systemctl status latchd' and 'journalctl -u latchd'")

// ask invokes a method of the running agent whose configuration is file.
func ask(file string, r controlRequest) (iothub.MethodResponse, error) {
	paths, configErr := socketPaths(file)
	err := configErr
	for _, path := range paths {
		var conn net.Conn
		if conn, err = net.DialTimeout("unix", path, controlTimeout); err == nil {
			defer conn.Close()
			return exchange(conn, r)
		}
		if !notListening(err) {
			break
		}
	}

	switch {
	case notListening(err) && configErr == nil:
		return iothub.MethodResponse{}, errNotRunning
	case errors.Is(err, fs.ErrPermission):
		return iothub.MethodResponse{}, fmt.Errorf("ask the agent: %w; run this command as root or as a member of the group %s", err, operators)
	case configErr != nil:
		return iothub.MethodResponse{}, errors.Join(errNotRunning, configErr)
	}
	return iothub.MethodResponse{}, fmt.Errorf("ask the agent: %w", err)
}

func notListening(err error) bool {
	return errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED)
}

// socketPaths returns the paths at which the agent may listen. The first needs no
// configuration: an operator may not be allowed to read that.
func socketPaths(file string) ([]string, error) {
	var paths []string
	switch dir := os.Getenv("RUNTIME_DIRECTORY"); {
	case dir != "":
		paths = append(paths, runtimeSocket(dir))
	case filepath.Dir(file) == config.Dir:
		paths = append(paths, runtimeSocket(runtimeDir(file)))
	}

	c, _, err := config.LoadLock(file)
	if err != nil { // the agent may be running with an earlier version of the file
		c, _ = config.LoadHub(file)
	}
	if c.StateDir != "" {
		paths = append(paths, stateSocket(c.StateDir))
	}
	return paths, err
}

// runtimeDir returns the runtime directory of the unit that runs the agent whose
// configuration is file.
func runtimeDir(file string) string {
	door := strings.TrimSuffix(filepath.Base(file), ".toml")
	if door == "latchd" {
		return "/run/latchd"
	}
	return "/run/latchd@" + door
}

// exchange sends a request and reads its answer.
func exchange(conn net.Conn, r controlRequest) (answer iothub.MethodResponse, err error) {
	timeout := controlTimeout
	if motionMethods[r.MethodName] {
		timeout = motionTimeout
	}
	conn.SetDeadline(time.Now().Add(timeout))

	err = json.NewEncoder(conn).Encode(r)
	if err == nil {
		err = json.NewDecoder(io.LimitReader(conn, maxControlAnswer)).Decode(&answer)
	}
	if err != nil {
		return answer, fmt.Errorf("ask the agent: %w", err)
	}
	return answer, nil
}

// askStatus returns the status of the running agent.
func askStatus(file string) (iothub.Object, error) {
	answer, err := ask(file, controlRequest{MethodName: "getStatus"})
	if err != nil {
		return nil, err
	}

	var status iothub.Object
	if err := json.Unmarshal(answer.Payload, &status); err != nil {
		return nil, fmt.Errorf("read the agent's answer: %w", err)
	}
	return status, nil
}

// motion is the agent's answer to lockDoor or unlockDoor.
type motion struct {
	Position  string
	Confirmed bool
	Changed   bool
	TookMs    int64
	Pending   string // what a promised lock waits for
	Held      bool   // a release changed nothing, because the door is held unlocked
}

// askMotion invokes lockDoor or unlockDoor. A refusal is an error.
func askMotion(file string, r controlRequest) (motion, error) {
	answer, err := ask(file, r)
	if err != nil {
		return motion{}, fmt.Errorf("%s: %w", r.MethodName, err)
	}
	if err := refusalOf(answer); err != nil {
		return motion{}, fmt.Errorf("%s: %w", r.MethodName, err)
	}

	var m motion
	if err := json.Unmarshal(answer.Payload, &m); err != nil {
		return motion{}, fmt.Errorf("%s: read the agent's answer: %w", r.MethodName, err)
	}
	return m, nil
}

// refusalOf returns the agent's refusal, or nil for a success.
func refusalOf(answer iothub.MethodResponse) error {
	if answer.Status == http.StatusOK || answer.Status == http.StatusAccepted {
		return nil
	}

	var body struct {
		Error struct{ Code, Message string }
	}
	if err := json.Unmarshal(answer.Payload, &body); err != nil {
		return fmt.Errorf("read the agent's answer: %w", err)
	}
	return fmt.Errorf("%d %s: %s", answer.Status, body.Error.Code, body.Error.Message)
}
