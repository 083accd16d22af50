# The targets are thin: what they do stands in scripts under packaging/.

VERSION := $(shell git describe --tags --always --dirty 2>/dev/null || echo devel)

.PHONY: build test soak e2e demo bench deb clean

# All programs into bin/, static, with the version that git describes.
build:
	CGO_ENABLED=0 go build -trimpath -ldflags='-s -w -X main.version=$(VERSION)' -o bin/ ./cmd/...

# Everything that CI checks; the tools are checked first.
test:
	packaging/test/test.sh

# The long forms of the tests that have one.
soak:
	packaging/test/soak.sh

# latchd on a real Debian with systemd and simulated GPIO, in a virtual machine.
e2e:
	packaging/e2e/e2e.sh

# The packages into dist/, with their bills of materials; ARCH=arm64 makes one of the three.
deb:
	set -e; for arch in $(or $(ARCH),amd64 arm64 armhf); do packaging/deb/build.sh $$arch dist; done

# A technician's session: three doors, a hub and two jobs, in half a minute.
demo: build
	packaging/demo/demo.sh

# latchd beside the official SDK's device, and the hub with 10,000 simulated ones,
# measured five times; about 20 minutes.
bench:
	packaging/bench/bench.sh

clean:
	rm -rf bin dist packaging/interop/node_modules packaging/test/console/node_modules
