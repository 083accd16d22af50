# Each target calls a script in packaging/, which has the details.

VERSION := $(firstword $(shell packaging/release/version.sh))

.PHONY: build check test soak e2e demo bench deb dist clean

# Build static programs in bin/, with the version of the last tag or of the file VERSION.
build:
	CGO_ENABLED=0 go build -trimpath -ldflags='-s -w -X main.version=$(VERSION)' -o bin/ ./cmd/...

# Run gofmt, vet, staticcheck and the unit tests: under a minute with a warm cache.
check:
	packaging/test/check.sh

# Run all tests except those in the virtual machine. Missing tools are named first.
test:
	packaging/test/test.sh

# Run the long form of the tests that have one: about two hours.
soak:
	packaging/test/soak.sh

# Test the packages on Debian with systemd and simulated GPIO, in a virtual machine.
e2e:
	packaging/e2e/e2e.sh

# Build the Debian packages and their bills of materials in dist/. ARCH selects one of
# amd64, arm64 and armhf; the default is all three.
deb:
	set -e; for arch in $(or $(ARCH),amd64 arm64 armhf); do packaging/deb/build.sh $$arch dist; done

# Build archives in dist/: latchctl for macOS and Windows, and all programs for Linux.
dist:
	packaging/release/archives.sh dist

# Show a technician's session with three doors, a hub and two jobs: half a minute.
demo: build
	packaging/demo/demo.sh

# Measure latchd beside the official SDK, and the hub with 10,000 devices: 20 minutes.
bench:
	packaging/bench/bench.sh

clean:
	rm -rf bin dist packaging/interop/node_modules packaging/test/console/node_modules
