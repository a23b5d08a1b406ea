"""The commands about data sets: `data fetch`, `data verify` and `data info`.

`fetch` and `verify` are about the four files of MNIST, the one data set that is downloaded; `info`
describes any data set that `data.name` can name.
"""

from __future__ import annotations

from pathlib import Path

import click

from bnexp.cli.arguments import data_option
from bnexp.errors import DataError


@click.group("data")
def data_group() -> None:
    """Fetch, verify and describe data sets.

    \b
    Example: bnexp data fetch
    """


@data_group.command("fetch")
def fetch_command() -> None:
    """Download MNIST (11 MB) into the cache and check its SHA-256.

    \b
    Example: bnexp data fetch
    """
    from bnexp.data import fetch

    for path in fetch():
        click.echo(str(path))


@data_group.command("verify")
@data_option
def verify_data_command(data_dir: Path | None) -> None:
    """Compare the MNIST files with their known SHA-256.

    \b
    Example: bnexp data verify --data-dir ~/mnist
    """
    from bnexp.data import verify

    checks = verify(data_dir)
    for check in checks:
        click.echo(str(check))
    if any(check.status != "ok" for check in checks):
        raise DataError("not all files are MNIST's; `bnexp data fetch` downloads them")


class DescribedCommand(click.Command):
    """A command whose help names the data sets of the table."""

    def format_help_text(self, context: click.Context, formatter: click.HelpFormatter) -> None:
        from bnexp.data import DATASETS

        self.help = (self.help or "").replace("DATA_SETS", ", ".join(DATASETS))
        super().format_help_text(context, formatter)


@data_group.command("info", cls=DescribedCommand)
@click.argument("name", default="mnist")
@data_option
def info_command(name: str, data_dir: Path | None) -> None:
    """Describe a data set: origin, sizes and classes.

    NAME is DATA_SETS or a folder of IDX files.

    \b
    Example: bnexp data info mnist-5k
    """
    from bnexp.data import info

    for key, value in info(name, data_dir=data_dir).items():
        click.echo(f"{key.replace('_', ' '):<20}{value}")
