#!/usr/bin/env bash
# Writes FOLDER/SHA256SUMS for all packages, archives and bills of materials in FOLDER:
# sums.sh FOLDER.
set -euo pipefail
cd "$1"

find . -maxdepth 1 \( -name '*.deb' -o -name '*.tar.gz' -o -name '*.zip' -o -name '*.cdx.json' \) -printf '%P\n' |
	LC_ALL=C sort | xargs sha256sum >SHA256SUMS
