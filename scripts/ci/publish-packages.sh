#!/usr/bin/env bash
# publish-packages.sh [--dry-run]: builds, tries and publishes the npm packages. In a workflow with `id-token: write` npm adds the provenance.
set -euo pipefail
cd "$(dirname "$0")/../.."
node -C dev scripts/build-packages.ts
for folder in .weft/packages/*/; do
  [ -f "$folder/package.json" ] || continue
  # Provenance is the workflow's to give; elsewhere there is nobody to vouch.
  if [ -n "${ACTIONS_ID_TOKEN_REQUEST_URL:-}" ]; then provenance=--provenance; else provenance=--provenance=false; fi
  (cd "$folder" && npm publish --access public "$provenance" "$@")
done
