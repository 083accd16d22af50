#!/usr/bin/env bash
# Prints a program's bill of materials (CycloneDX): bill.sh PROGRAM. The environment has
# the program's GOOS, GOARCH and GOARM, and VERSION and SOURCE_DATE_EPOCH.
set -euo pipefail
program=$(realpath "$1")
cd "$(dirname "$0")/../.."

# "go tool" would build cyclonedx-gomod for GOARCH. "go tool -n" without it builds the
# tool for this machine.
cyclonedx=$(env -u GOOS -u GOARCH -u GOARM go tool -modfile=packaging/deb/tools/go.mod -n cyclonedx-gomod)

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
"$cyclonedx" bin -json -std -noserial -output-version 1.6 -version "$VERSION" "$program" >"$work/bill.json"

# The hashes of cyclonedx-gomod itself are left out, because they differ between build
# machines.
sed -e '/"tools": \[/,/"externalReferences"/{/"hashes": \[/,/\],/d}' \
	-e "s/\"timestamp\": \"[^\"]*\"/\"timestamp\": \"$(date --utc --date="@$SOURCE_DATE_EPOCH" +%FT%TZ)\"/" "$work/bill.json"
