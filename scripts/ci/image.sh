#!/usr/bin/env bash
# image.sh PLATFORM FILE: the image for linux/amd64 or linux/arm64 as an archive. Compilers come from apt where they are missing.
set -euo pipefail
cd "$(dirname "$0")/../.."
platform=$1 file=$2
case $platform in
  linux/amd64) triplet=x86_64-linux-gnu architecture=amd64 ;;
  linux/arm64) triplet=aarch64-linux-gnu architecture=arm64 ;;
  *) echo "image.sh: Cannot build for \"$platform\": wanted linux/amd64 or linux/arm64" >&2; exit 2 ;;
esac
# The kernel's headers come with those of the C library.
needed=(gcc libc6-dev)
[ "$(uname -m)-linux-gnu" = "$triplet" ] || needed=("gcc-${triplet/_/-}" "libc6-dev-$architecture-cross")
if ! echo '#include <asm/unistd.h>' | "$triplet-gcc" -E - >/dev/null 2>&1; then
  apt-get update -q
  apt-get install -q -y --no-install-recommends "${needed[@]}"
fi
exec ./weft image build --platform "$platform" --output "$file"
