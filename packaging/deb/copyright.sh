#!/usr/bin/env bash
# Prints a package's Debian copyright file: copyright.sh < MODULES, where each line of
# MODULES is PATH VERSION FOLDER of a Go module that the package's programs link.
# identify_license recognizes the license files in FOLDER. MIT, BSD and Apache 2.0 pass;
# a person must decide on every other license in the file "licenses".
set -euo pipefail
cd "$(dirname "$0")/../.."
export LC_ALL=C

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

# Find the license files of each module, as lines PATH VERSION FILE.
while read -r path version folder; do
	if [ ! -d "$folder" ]; then
		printf 'copyright: the module cache has no %s: build the programs first\n' "$path" >&2
		exit 1
	fi
	find "$folder" -maxdepth 1 -type f \( -name 'LICEN[CS]E*' -o -name 'COPYING*' -o -name 'NOTICE*' \) -printf "$path $version %p\n" |
		sort | grep . || echo "$path $version -"
done >"$work/files"

# Let identify_license read all files at once: it takes a second to start.
awk '$3 != "-" { print $3 }' "$work/files" | xargs go tool -modfile=packaging/deb/tools/go.mod identify_license \
	2>"$work/log" | sort >"$work/identified" || tail -n 1 "$work/log" >&2

awk -f packaging/deb/copyright.awk packaging/deb/licenses "$work/identified" "$work/files"
