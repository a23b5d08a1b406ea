"""What commands print: texts of experiments and names of files never control the terminal."""

from __future__ import annotations

import click

from bnexp.text import printable


def echo(*lines: str, err: bool = False) -> None:
    """Print lines to stdout, or to stderr; what is not for reading is shown as its code.

    That includes line feeds, so that no name of a file can look like a line of ours.
    """
    click.echo("\n".join(map(printable, lines)), err=err)
