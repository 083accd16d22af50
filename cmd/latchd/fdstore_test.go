package main

import (
	"net"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"go.uber.org/zap"
	"golang.org/x/sys/unix"

	"github.com/latchd/latchd/systemd"
)

// removeAll closes each stored file in this process, and asks systemd to close it.
func TestRemoveAll(t *testing.T) {
	socket := filepath.Join(t.TempDir(), "notify")
	manager, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		t.Fatal(err)
	}
	defer manager.Close()
	file, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}

	store := &fdStore{systemd.Manager{Socket: socket}, map[string]*os.File{"latchd/hold": file}}
	received := make(chan []string)
	go func() {
		var all []string
		for len(all) < 2 { // the removal and its barrier
			message, rights := make([]byte, 4096), make([]byte, 64)
			n, oob, _, _, err := manager.ReadMsgUnix(message, rights)
			if err != nil {
				break
			}
			all = append(all, string(message[:n]))
			messages, _ := unix.ParseSocketControlMessage(rights[:oob])
			for _, m := range messages {
				files, _ := unix.ParseUnixRights(&m)
				for _, fd := range files {
					unix.Close(fd)
				}
			}
		}

		received <- all
	}()

	store.removeAll(zap.NewNop())
	if got, want := <-received, []string{"FDSTOREREMOVE=1\nFDNAME=latchd/hold", "BARRIER=1"}; !slices.Equal(got, want) {
		t.Errorf("systemd received %q, want %q", got, want)
	}
	if len(store.files) > 0 || file.Close() == nil {
		t.Error("the file is still open in this process")
	}
}
