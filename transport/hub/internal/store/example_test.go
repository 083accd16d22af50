package store_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/latchd/latchd/transport/hub/internal/query"
	"github.com/latchd/latchd/transport/hub/internal/store"
	"github.com/latchd/latchd/transport/iothub"
)

func Example() {
	dir, err := os.MkdirTemp("", "store")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)

	s, err := store.Open(filepath.Join(dir, "hub.db"))
	if err != nil {
		fmt.Println(err)
		return
	}
	defer s.Close()

	ctx := context.Background()
	if _, err := s.CreateDevice(ctx, iothub.DeviceIdentity{DeviceID: "door-1"}); err != nil {
		fmt.Println(err)
	}

	version, err := s.Report(ctx, "door-1", iothub.Object{"lock": map[string]any{"position": "locked"}}, 0)
	fmt.Println("reported version", version, err)
	_, err = s.Report(ctx, "door-2", iothub.Object{"lock": nil}, 0)
	fmt.Println(err)

	q, err := query.Parse("SELECT deviceId, properties.reported.lock.position FROM devices")
	if err != nil {
		fmt.Println(err)
		return
	}
	rows, _, err := s.QueryTwins(ctx, q, 100, "")
	fmt.Printf("%s %v\n", rows, err)
	// Output:
	// reported version 2 <nil>
	// the device door-2 is not registered (DeviceNotFound 404001)
	// [{"deviceId":"door-1","position":"locked"}] <nil>
}
