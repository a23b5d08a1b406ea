"""What commands print: texts of experiments and names of files never control the terminal."""

from __future__ import annotations

import shutil
import sys
from contextlib import nullcontext, suppress

import click

from bnexp.text import PAGE_WIDTH, printable

GOES_ON = "bnexp.goes_on"  # in the meta of a context: how to go on after an interruption
NARROWEST, WIDEST = 40, 120  # of the lines that are fitted to a terminal


def echo(*lines: str, err: bool = False) -> None:
    """Print lines to stdout, or to stderr; what is not for reading is shown as its code.

    That includes line feeds, so that no name of a file can look like a line of ours. Where stderr
    cannot be written, as on a full disk, the command goes on: its exit status still tells.
    """
    with suppress(OSError) if err else nullcontext():
        click.echo("\n".join(map(printable, lines)), err=err)


def quiet_matplotlib() -> None:
    """Have it keep to itself that it found no folder for its cache, or that it fills that now."""
    import logging

    logging.getLogger("matplotlib").setLevel(logging.ERROR)


def page_width() -> int:
    """How many characters a line of stdout may have: those of the terminal, else PAGE_WIDTH."""
    if sys.stdout is None or not sys.stdout.isatty():
        return PAGE_WIDTH
    return min(max(shutil.get_terminal_size().columns, NARROWEST), WIDEST)
