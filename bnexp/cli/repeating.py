"""The commands that ask whether numbers repeat: `verify` and `compare`."""

from __future__ import annotations

from pathlib import Path

import click

from bnexp.cli.group import INTERRUPTED, Interrupted
from bnexp.cli.options import cores, data_option, jobs_option


@click.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.option("--sample", type=click.IntRange(1), metavar="N", help="Train only N of the networks.")
@jobs_option
@data_option
@click.option(
    "--tolerance",
    type=click.FloatRange(0),
    default=1e-6,
    help="Allowed deviation, relative for numbers above 1; default: 1e-6.",
)
@click.pass_context
def verify(
    ctx: click.Context,
    directory: Path,
    sample: int | None,
    jobs: int | None,
    data_dir: Path | None,
    tolerance: float,
) -> None:
    """Train networks again and compare every number.

    Nothing is written. Exit status 1 if a network differs or fails, 4 if a stored one is damaged. A
    folder without cells, such as a reference, is compared by its tables.

    \b
    Example: bnexp verify results/quickstart --sample 8
    """
    from bnexp import comparison
    from bnexp.cli.progress import Again

    try:
        with Again(quiet=False) as watch:
            found = comparison.verify(
                directory, sample, jobs or cores(), data_dir, tolerance, watch.progress
            )
    except (KeyboardInterrupt, Interrupted):
        click.echo(f"interrupted: {watch.standing.said()}; nothing was written", err=True)
        ctx.exit(INTERRUPTED)
    click.echo("\n".join(comparison.verify_lines(found)))
    ctx.exit(found.exit_status)


@click.command()
@click.argument("first", metavar="A", type=click.Path(path_type=Path))
@click.argument("second", metavar="B", type=click.Path(path_type=Path))
@click.option(
    "--tolerance",
    type=click.FloatRange(0),
    default=0.0,
    help="Allowed deviation, relative for numbers above 1; default: 0.",
)
@click.pass_context
def compare(ctx: click.Context, first: Path, second: Path, tolerance: float) -> None:
    """Compare two run directories: settings and numbers.

    Compares config, environment, data and every number; networks are paired by their swept values
    and seed. Exit status 1 if a number deviates beyond the tolerance, or if no network is in both.

    \b
    Example: bnexp compare results/quickstart results/faster
    """
    from bnexp import comparison

    found = comparison.compare(first, second, tolerance)
    click.echo("\n".join(comparison.compare_lines(found)))
    ctx.exit(found.exit_status)
