#!/usr/bin/env bash
# Checks the sources without running them: gofmt, go vet and staticcheck.
set -euo pipefail
cd "$(dirname "$0")/../.."

# With the flags of a release, the go command compiles each package once for vet,
# staticcheck and the released programs.
export CGO_ENABLED=0 GOFLAGS="$(go env GOFLAGS) -trimpath"

# Check only the project's files: node_modules may contain Go files of other projects.
unformatted=$(git ls-files -co --exclude-standard '*.go' | while read -r file; do [ ! -e "$file" ] || echo "$file"; done | xargs -r gofmt -l)
if [ -n "$unformatted" ]; then
	printf 'not formatted; run gofmt -w on:\n%s\n' "$unformatted"
	exit 1
fi

go vet ./...
go vet -tags man ./cmd/latchctl
go vet -tags e2e ./packaging/e2e

# Technicians use latchctl on other systems too. This compiles it and the tests of its
# packages for them.
for system in darwin/arm64 darwin/amd64 windows/amd64; do
	export GOOS=${system%/*} GOARCH=${system#*/}
	go list -deps ./cmd/latchctl | grep '^github.com/latchd/latchd/' | xargs go vet
done
unset GOOS GOARCH

go tool staticcheck ./...
# With the tag "man", latchctl generates its man pages. That program does not use all
# functions of latchctl, so unused functions (U1000) are no fault.
go tool staticcheck -tags man -checks inherit,-U1000 ./cmd/latchctl
