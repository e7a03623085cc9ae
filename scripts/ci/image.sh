#!/usr/bin/env bash
# image.sh PLATFORM FILE: the image for linux/amd64 or linux/arm64 as an archive. Compilers come from apt where they are missing.
set -euo pipefail
cd "$(dirname "$0")/../.."
platform=$1 file=$2
case $platform in
  linux/amd64) compiler=gcc triplet=x86_64-linux-gnu ;;
  linux/arm64) compiler=gcc triplet=aarch64-linux-gnu ;;
  *) echo "image.sh: Cannot build for \"$platform\": wanted linux/amd64 or linux/arm64" >&2; exit 2 ;;
esac
[ "$(uname -m)-linux-gnu" = "$triplet" ] || compiler=gcc-${triplet/_/-}
if ! command -v "${triplet}-gcc" >/dev/null; then
  apt-get update -q
  apt-get install -q -y --no-install-recommends "$compiler" libc6-dev
fi
exec ./weft image build --platform "$platform" --output "$file"
