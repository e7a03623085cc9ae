#!/usr/bin/env bash
# push-image.sh REPOSITORY VERSION AMD64_ARCHIVE ARM64_ARCHIVE [--dry-run]: both architectures under one name. Needs skopeo and Docker's buildx, logged in.
set -euo pipefail
repository=$1 version=$2 amd64=$3 arm64=$4
run() { echo "+ $*"; [ "${dry:-}" = yes ] || "$@"; }
[ "${5:-}" != --dry-run ] || dry=yes
for each in amd64 arm64; do
  [ -f "${!each}" ] || { echo "push-image.sh: Cannot read archive \"${!each}\": it is not there" >&2; exit 2; }
  run skopeo copy --preserve-digests "oci-archive:${!each}" "docker://$repository:$version-$each"
done
run docker buildx imagetools create --tag "$repository:$version" "$repository:$version-amd64" "$repository:$version-arm64"
