#!/usr/bin/env bash
# The quick checks of "make check": gofmt, go vet, staticcheck and the unit tests, without
# the race detector and without the tests in packaging/. They need Go and git only.
set -euo pipefail
cd "$(dirname "$0")/../.."

packaging/test/static.sh
export CGO_ENABLED=0 GOFLAGS="$(go env GOFLAGS) -trimpath"
go list ./... | grep -v /packaging/ | xargs go test -short -vet=off -timeout 5m
