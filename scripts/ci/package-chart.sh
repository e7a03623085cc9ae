#!/usr/bin/env bash
# package-chart.sh FOLDER [REPOSITORY]: lints and packs the Helm chart; with an OCI repository (oci://...), pushes it.
set -euo pipefail
cd "$(dirname "$0")/../.."
folder=$1 repository=${2:-}
helm lint deploy/chart
helm package deploy/chart --destination "$folder"
[ -z "$repository" ] || helm push "$folder"/weft-*.tgz "$repository"
