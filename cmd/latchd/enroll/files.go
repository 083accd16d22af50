// Package enroll joins a gateway to the hub of an invitation code. Use [Prepare] to check
// the gateway's files, then [Register] to get the door's key, then [Plan.Write].
//
// Guarantees:
//   - Prepare and Register change no file. A login that exists already is replaced only
//     if the caller permits it. A CA is never replaced: other doors may trust it.
//   - Write replaces each file atomically and durably, and the configuration last. After
//     a full disk or a power cut, the same code works again, because the hub ends it only
//     at the first login with the new key.
//   - Only the configuration's login changes; see [config.SetHub].
//   - Errors contain no secret.
package enroll

import (
	"crypto/sha256"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/latchd/latchd/agent/config"
	"github.com/latchd/latchd/transport/durable"
	"github.com/latchd/latchd/transport/invitation"
	"github.com/latchd/latchd/transport/iothub"
	"github.com/latchd/latchd/transport/textfile"
)

// maxFile is the largest file that Prepare reads, in bytes.
const maxFile = 1 << 20

// Options say what Prepare may change.
type Options struct {
	Mock      bool // add a simulated lock if the configuration has no lock
	Overwrite bool // replace the login of another device or of another hub
}

// Plan is a set of checked changes of a gateway's files.
type Plan struct {
	// HasLock reports whether the configuration will have a table [lock].
	HasLock bool
	// Hub is the present table [hub], whose proxy leads to the new hub, too.
	Hub config.Hub

	door       invitation.Door
	config     string // path of the configuration; not a symbolic link
	text       []byte // its new text
	mode       os.FileMode
	credential string
	ca         string
}

// ErrLogin means that the door has another login, and that the options do not permit to
// replace it.
var ErrLogin = errors.New("the door has a login already")

// Prepare checks what the code's door needs to change in the directory of the
// configuration file, which need not exist. Only one process may use the directory. The
// caller must call done at the end.
func Prepare(file string, door invitation.Door, opts Options) (p *Plan, done func() error, err error) {
	file, err = filepath.Abs(file)
	if err != nil {
		return nil, nil, err
	}
	if target, err := filepath.EvalSymlinks(file); err == nil {
		file = target
	}

	dir, name := filepath.Dir(file), strings.TrimSuffix(filepath.Base(file), ".toml")
	p = &Plan{door: door, config: file, mode: 0o644,
		credential: filepath.Join(dir, "credentials", "connection-string")}
	if name != "latchd" {
		p.credential = filepath.Join(dir, "credentials", name, "connection-string")
	}

	if err := Writable(file); err != nil {
		return nil, nil, err
	}
	done, err = durable.LockDir(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("another 'latchd enroll' may be running: %w", err)
	}
	if err := p.prepare(opts); err != nil {
		return nil, nil, errors.Join(err, done())
	}
	return p, done, nil
}

// Writable returns an error if this user cannot write to the directory of a configuration
// file.
func Writable(file string) error {
	dir := filepath.Dir(file)
	if err := unix.Access(dir, unix.W_OK|unix.X_OK); err != nil {
		return fmt.Errorf("cannot write to %s: %w; run 'latchd enroll' as root", dir, err)
	}
	return nil
}

// prepare reads the present files and makes the new configuration.
func (p *Plan) prepare(opts Options) error {
	text, err := textfile.Read(p.config, maxFile)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("read the configuration: %w", err)
	}
	if info, err := os.Stat(p.config); err == nil {
		p.mode = info.Mode().Perm()
	}

	if p.ca, err = p.caFile(); err != nil {
		return err
	}
	edit := config.HubEdit{ConnectionStringFile: p.credential, CAFile: p.ca, Mock: opts.Mock}
	p.text, p.HasLock, err = config.SetHub(p.config, []byte(text), edit)
	if err != nil {
		return err
	}

	var c config.Config
	if text != "" {
		if c, err = config.LoadHub(p.config); err != nil {
			return err
		}
	}
	p.Hub = c.Hub
	if c.Hub.WebSocket {
		return fmt.Errorf("%s has websocket = true, but a code is for the hub's port for MQTT; remove the key, or create the device with latchctl", p.config)
	}
	if !opts.Overwrite {
		return p.checkLogin(c)
	}
	return nil
}

// checkLogin returns an error if the door has a login that is not for the code's door. A
// login for the code's door is what an interrupted enrollment leaves.
func (p *Plan) checkLogin(c config.Config) error {
	for _, path := range append(c.SecretFiles(), p.credential) {
		if path == c.Hub.ProxyFile {
			continue
		}
		text, err := textfile.Read(path, maxFile)
		switch {
		case errors.Is(err, fs.ErrNotExist):
			continue // the example names files that do not exist
		case err != nil:
			return fmt.Errorf("read the present login: %w", err)
		case path == p.credential && p.isOwn(text):
			continue
		}
		return fmt.Errorf("%s exists: %w; to replace it, add --overwrite", path, ErrLogin)
	}
	return nil
}

// isOwn reports whether a connection string is for the code's door at the code's hub.
func (p *Plan) isOwn(text string) bool {
	device, err := iothub.ParseDevice(text)
	return err == nil && device.DeviceID == p.door.RegistrationID && strings.EqualFold(device.HostName, p.door.Hub)
}

// caFile returns the path of the file for the hub's CA: ca.pem or, if that file contains
// another CA, a name with the certificate's fingerprint.
func (p *Plan) caFile() (string, error) {
	fingerprint := sha256.Sum256(p.door.CA.Raw)
	for _, name := range []string{"ca.pem", fmt.Sprintf("ca-%x.pem", fingerprint[:8])} {
		path := filepath.Join(filepath.Dir(p.config), name)
		text, err := textfile.Read(path, maxFile)
		if errors.Is(err, fs.ErrNotExist) || err == nil && text == p.caText() {
			return path, nil
		}
	}
	return "", fmt.Errorf("%s has no free name for the hub's CA; remove the files ca*.pem that no configuration names", filepath.Dir(p.config))
}

func (p *Plan) caText() string {
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: p.door.CA.Raw}))
}

// Write writes the CA, the login and the configuration.
func (p *Plan) Write(device iothub.Device) error {
	if err := durable.MakeDir(filepath.Dir(p.credential), 0o700); err != nil {
		return fmt.Errorf("create the directory for the login: %w", err)
	}
	if err := durable.Replace(p.ca, []byte(p.caText()), 0o644); err != nil {
		return fmt.Errorf("write the hub's CA: %w", err)
	}
	if err := durable.Replace(p.credential, []byte(device.ConnectionString()+"\n"), 0o600); err != nil {
		return fmt.Errorf("write the login: %w", err)
	}
	if err := durable.Replace(p.config, p.text, p.mode); err != nil {
		return fmt.Errorf("write the configuration: %w", err)
	}
	return nil
}
