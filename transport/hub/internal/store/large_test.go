package store

import (
	"context"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/latchd/latchd/transport/iothub"
)

// manyProperties returns the JSON of an object with n properties that IoT Hub's size rules
// hardly count. Their metadata takes many times as much space.
func manyProperties(n int) string {
	var members []string
	for i := range n {
		members = append(members, fmt.Sprintf(`"%x":[]`, i))
	}
	return "{" + strings.Join(members, ",") + "}"
}

// nestedProperties returns 18,000 properties whose names have one letter. By IoT Hub's
// rules they take 18 KB, but their metadata takes 1 MB.
func nestedProperties() string {
	var members []string
	for i := range 26 {
		members = append(members, fmt.Sprintf(`"%c":{}`, 'a'+i))
	}
	inner := "{" + strings.Join(members, ",") + "}"
	for range 2 {
		var outer []string
		for i := range 26 {
			outer = append(outer, fmt.Sprintf(`"%c":%s`, 'a'+i, inner))
		}
		inner = "{" + strings.Join(outer, ",") + "}"
	}
	return `{"x":` + inner + `}`
}

// TestReportsOfALargeTwinTakeTime checks that the time of a small report grows with the
// section that the hub rewrites. The simulated time shows only the pause.
func TestReportsOfALargeTwinTakeTime(t *testing.T) {
	t.Parallel()

	for _, test := range []struct {
		properties int
		want       time.Duration // of ten reports
	}{
		{100, 0},
		{1000, 140 * time.Millisecond},
		{8000, 1140 * time.Millisecond},
	} {
		t.Run(fmt.Sprint(test.properties), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s, err := Open(filepath.Join(t.TempDir(), "hub.db"))
				if err != nil {
					t.Fatal(err)
				}
				defer s.Close()
				createDevices(t, s, "door-1")
				if _, err := s.Report(t.Context(), "door-1", objectOf(t, manyProperties(test.properties)), 0); err != nil {
					t.Fatal(err)
				}

				begin := time.Now()
				for i := range 10 {
					if _, err := s.Report(t.Context(), "door-1", iothub.Object{"a": i}, 0); err != nil {
						t.Fatal(err)
					}
				}
				if took := time.Since(begin).Round(20 * time.Millisecond); took != test.want {
					t.Errorf("ten reports took %v, want %v", took, test.want)
				}
			})
		})
	}
}

// BenchmarkReportBesideLargeTwin measures a report of a normal device while another
// device with a large twin sends small reports as fast as it can.
func BenchmarkReportBesideLargeTwin(b *testing.B) {
	s := fleet(b, 2)
	o, err := iothub.ParseObject([]byte(manyProperties(8000)))
	if err != nil {
		b.Fatal(err)
	}
	if _, err := s.Report(b.Context(), "door-00000", o, 0); err != nil {
		b.Fatal(err)
	}

	ctx, cancel := context.WithCancel(b.Context())
	var wg sync.WaitGroup
	defer wg.Wait()
	defer cancel()
	wg.Go(func() {
		for i := 0; ctx.Err() == nil; i++ {
			_, _ = s.Report(ctx, "door-00000", iothub.Object{"a": i}, 0)
		}
	})
	for i := 0; b.Loop(); i++ {
		if _, err := s.Report(b.Context(), "door-00001", iothub.Object{"a": i}, 0); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkReportLargeTwin measures a small report of a device whose twin already has n
// properties.
func BenchmarkReportLargeTwin(b *testing.B) {
	for _, n := range []int{0, 100, 1000, 3000, 8000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			s := fleet(b, 1)
			o, err := iothub.ParseObject([]byte(manyProperties(n)))
			if err != nil {
				b.Fatal(err)
			}
			if _, err := s.Report(b.Context(), "door-00000", o, 0); err != nil {
				b.Fatal(err)
			}
			for i := 0; b.Loop(); i++ {
				if _, err := s.Report(b.Context(), "door-00000", iothub.Object{"a": i%2 == 0}, 0); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
