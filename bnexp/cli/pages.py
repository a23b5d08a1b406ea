"""The command that writes a page: `report`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.argument("other", metavar="[OTHER]", required=False, type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Where the page goes; default: DIR/report.html, or DIR/report-OTHER.html.",
)
def report(directory: Path, other: Path | None, out: Path | None) -> None:
    """Write figures, claims and numbers as one HTML file.

    The file works offline. With OTHER, a second run directory, it shows the two side by side.

    \b
    Example: bnexp report results/quickstart
    """
    from bnexp import reporting

    if other is None:
        click.echo(str(reporting.write_report(directory, out)))
    else:
        click.echo(str(reporting.write_sides(directory, other, out)))
