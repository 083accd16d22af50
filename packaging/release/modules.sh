#!/usr/bin/env bash
# Prints the Go modules that programs link, as PATH VERSION FOLDER: modules.sh PROGRAM...
set -euo pipefail
cd "$(dirname "$0")/../.."

printf 'std %s\n' "$(go env GOVERSION GOROOT | paste -sd ' ')"
go version -m "$@" | awk '$1 == "dep" { print $2 }' | LC_ALL=C sort -u |
	xargs go list -m -f '{{.Path}} {{.Version}} {{.Dir}}'
