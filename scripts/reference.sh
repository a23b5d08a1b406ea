#!/usr/bin/env bash
# Make the committed reference results of experiments: run them, and keep everything but the cells.
# Usage: scripts/reference.sh NAME...   (with real MNIST: BNEXP_DATA_DIR or a download)
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/venv.sh
for name in "$@"; do
    "$VENV_PYTHON" -m bnexp run "$name" --quiet --fresh --out "results/reference/$name"
    rm -r "results/reference/$name/cells" "results/reference/$name/.lock"
done
