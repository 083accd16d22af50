#!/usr/bin/env bash
# Builds the Debian packages: build.sh [ARCH] [FOLDER]. ARCH is amd64 (default), arm64
# or armhf; armhf programs are built for ARMv6, so that they run on every Raspberry Pi.
# FOLDER (default dist) gets the packages, a bill of materials for each program
# (CycloneDX) and SHA256SUMS.
#
# The same sources give the same bytes on every machine and at every time. Environment:
#   VERSION            version of the packages (default: from git)
#   SOURCE_DATE_EPOCH  time of all files, in seconds since 1970 (default: the last commit)
#   PACKAGES           the packages to build (default: latchd latchctl latchhub)
#   TAGS               Go build tags for the programs
set -euo pipefail
cd "$(dirname "$0")/../.."
umask 022

arch=${1:-amd64}
out=${2:-dist}
packages=${PACKAGES:-latchd latchctl latchhub}
tools=packaging/deb/tools/go.mod # versions of the tools
# cyclonedx-gomod needs the packages' GOARCH in its environment, with which "go tool"
# would build it for that architecture. "go tool -n" builds it for this machine.
cyclonedx=$(go tool -modfile="$tools" -n cyclonedx-gomod)

case $arch in
amd64) target=(GOARCH=amd64) ;;
arm64) target=(GOARCH=arm64) ;;
armhf) target=(GOARCH=arm GOARM=6) ;;
*)
	printf 'unknown architecture %s: use amd64, arm64 or armhf\n' "$arch" >&2
	exit 2
	;;
esac

# Debian sorts the versions of later commits higher: 0~git20261124.120000.abc1234
# (before the first tag) < 1.2.3 < 1.2.3+5.gabc1234 (five commits after the tag v1.2.3).
if [ -z "${VERSION:-}" ]; then
	if described=$(git describe --tags --match 'v[0-9]*' 2>/dev/null); then
		VERSION=$(sed 's/^v//; s/-\([0-9]*\)-g/+\1.g/' <<<"$described")
	else
		VERSION=0~git$(TZ=UTC git log -1 --format=%cd --date=format-local:%Y%m%d.%H%M%S).$(git rev-parse --short=7 HEAD)
	fi
fi
: "${SOURCE_DATE_EPOCH:=$(git log -1 --format=%ct)}"
export VERSION SOURCE_DATE_EPOCH ARCH=$arch

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
export STAGE=$work/stage
mkdir -p "$STAGE/bin" "$STAGE/man" "$STAGE/completion" "$out"

programs() { # PACKAGE
	echo "$1"
	[ "$1" != latchhub ] || echo latchsim
}

# modules PROGRAM... prints the Go modules that programs link, as PATH VERSION FOLDER.
modules() {
	printf 'std %s\n' "$(go env GOVERSION GOROOT | paste -sd ' ')"
	go version -m "$@" | awk '$1 == "dep" { print $2 }' | LC_ALL=C sort -u |
		xargs go list -m -f '{{.Path}} {{.Version}} {{.Dir}}'
}

# bill PROGRAM prints a program's bill of materials. The hashes of cyclonedx-gomod
# itself are left out, because they differ between build machines.
bill() {
	env GOOS=linux "${target[@]}" "$cyclonedx" bin -json -std -noserial \
		-output-version 1.6 -version "$VERSION" "$1" >"$work/bill.json"
	sed -e '/"tools": \[/,/"externalReferences"/{/"hashes": \[/,/\],/d}' \
		-e "s/\"timestamp\": \"[^\"]*\"/\"timestamp\": \"$(date --utc --date="@$SOURCE_DATE_EPOCH" +%FT%TZ)\"/" "$work/bill.json"
}

# Build the programs for the packages' architecture.
for package in $packages; do programs "$package"; done | sed 's#^#./cmd/#' |
	xargs env CGO_ENABLED=0 GOOS=linux "${target[@]}" go build -trimpath -buildvcs=false ${TAGS:+-tags "$TAGS"} \
		-ldflags="-s -w -X main.version=$VERSION" -o "$STAGE/bin/"

# Build the programs for this machine too. They print their own completions and the
# example configuration. With the tag "man", latchctl prints its own man pages.
CGO_ENABLED=0 go build -trimpath -buildvcs=false -o "$work/host/" ./cmd/latchd ./cmd/latchctl ./cmd/latchhub
CGO_ENABLED=0 go build -trimpath -buildvcs=false -tags man -o "$work/host/latchctl-man" ./cmd/latchctl

# Man pages: those of latchctl are generated and dated SOURCE_DATE_EPOCH.
mkdir "$work/man"
"$work/host/latchctl-man" "$work/man"
cp packaging/man/*.[158] "$work/man"
for page in "$work"/man/*; do gzip -9nc "$page" >"$STAGE/man/${page##*/}.gz"; done

for program in latchctl latchhub; do
	for shell in bash zsh fish; do
		"$work/host/$program" completion "$shell" >"$STAGE/completion/$program.$shell"
	done
done
"$work/host/latchd" config --example >"$STAGE/latchd.toml"

for package in $packages; do
	mkdir "$STAGE/$package"
	awk -v package="$package" -v version="$VERSION" -v time="$SOURCE_DATE_EPOCH" \
		-f packaging/deb/changelog.awk CHANGELOG.md | gzip -9n >"$STAGE/$package/changelog.gz"
	mapfile -t files < <(programs "$package" | sed "s#^#$STAGE/bin/#")
	modules "${files[@]}" | packaging/deb/copyright.sh >"$STAGE/$package/copyright"
	go tool -modfile="$tools" nfpm package --packager deb --config "packaging/deb/$package.yaml" --target "$out/"
	for file in "${files[@]}"; do bill "$file" >"$out/${file##*/}_${VERSION}_$arch.cdx.json"; done
done
(cd "$out" && find . -maxdepth 1 \( -name '*.deb' -o -name '*.cdx.json' \) -printf '%P\n' | LC_ALL=C sort | xargs sha256sum >SHA256SUMS)
