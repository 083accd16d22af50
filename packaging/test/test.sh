#!/usr/bin/env bash
# Runs all tests except those in the virtual machine; the quick checks run first. Stops at
# the first failure. If CI is set, a test fails instead of being skipped.
set -euo pipefail
cd "$(dirname "$0")/../.."

start=$SECONDS
step() { printf '\n== %s (after %d s)\n' "$*" $((SECONDS - start)); }

programs=$(mktemp -d)
trap 'rm -rf "$programs"' EXIT

step 'install missing tools'
packaging/test/tools.sh

step 'gofmt, go vet and staticcheck'
packaging/test/static.sh

step 'build the programs for ARMv6, arm64 and this machine'
packaging/test/cross.sh "$programs"

step 'install the official Node SDKs and the browser driver'
(cd packaging/interop && npm ci --no-progress)
(cd packaging/test/console && npm ci --no-progress)

step 'unit tests with the race detector'
go list ./... | grep -v /packaging/ | xargs go test -race -vet=off -timeout 10m

step "explore the states of the lock's machine"
go test -vet=off -timeout 10m -run '^TestExplore$' ./actuator

# These tests run other programs and Node scripts. The test cache does not notice changes
# of those, so -count=1 bypasses it. LATCHD_BIN saves each package from building them.
step 'tests of the real programs, with the official SDKs'
export LATCHD_BIN=$programs/$(go env GOARCH)
go list ./packaging/... | grep -v -e /simulation -e /hostile | xargs go test -race -vet=off -count=1 -timeout 20m

# These tests measure whether doors are served in time. The race detector would slow the
# doors and the strangers, which share a process, several times more than the hub.
step 'attack the hub'
go test -vet=off -count=1 -timeout 10m ./packaging/test/hostile

# The race detector would make the simulation several times slower.
step 'simulate the whole system'
go test -vet=off -count=1 -timeout 10m ./packaging/test/simulation

step 'fuzz each target for a short time'
packaging/test/fuzz.sh

step 'all tests passed'
