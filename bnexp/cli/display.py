"""What commands print."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import click
from tqdm import tqdm

from bnexp.claims import Verdict, verdict_lines
from bnexp.config import Config
from bnexp.errors import DataError
from bnexp.plan import make_plan, make_stacks
from bnexp.preparing import missing, prepare
from bnexp.running import Progress, Result
from bnexp.store import RunDirectory
from bnexp.tables.overview import diverged, overview

MAX_DIVERGED = 20


class Bar:
    """Networks done, steps a second and the time left; nothing where nobody looks."""

    def __init__(self, quiet: bool) -> None:
        self._bar: tqdm[Any] | None = None
        self._made = 0
        self._quiet = quiet
        self._networks = self._done = 0
        self.progress = Progress(self._planned, self._steps, self._finished, self._waiting)

    def __enter__(self) -> Bar:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def _planned(self, networks: int, missing: int, steps: int) -> None:
        if not self._quiet:
            click.echo(self._says(networks, missing))
        self._networks = missing
        hide = True if self._quiet or sys.stderr is None else None  # None: if it is no terminal
        self._bar = tqdm(total=steps, unit=" steps", unit_scale=True, disable=hide, leave=False)
        self._finished(0)

    def _says(self, networks: int, missing: int) -> str:
        rest = f", {missing} to train" if missing else ""
        return f"{networks} networks: {networks - missing} up to date{rest}"

    def _steps(self, total: int) -> None:
        if self._bar is not None:
            self._bar.update(total - self._made)
            self._made = total

    def said(self) -> str:
        """How far the run came."""
        return f"{self._done} of {self._networks} networks done, {self._networks - self._done} left"

    def _waiting(self) -> None:
        click.echo("another bnexp is writing to this folder; waiting for it", err=True)

    def _finished(self, networks: int) -> None:
        self._done += networks
        if self._bar is not None:
            self._bar.set_description(f"{self._done}/{self._networks} networks", refresh=False)


class Again(Bar):
    """The same where what is there is trained again."""

    def _says(self, networks: int, missing: int) -> str:
        return f"{networks} networks: {missing} to train again"


def result(made: Result, quiet: bool) -> None:
    """The small table, what diverged, and where everything is."""
    if quiet:
        return
    click.echo(f"\n{made.results.title}\nfinal training accuracy (* diverged)\n")
    click.echo(overview(made.results))
    lines = list(diverged(made.results))
    if lines:
        click.echo(f"\n{len(lines)} diverged (loss no longer finite):")
        more = [f"... and {len(lines) - MAX_DIVERGED} more"] if len(lines) > MAX_DIVERGED else []
        click.echo("\n".join(f"  {line}" for line in [*lines[:MAX_DIVERGED], *more]))
    verdicts(made.claims)
    click.echo(f"\n{made.directory}:")
    for path in made.files:
        click.echo(f"  {path}")


def verdicts(found: Sequence[Verdict]) -> None:
    """The table of claims, if there are any."""
    if found:
        click.echo("\n" + "\n".join(verdict_lines(found)))


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
