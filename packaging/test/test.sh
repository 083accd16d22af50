#!/usr/bin/env bash
# All tests, the quick and general ones first. Stops at the first that fails.
# In CI (CI set) a test that would be skipped fails.
set -euo pipefail
cd "$(dirname "$0")/../.."

start=$SECONDS
step() { printf '\n== %s (after %d s)\n' "$*" $((SECONDS - start)); }

step 'tools'
packaging/test/tools.sh

step 'gofmt'
# Only what is the project's: node_modules may have Go files of others.
unformatted=$(git ls-files -co --exclude-standard '*.go' | xargs -r gofmt -l)
if [ -n "$unformatted" ]; then
	printf 'not formatted; run gofmt -w on:\n%s\n' "$unformatted"
	exit 1
fi

step 'go vet'
go vet ./...
go vet -tags man ./cmd/latchctl

step 'staticcheck'
go tool staticcheck ./...
# The generator of the man pages does not use what only the shipped program needs.
go tool staticcheck -tags man -checks inherit,-U1000 ./cmd/latchctl

step 'programs for ARMv6 and arm64, without cgo'
packaging/test/cross.sh

step "the official Node SDKs' packages"
(cd packaging/interop && npm ci --no-progress)

step "what leads the browser through the console"
(cd packaging/test/console && npm ci --no-progress)

step 'tests of the packages, with the race detector'
go list ./... | grep -v /packaging/ | xargs go test -race -vet=off -timeout 10m

# These run the programs and Node, which go test's cache knows nothing of.
step 'tests of the whole, with the official SDKs'
go list ./packaging/... | xargs go test -race -vet=off -count=1 -timeout 10m

step 'fuzzing, a short while each'
packaging/test/fuzz.sh

step 'all is well'
