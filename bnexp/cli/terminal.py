"""What commands print: texts of experiments and names of files never control the terminal."""

from __future__ import annotations

import click

from bnexp.text import printable


def echo(text: str = "", err: bool = False, nl: bool = True) -> None:
    """Print the text to stdout, or to stderr, with all but line feeds made printable."""
    click.echo(printable(text, lines=True), err=err, nl=nl)
