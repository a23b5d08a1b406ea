"""The folders in which Python looks for modules, and their order.

Python puts the folder of the script, or with `-m` and `-c` the current folder, before the standard
library: a file `socket.py` beside an experiment would be run in place of Python's. `demoted` gives
such a folder a place behind the standard library.
"""

import os
import sys

STANDARD = os.path.dirname(os.__file__)


def implied_folder() -> str | None:
    """The folder that Python itself put first in `sys.path`; None if there is none.

    It is the folder of the script or, without a script, the current one. `python -P` and
    PYTHONSAFEPATH leave it out.
    """
    if sys.flags.safe_path or not sys.path:
        return None
    script = getattr(sys.modules["__main__"], "__file__", None)
    try:
        folders = [os.getcwd(), os.path.dirname(os.path.abspath(script)) if script else os.getcwd()]
        first = os.path.realpath(sys.path[0])
    except FileNotFoundError:  # the current folder has been removed
        return None
    return sys.path[0] if first in map(os.path.realpath, folders) else None


def demoted() -> list[str]:
    """`sys.path` with the implied folder behind the standard library, before installed packages."""
    folder = implied_folder()
    if folder is None:
        return list(sys.path)
    others = sys.path[1:]
    place = 1 + max((i for i, other in enumerate(others) if _is_standard(other)), default=-1)
    return [*others[:place], os.path.abspath(folder), *others[place:]]


def drop_implied_folder() -> None:
    """Remove the implied folder from `sys.path`; demote it if bnexp itself is imported from it."""
    home = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
    folder = implied_folder()
    if folder is not None:
        is_home = os.path.realpath(folder) == os.path.realpath(home)
        sys.path[:] = demoted() if is_home else sys.path[1:]


def _is_standard(folder: str) -> bool:
    """Whether a folder belongs to the standard library: its own, or that of its extensions."""
    return folder in (STANDARD, os.path.join(STANDARD, "lib-dynload"))
