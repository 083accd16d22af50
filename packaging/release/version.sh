#!/usr/bin/env bash
# Prints the version of the sources and their time, in seconds since 1970, as two words.
#
# The version is that of the last tag. Debian sorts the versions of later commits higher:
# 1.2.3 < 1.2.3+5.gabc1234 (five commits after the tag v1.2.3). Where no tag is reachable,
# as in an archive of the sources, the version is the content of the file VERSION.
#
# The time of a release is the day of its heading in CHANGELOG.md, so that a checkout and
# an archive of the sources give the same bytes. The time of other versions is that of the
# last commit.
#
# VERSION and SOURCE_DATE_EPOCH in the environment take precedence.
set -euo pipefail
cd "$(dirname "$0")/../.."

version=${VERSION:-}
if [ -z "$version" ]; then
	if described=$(git describe --tags --match 'v[0-9]*' 2>/dev/null); then
		version=$(sed 's/^v//; s/-\([0-9]*\)-g/+\1.g/' <<<"$described")
	else
		version=$(<VERSION)
	fi
fi

# released [VERSION] prints the day of the release VERSION, or of the last release.
released() {
	awk -v version="${1:-}" '/^## [0-9]/ && (!version || $2 == version) { print $4; exit }' CHANGELOG.md
}

seconds=${SOURCE_DATE_EPOCH:-}
if [ -z "$seconds" ]; then
	day=$(released "$version")
	if [ -z "$day" ] && ! seconds=$(git log -1 --format=%ct 2>/dev/null); then
		day=$(released)
	fi
	[ -z "$day" ] || seconds=$(date --utc --date="$day" +%s)
fi

printf '%s %s\n' "$version" "$seconds"
