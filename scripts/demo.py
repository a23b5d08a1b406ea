#!/usr/bin/env python3
"""Set up everything, then train and draw the book's figure on 1,000 real MNIST images.

    python3 scripts/demo.py      on Windows: py scripts/demo.py

Needs Python 3.11 or later and the package index, nothing else. Safe to run again. Arguments are
passed on to `bnexp run quickstart`.
"""

import os
import sys

from set_up import SAMPLE, environment, install, run


def main() -> None:
    print("setting up .venv (a minute at most on a fast network)", flush=True)
    python = environment()
    install(python, ".")
    install(python, *SAMPLE)
    run(python, "-m", "bnexp", "run", "quickstart", *sys.argv[1:])
    activate = r".venv\Scripts\activate" if os.name == "nt" else ". .venv/bin/activate"
    print(f"\nbnexp is installed in .venv; to use it in this shell: {activate}")


if __name__ == "__main__":
    main()
