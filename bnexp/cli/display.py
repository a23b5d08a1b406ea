"""What commands print: plans, tables and verdicts, and the bar that a run shows."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from textwrap import wrap

import click

from bnexp.claims import Verdict, verdict_lines
from bnexp.config import Config
from bnexp.errors import DataError
from bnexp.plan import make_plan, make_stacks
from bnexp.preparing import missing, prepare
from bnexp.result import Result
from bnexp.store import RunDirectory
from bnexp.tables.overview import diverged, overview
from bnexp.tables.overviewlines import overview_lines

MAX_DIVERGED = 20
COLOURS = {"supported": "green", "refuted": "red", "undecided": "yellow"}
_VERDICT = re.compile(rf"(?<=^  )({'|'.join(COLOURS)})")  # at the head of a claim


def result(made: Result, quiet: bool) -> None:
    """The small table, what diverged, and where everything is."""
    if quiet:
        return
    click.echo("")
    for text in wrap(made.results.title, 80):
        click.echo(text)
    for line in overview_lines(overview(made.results)):
        click.echo(line)
    lines = list(diverged(made.results))
    if lines:
        click.echo(f"\n{len(lines)} diverged:")
        more = [f"... and {len(lines) - MAX_DIVERGED} more"] if len(lines) > MAX_DIVERGED else []
        click.echo("\n".join(f"  {line}" for line in [*lines[:MAX_DIVERGED], *more]))
    verdicts(made.claims)
    click.echo(f"\n{made.directory}:")
    for path in made.files:
        click.echo(f"  {path}")
    if len(made.results.metrics["cell"]):
        click.echo(f"\nbnexp report {shlex.quote(str(made.directory))} puts all of it on one page")


def verdicts(found: Sequence[Verdict]) -> None:
    """The table of claims, if there are any."""
    if found:
        click.echo("")
        for line in verdict_lines(found):
            click.echo(_VERDICT.sub(lambda word: click.style(word[0], fg=COLOURS[word[0]]), line))


def plan(config: Config, out: Path, data_dir: Path | None) -> None:
    """Cells, stacks, and what is done already and why not."""
    made = make_plan(config)
    cells, stacks = made.cells, make_stacks(made.cells)
    click.echo(f"{config.name}: valid")
    for axis in made.axes:
        click.echo(f"  {axis.key}: {len(axis.values)} values")
    click.echo(f"  seeds: {', '.join(map(str, config.experiment.random.seeds))}")
    if config.experiment.claims:
        click.echo(f"  claims: {len(config.experiment.claims)}")
    sizes = Counter(len(stack.cells) for stack in stacks)
    shapes = ", ".join(f"{number} of {size}" for size, number in sorted(sizes.items()))
    click.echo(f"{len(cells)} networks in {len(stacks)} stacks ({shapes})")
    try:
        prepared = prepare(config, data_dir, download=False)
    except DataError as error:
        click.echo(f"data: not at hand. {error}")
        found = RunDirectory(out).find(cells, None)
        reasons = Counter(found.missing.values())
    else:
        click.echo(f"{sum(prepared.steps.values()):,} steps in all")
        reasons = Counter(missing(prepared, RunDirectory(out)).values())
    done = len(cells) - reasons.total()
    click.echo(f"{out}: {done} up to date, {reasons.total()} to train")
    for reason, number in reasons.items():
        click.echo(f"  {number} {reason}")
