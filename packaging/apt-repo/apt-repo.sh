#!/usr/bin/env bash
# Makes or extends a signed apt repository: apt-repo.sh DEBS REPO KEY adds the packages in
# the folder DEBS, and their bills of materials, to the folder REPO, and signs REPO with
# the gpg key KEY (an ID, a fingerprint or an address). Any web server can serve REPO.
# Earlier versions stay in REPO, so that a gateway can go back to them. The script needs
# the Debian packages apt-utils and gnupg.
#
# The signature is valid for 90 days (VALID_DAYS sets another number). After that, apt
# refuses the repository, so that nobody can show old packages to a gateway forever. To
# renew the signature without new packages, run the script with an empty folder DEBS.
set -euo pipefail

if [ $# != 3 ]; then
	echo 'usage: apt-repo.sh DEBS REPO KEY' >&2
	exit 2
fi
mkdir -p "$2/pool/main"
debs=$(cd "$1" && pwd)
repo=$(cd "$2" && pwd)
key=$3
say() { printf 'apt-repo: %s\n' "$*"; }
valid_days=${VALID_DAYS:-90}
case $valid_days in
'' | *[!0-9]* | 0)
	say "VALID_DAYS is \"$valid_days\"; want a number of days" >&2
	exit 2
	;;
esac
if ! compgen -G "$debs/*.deb" >/dev/null && ! compgen -G "$repo/pool/main/*.deb" >/dev/null; then
	say "there are no packages in $debs" >&2
	exit 1
fi

# Never change a published version: gateways may have it already.
shopt -s nullglob
for deb in "$debs"/*.deb; do
	published=$repo/pool/main/${deb##*/}
	if [ -e "$published" ] && ! cmp -s "$deb" "$published"; then
		say "$published exists with other contents; a changed package needs a new version" >&2
		exit 1
	fi
done
find "$debs" -maxdepth 1 \( -name '*.deb' -o -name '*.cdx.json' \) -exec install -m 644 -t "$repo/pool/main" {} +

cd "$repo"
new=$(mktemp -d "$repo/.dists.XXXXXX")
trap 'rm -rf "$new"' EXIT
chmod 755 "$new"
architectures='amd64 arm64 armhf'
for arch in $architectures; do
	index=$new/stable/main/binary-$arch
	mkdir -p "$index"
	apt-ftparchive --arch "$arch" packages pool/main >"$index/Packages"
	gzip -9nk "$index/Packages"
done
apt-ftparchive -o APT::FTPArchive::Release::Origin=latchd -o APT::FTPArchive::Release::Label=latchd \
	-o APT::FTPArchive::Release::Suite=stable -o APT::FTPArchive::Release::Codename=stable \
	-o APT::FTPArchive::Release::Components=main -o "APT::FTPArchive::Release::Architectures=$architectures" \
	-o "APT::FTPArchive::Release::ValidTime=$((valid_days * 24 * 60 * 60))" \
	release "$new/stable" >"$new/Release"
mv "$new/Release" "$new/stable/"
sign() { gpg --batch --yes --quiet --local-user "$key" --digest-algo SHA256 "$@"; }
sign --clearsign --output "$new/stable/InRelease" "$new/stable/Release"
sign --armor --detach-sign --output "$new/stable/Release.gpg" "$new/stable/Release"
gpg --batch --armor --export "$key" >"$new/latchd.asc"
mv "$new/latchd.asc" latchd.asc

# Replace the index in one step, after all of it is complete and signed.
rm -rf old
mkdir old
[ ! -e dists ] || mv dists old/
mv "$new" dists
trap - EXIT
rm -r old

cat >latchd.sources <<'S'
# Copy this file to /etc/apt/sources.list.d/latchd.sources and write the address of
# this repository into URIs. Copy latchd.asc to /etc/apt/keyrings/latchd.asc.
Types: deb
URIs: https://packages.example.com/latchd
Suites: stable
Components: main
Signed-By: /etc/apt/keyrings/latchd.asc
S
say "$repo has $(find pool/main -name '*.deb' | wc -l) packages, signed by $(gpg --batch --with-colons --list-keys "$key" | awk -F: '/^fpr/ { print $10; exit }')"
