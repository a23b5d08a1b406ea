#!/usr/bin/env python3
"""Set up everything, then run the linter, the type checker and all tests that can run here.

    python3 scripts/test.py              all tests, the slow ones too, two at a time
    python3 scripts/test.py -k gradient  arguments go to pytest
    python3 scripts/test.py --lowest     the fast tests with the oldest packages that are allowed

On Windows: py scripts/test.py. Needs Python 3.11 or later and the package index. Tests on real
MNIST run if BNEXP_DATA_DIR names the folder of its files. Safe to run again.
"""

import sys

from set_up import SAMPLE, environment, install, run

ALL_TESTS = ["-m", "slow or not slow", "-n", "2"]
FAST_TESTS = ["-n", "2"]


def main(arguments: list) -> None:
    if arguments[:1] == ["--lowest"]:
        test_with_lowest_versions(arguments[1:])
    else:
        test(arguments)


def test(arguments: list) -> None:
    """Lint, check types and run the tests in .venv, with the newest packages if it is a new one."""
    python = environment()
    install(python, "--editable", ".[test,docs]")
    install(python, *SAMPLE)
    run(python, "-m", "ruff", "check", ".")
    run(python, "-m", "ruff", "format", "--check", ".")
    run(python, "-m", "mypy")
    run(python, "-m", "pytest", *(arguments or ALL_TESTS))


def test_with_lowest_versions(arguments: list) -> None:
    """Run the fast tests in .venv-lowest, where each dependency has its lowest version.

    pip cannot choose these, uv can. Versions that have no wheel for this Python and system are left
    out, so that newer Pythons are tested with the first versions that were made for them.
    """
    python = environment(".venv-lowest")
    install(python, "uv")
    lowest = ["--quiet", "--python", python, "--resolution", "lowest-direct", "--no-build"]
    run(python, "-m", "uv", "pip", "install", *lowest, "--editable", ".[test]")
    run(python, "-m", "uv", "pip", "install", *lowest, *SAMPLE)
    run(python, "-m", "pytest", *(arguments or FAST_TESTS))


if __name__ == "__main__":
    main(sys.argv[1:])
