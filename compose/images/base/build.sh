#!/bin/sh
# Makes the root file system that every locally built image starts from: Debian trixie with the real servers in it.
# usage: build.sh <tar file to write>      needs: mmdebstrap; takes about half a minute and 250 MB of packages
set -eu
here=$(cd "$(dirname "$0")" && pwd)

# The users are made before the packages that want them, with the numbers that the official images give them.
# Left out: documentation, translations, and PostgreSQL's JIT compiler (160 MB, and it speeds up long queries only).
exec mmdebstrap --variant=essential --format=tar \
  --dpkgopt='path-exclude=/usr/share/doc/*' \
  --dpkgopt='path-exclude=/usr/share/info/*' \
  --dpkgopt='path-exclude=/usr/share/i18n/locales/*' \
  --dpkgopt='path-exclude=/usr/share/locale/*' \
  --dpkgopt='path-exclude=/usr/share/man/*' \
  --dpkgopt='path-exclude=/usr/lib/*/libLLVM*' \
  --dpkgopt='path-exclude=/usr/lib/*/libz3*' \
  --dpkgopt='path-exclude=/usr/lib/postgresql/*/lib/bitcode/*' \
  --dpkgopt='path-exclude=/usr/lib/postgresql/*/lib/llvmjit*' \
  --essential-hook='copy-in "'"$here"'/closure" "'"$here"'/node-root" "'"$here"'/busybox-in" /usr/local/bin' \
  --essential-hook='sh "'"$here"'/prepare.sh" "$1"' \
  --include=bash,busybox-static,ca-certificates,coturn,curl,gosu,less,libcap2-bin,nginx,nodejs,pebble,postgresql-17,xz-utils,zstd \
  trixie "$1"
