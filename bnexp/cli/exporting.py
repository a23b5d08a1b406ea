"""The command that hands a run to other programs: `export`."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import click

from bnexp.cli.options import named
from bnexp.exports import EXPORTS

SOON = 2.0  # seconds without a bar


@click.command()
@click.argument("directory", metavar="DIR", type=click.Path(path_type=Path))
@click.option("--to", required=True, type=click.Choice(list(EXPORTS)), help="The format.")
@click.option(
    "--out",
    callback=lambda *given: given[-1] if named(*given) else None,
    metavar="PATH",
    help="A folder or, for mlflow, a tracking URI; default: DIR/export/FORMAT.",
)
def export(directory: Path, to: str, out: str | None) -> None:
    """Write a run directory's numbers for other programs.

    \b
    parquet      tables with types: pandas, polars, DuckDB
    tensorboard  learning curves, and the sweep under HPARAMS
    mlflow       an experiment with a run for each network

    Each format needs a library: pip install 'bnexp[parquet]', and so on. Exporting again replaces
    what the last export wrote, and nothing else.

    \b
    Example: bnexp export results/quickstart --to parquet
    """
    from bnexp import exporting
    from bnexp.cli.progress import waiting

    made = exporting.exported(directory, to, out, _bar, waiting)
    click.echo("\n".join(made.lines))
    click.echo(f"look at it: {made.look}")


def _bar(networks: Sequence[Any]) -> Iterable[Any]:
    """The same, with a bar on a terminal where it takes long."""
    from tqdm import tqdm

    return tqdm(networks, unit=" networks", disable=None, delay=SOON, leave=False)
