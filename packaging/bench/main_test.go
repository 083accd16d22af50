package bench

import (
	"testing"

	"github.com/latchd/latchd/packaging/test/harness"
)

var bin harness.Binaries

func TestMain(m *testing.M) { harness.Main(m, &bin) }
