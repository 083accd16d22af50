#!/usr/bin/env bash
# Builds the packages into a folder: build.sh [ARCH] [FOLDER], ARCH being Debian's
# amd64, arm64 or armhf (built for ARMv6, so that every Raspberry Pi runs it).
# VERSION overrides what git describes; TAGS builds with Go build tags.
set -euo pipefail
cd "$(dirname "$0")/../.."

arch=${1:-amd64}
out=${2:-dist}
nfpm=github.com/goreleaser/nfpm/v2/cmd/nfpm@v2.45.2

case $arch in
amd64) export GOARCH=amd64 ;;
arm64) export GOARCH=arm64 ;;
armhf) export GOARCH=arm GOARM=6 ;;
*)
	printf 'there is no architecture %s; there are amd64, arm64 and armhf\n' "$arch" >&2
	exit 2
	;;
esac

# A version of Debian's form: 1.2.3, or 1.2.3+5.gabc1234 five commits later, or
# 0~git20261124.abc1234 before the first tag.
version=${VERSION:-}
if [ -z "$version" ]; then
	if described=$(git describe --tags --match 'v[0-9]*' 2>/dev/null); then
		version=$(sed 's/^v//; s/-\([0-9]*\)-g/+\1.g/' <<<"$described")
	else
		version=0~git$(git log -1 --format=%cd --date=format:%Y%m%d).$(git rev-parse --short HEAD)
	fi
fi

bin=$(mktemp -d)
trap 'rm -rf "$bin"' EXIT
CGO_ENABLED=0 GOOS=linux go build -trimpath ${TAGS:+-tags "$TAGS"} \
	-ldflags="-s -w -X main.version=$version" -o "$bin/" ./cmd/...

(unset GOARCH GOARM && go run ./cmd/latchd config --example >"$bin/latchd.toml")

# The packages are the same bytes each time: their times are the commit's.
SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
mkdir -p "$out"
for package in latchd latchctl latchhub; do
	env -u GOARCH -u GOARM ARCH="$arch" VERSION="$version" BIN="$bin" \
		go run "$nfpm" package --packager deb --config "packaging/deb/$package.yaml" --target "$out/"
done
