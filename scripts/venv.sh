# Sourced by the other scripts: makes or reuses .venv and sets VENV_PYTHON.
if [ ! -x .venv/bin/python ]; then
    for python in "${PYTHON:-}" python3 python3.14 python3.13 python3.12 python3.11 python; do
        if [ -n "$python" ] && command -v "$python" >/dev/null &&
            "$python" -c 'import sys; sys.exit(sys.version_info < (3, 11))'; then
            "$python" -m venv .venv
            break
        fi
    done
fi
if [ ! -x .venv/bin/python ]; then
    echo "bnexp needs Python 3.11 or later; set PYTHON to one (for example PYTHON=python3.12)" >&2
    exit 1
fi
VENV_PYTHON=$PWD/.venv/bin/python
