#!/usr/bin/env bash
# Run the end-to-end tests: e2e.sh
#
# Variables:
#   ARCH      architecture of the virtual machine: amd64 (default), arm64 or armhf
#   RUN       pattern that selects tests, as for go test -run
#   CUTS      number of power cuts (default 2)
#   TRIALS    number of restarts and of kills while the lock is held (default 3)
#   PREVIOUS  commit from which the previous version of the package is built
#
# The script builds the machine's image once and keeps it in the user's cache.
set -euo pipefail
cd "$(dirname "$0")/../.."

arch=${ARCH:-amd64}
say() { printf 'e2e: %s\n' "$*"; }

# The Debian packages that this script needs.
need=(apt-utils gnupg mmdebstrap e2fsprogs kmod cpio build-essential linux-source-6.1 linux-kbuild-6.1 qemu-utils qemu-user-static)
case $arch in
amd64) need+=(qemu-system-x86 ipxe-qemu seabios) ;;
arm64) need+=(qemu-system-arm ipxe-qemu binfmt-support arch-test gcc-aarch64-linux-gnu) ;;
armhf) need+=(qemu-system-arm ipxe-qemu binfmt-support arch-test gcc-arm-linux-gnueabihf) ;;
*)
	say "unknown architecture $arch; use amd64, arm64 or armhf"
	exit 2
	;;
esac
missing=()
for package in "${need[@]}"; do
	[ "$(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null)" = 'ii ' ] || missing+=("$package")
done
foreign=''
if [ "$arch" != "$(dpkg --print-architecture)" ] && ! dpkg --print-foreign-architectures | grep -qx "$arch"; then
	foreign="dpkg --add-architecture $arch && "
fi
if [ ${#missing[@]} -gt 0 ] || [ -n "$foreign" ]; then
	install="${foreign}apt-get update && apt-get install -y --no-install-recommends ${missing[*]}"
	if [ "$(id -u)" != 0 ]; then
		say "Debian packages are missing; as root on Debian 12, run: $install"
		exit 1
	fi
	say "installing: $install"
	DEBIAN_FRONTEND=noninteractive sh -c "$install" >/dev/null
fi
if [ "$(id -u)" != 0 ]; then
	say 'run this script as root; the files of the image have different owners'
	exit 1
fi

work=$(mktemp -d)
trap 'wait; rm -rf "$work"' EXIT

# Build the image while the packages are built: it mostly waits for the network, or for
# programs that use one core.
image_build=''
recipe=$(sha256sum packaging/e2e/image.sh | cut -c 1-16)
image=${XDG_CACHE_HOME:-$HOME/.cache}/latchd-e2e/$arch-$recipe
if [ ! -e "$image/disk.img" ]; then
	say "building the image $image"
	# image.sh looks up the kernel in the package lists.
	apt-cache show "linux-image-$([ "$arch" = armhf ] && echo armmp || echo "$arch"):$arch" >/dev/null 2>&1 || apt-get update >/dev/null
	packaging/e2e/image.sh "$arch" "$image" &
	image_build=$!
fi

# Build the packages: this version, the previous version, and a newer version with the
# debug code that blocks the main loop on SIGUSR1.
build() { # FOLDER [VARIABLE=VALUE...]
	env "${@:2}" packaging/deb/build.sh "$arch" "$work/$1" >"$work/log" 2>&1 || { cat "$work/log"; exit 1; }
}
build debs
version=$(dpkg-deb -f "$work"/debs/latchd_*.deb Version)
build newer VERSION="$version+hang" TAGS=latchd_debug PACKAGES=latchd
(arch=armhf; build armv6 VERSION="$version" PACKAGES=latchd)
# The previous version is the commit PREVIOUS or the last tag. Without either, it is this
# version under the number 0~before, which Debian sorts before every release.
previous=${PREVIOUS:-$(git describe --tags --match 'v[0-9]*' --abbrev=0 HEAD^ 2>/dev/null || true)}
if [ -n "$previous" ]; then
	mkdir "$work/previous-source"
	git archive "$previous" | tar -x -C "$work/previous-source"
	number=${previous#v}
	[[ $number =~ ^[0-9]+\.[0-9]+\.[0-9]+$ ]] || number=0~before
	(GIT_DIR=$(git rev-parse --absolute-git-dir) && export GIT_DIR && cd "$work/previous-source" && build previous VERSION="$number" PACKAGES=latchd)
	rm -f "$work"/previous/latch{ctl,hub}_*
else
	build previous VERSION=0~before PACKAGES=latchd
fi

# Make a package repository with both versions, signed with a temporary key.
export GNUPGHOME=$work/gnupg
mkdir -m 700 "$GNUPGHOME"
gpg --batch --quiet --passphrase '' --quick-gen-key e2e@latchd.example ed25519 sign 1d
for dir in previous debs; do packaging/apt-repo/apt-repo.sh "$work/$dir" "$work/repo" e2e@latchd.example >/dev/null; done
gpgconf --kill all

# Build the programs that run in the guest. They reach it on a second disk.
mkdir "$work/guest"
case $arch in
amd64) export GOARCH=amd64 ;;
arm64) export GOARCH=arm64 ;;
armhf) export GOARCH=arm GOARM=7 ;;
esac
CGO_ENABLED=0 GOOS=linux go build -o "$work/guest/guest" ./packaging/e2e/guest
CGO_ENABLED=0 GOOS=linux go test -c -tags gpiosim -o "$work/guest/gpio.test" ./actuator/gpio
unset GOARCH GOARM
tar -cf "$work/guest.tar" -C "$work/guest" .
[ -z "$image_build" ] || wait "$image_build"

run() {
	E2E_ARCH=$arch E2E_IMAGE=$image E2E_WORK=$work E2E_CUTS=${CUTS:-2} E2E_TRIALS=${TRIALS:-3} \
		go test -tags e2e -count=1 -timeout 60m -v ${RUN:+-run "$RUN"} ./packaging/e2e |
		grep --line-buffered -v '^=== \(RUN\|PAUSE\|CONT\|NAME\)' | tee "$work/output"
}

# Print the reasons of the failures again, because the console and the table of results
# follow them in a long output.
reasons() {
	printf '\n'
	grep -A 30 '_test\.go:[0-9]*: ' "$work/output" | grep -v '_test\.go:[0-9]*: console:' | head -n 120 || true
}

say 'booting'
if ! run; then
	reasons
	# Under emulation the guest's kernel sometimes loses its timers and hangs, which is
	# not latchd's fault. Repeat the tests once in this case only.
	[ -e "$work/kernel-failed" ] || exit 1
	say "the guest's kernel failed; repeating the tests"
	rm "$work/kernel-failed"
	run || { reasons; exit 1; }
fi
