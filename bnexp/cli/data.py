"""The commands about data sets: `data fetch`, `data verify` and `data info`.

`fetch` and `verify` are about data sets in four files of known SHA-256; `info` describes any data
set that `data.name` can name.
"""

from __future__ import annotations

from pathlib import Path

import click

from bnexp.cli.arguments import data_option
from bnexp.cli.terminal import echo
from bnexp.errors import DataError


@click.group("data")
def data_group() -> None:
    """Fetch, verify and describe data sets.

    \b
    Example: bnexp data fetch
    """


class DescribedCommand(click.Command):
    """A command whose help names the data sets of the table."""

    def format_help_text(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        from bnexp.data import DATASETS

        self.help = (self.help or "").replace("DATA_SETS", ", ".join(DATASETS))
        super().format_help_text(context, formatter)


@data_group.command("fetch")
@click.argument("name", default="mnist")
def fetch_command(name: str) -> None:
    """Download a data set into the cache and check its SHA-256.

    NAME is mnist (11 MB; the default), fashion-mnist (31 MB) or kmnist (21 MB).

    \b
    Example: bnexp data fetch
    """
    from bnexp.data import fetch

    for path in fetch(name=name):
        echo(str(path))


@data_group.command("verify")
@click.argument("name", default="mnist")
@data_option
def verify_data_command(name: str, data_dir: Path | None) -> None:
    """Compare the files of a data set with their known SHA-256.

    NAME is mnist, fashion-mnist, kmnist or a part of EMNIST, such as emnist-letters.

    \b
    Example: bnexp data verify --data-dir ~/mnist
    """
    from bnexp.data import verify
    from bnexp.data.known import KNOWN_SETS

    checks = verify(data_dir, name=name)
    for check in checks:
        echo(str(check))
    if any(check.status != "ok" for check in checks):
        advice = "; `bnexp data fetch` downloads them" if KNOWN_SETS[name].mirrors else ""
        advice = advice if name == "mnist" else advice.replace("fetch", f"fetch {name}")
        raise DataError(f"not all files are {KNOWN_SETS[name].title}'s{advice}")


@data_group.command("info", cls=DescribedCommand)
@click.argument("name", default="mnist")
@data_option
def info_command(name: str, data_dir: Path | None) -> None:
    """Describe a data set: origin, sizes and classes.

    NAME is DATA_SETS or the path of a folder or of an npz file.

    \b
    Example: bnexp data info mnist-5k
    """
    from bnexp.data import info

    for key, value in info(name, data_dir=data_dir).items():
        echo(f"{key.replace('_', ' '):<20}{value}")
