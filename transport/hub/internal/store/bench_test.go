package store

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"sync"
	"testing"

	"github.com/latchd/latchd/transport/hub/internal/query"
	"github.com/latchd/latchd/transport/iothub"
)

// fleet opens a store with n devices, 50 in each building. The twins have the size of
// real gateways' twins.
func fleet(b *testing.B, n int) *Store {
	b.Helper()
	s, err := Open(filepath.Join(b.TempDir(), "hub.db"))
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() { s.Close() })

	each(b, n, func(i int) error {
		id := fmt.Sprintf("door-%05d", i)
		if _, err := s.CreateDevice(b.Context(), iothub.DeviceIdentity{DeviceID: id}); err != nil {
			return err
		}
		_, err := s.UpdateTwin(b.Context(), id, iothub.TwinPatch{
			Tags:       iothub.Object{"building": json.Number(fmt.Sprint(i / 50)), "owner": "facility"},
			Properties: &iothub.TwinPatchProperties{Desired: iothub.Object{"building": "43", "floor": json.Number(fmt.Sprint(i % 7))}},
		}, "", false, nil)
		if err != nil {
			return err
		}
		_, err = s.Report(b.Context(), id, reportOf("locked"), 0)
		return err
	})
	return s
}

// reportOf returns a patch of reported properties like that of latchd.
func reportOf(position string) iothub.Object {
	o, err := iothub.ParseObject([]byte(`{"lock":{"driver":"mock","mode":"hold","position":"` + position + `","source":"sensor","confirmed":true,
		"changedAt":"2026-11-23T22:38:00Z","lastCommand":{"name":"lockDoor","reason":"evening","at":"2026-11-23T22:38:00Z","status":200}},
		"agent":{"version":"0.1.0","startedAt":"2026-11-23T20:00:00Z"},"system":{"os":"Debian 12","kernel":"6.1.0","arch":"arm64","model":"Pi 4"},
		"link":{"connectedAt":"2026-11-23T20:00:01Z","reconnects":0},"floor":{"value":3,"ac":200,"av":2,"ad":"set"}}`))
	if err != nil {
		panic(err)
	}
	return o
}

// each calls do for the numbers 0 to n-1, up to 400 at the same time. It waits until all
// calls have returned.
func each(tb testing.TB, n int, do func(i int) error) {
	tb.Helper()
	var wg sync.WaitGroup
	next := make(chan int)
	for range min(n, 400) {
		wg.Go(func() {
			for i := range next {
				if err := do(i); err != nil {
					tb.Error(err)
				}
			}
		})
	}
	for i := range n {
		next <- i
	}
	close(next)
	wg.Wait()
}

// BenchmarkReport measures the time of one durable report while many devices report at
// once.
func BenchmarkReport(b *testing.B) {
	const devices = 1000
	s := fleet(b, devices)
	patches := []iothub.Object{
		{"lock": map[string]any{"position": "locked", "changedAt": "2026-11-23T22:38:00Z"}},
		{"lock": map[string]any{"position": "unlocked", "changedAt": "2026-11-23T22:39:00Z"}},
	}
	b.ResetTimer()
	each(b, b.N, func(i int) error {
		_, err := s.Report(context.Background(), fmt.Sprintf("door-%05d", i%devices), patches[i/devices%2], 0)
		return err
	})
}

// BenchmarkLogin measures the two reads of a device's login.
func BenchmarkLogin(b *testing.B) {
	const devices = 1000
	s := fleet(b, devices)
	ctx, stop := context.WithCancel(b.Context())
	defer stop()

	for i := 0; b.Loop(); i++ {
		id := fmt.Sprintf("door-%05d", i%devices)
		if _, _, err := s.LoginDevice(ctx, id); err != nil {
			b.Fatal(err)
		}
		if _, err := s.DeviceTwin(ctx, id); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkUpdateTwinAsync measures a twin job's time per device.
func BenchmarkUpdateTwinAsync(b *testing.B) {
	const devices = 1000
	s := fleet(b, devices)
	var wg sync.WaitGroup
	b.ResetTimer()
	for i := range b.N {
		wg.Add(1)
		s.UpdateTwinAsync(fmt.Sprintf("door-%05d", i%devices), iothub.TwinPatch{ETag: "*",
			Properties: &iothub.TwinPatchProperties{Desired: iothub.Object{"building": "44", "floor": json.Number("3")}},
		}, func(_ iothub.Object, err error) {
			if err != nil {
				b.Error(err)
			}
			wg.Done()
		})
	}
	wg.Wait()
}

// BenchmarkQueryTwins measures queries over 10,000 twins.
func BenchmarkQueryTwins(b *testing.B) {
	s := fleet(b, 10_000)
	for _, text := range []string{
		`SELECT * FROM devices WHERE tags.building = 43`,
		`SELECT * FROM devices WHERE properties.reported.lock.position = 'jammed'`,
		`SELECT * FROM devices WHERE tags.building = 43 AND properties.desired.floor IN [3, 4] AND NOT status = 'disabled'`,
		`SELECT * FROM devices WHERE deviceId = 'door-04711'`,
		`SELECT * FROM devices WHERE connectionState = 'Connected'`,
		`SELECT COUNT() AS n FROM devices WHERE IS_DEFINED(properties.reported.lock)`,
		`SELECT deviceId, tags.building FROM devices WHERE tags.building >= 190`,
		`SELECT * FROM devices`,
	} {
		q, err := query.Parse(text)
		if err != nil {
			b.Fatal(err)
		}
		b.Run(text, func(b *testing.B) {
			for range b.N {
				rows, _, err := s.QueryTwins(b.Context(), q, 0, "")
				if err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(len(rows)), "rows")
			}
		})
	}
	b.Run("SelectDevices", func(b *testing.B) {
		for range b.N {
			ids, err := s.SelectDevices(b.Context(), nil)
			if err != nil || len(ids) != 10_000 {
				b.Fatal(len(ids), err)
			}
		}
	})
}
