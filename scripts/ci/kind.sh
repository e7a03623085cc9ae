#!/usr/bin/env bash
# kind.sh ipv4|ipv6|dual NODE_IMAGE [ARCHIVE]: a kind cluster whose network is Weft, and the end-to-end suite on it. Needs Docker, kind and kubectl.
set -euo pipefail
cd "$(dirname "$0")/../.."
family=$1 image=$2 name=weft-$1
archive=${3:-.weft/weft.tar}
[ -f "$archive" ] || ./weft image build --output "$archive"
kind create cluster --name "$name" --image "$image" --config "deploy/kind/$family.yaml"
trap 'kind delete cluster --name "$name"' EXIT
kind load image-archive --name "$name" "$archive"
./weft install --context "kind-$name"
./weft test e2e --cluster "kind:$name"
