"""What commands print: plans, tables and verdicts."""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from bnexp.claims import Verdict, verdict_lines
from bnexp.cli.progress import kept
from bnexp.config import Config
from bnexp.errors import DataError
from bnexp.result import Result
from bnexp.running import missing, prepare
from bnexp.runs import RunDirectory
from bnexp.runs.summary import diverged, overview, overview_lines, trained
from bnexp.sweep import Plan, make_plan, make_stacks
from bnexp.text import counted, omitted, paragraph, short

MAX_DIVERGED = 20
COLORS = {"supported": "green", "refuted": "red", "undecided": "yellow"}
_VERDICT = re.compile(f"(?<=^  )({'|'.join(COLORS)})")


def print_result(made: Result, quiet: bool) -> None:
    """The small table, what diverged, and where everything is."""
    if quiet:
        return
    click.echo("")
    for text in paragraph(made.results.title):
        click.echo(text)
    if trained(made.results):
        click.echo("\n".join(overview_lines(overview(made.results))))
    else:
        click.echo("no network was scored after an update: see probes.csv and the figures")
    lines = list(diverged(made.results))
    if lines:
        click.echo(f"\n{len(lines)} diverged:")
        lines = [*lines[:MAX_DIVERGED], *omitted(len(lines) - MAX_DIVERGED)]
        click.echo("\n".join(f"  {line}" for line in lines))
    print_verdicts(made.claims)
    for text in made.left_out:
        click.echo(f"\nleft out: {text}")
    click.echo(f"\n{made.directory}:")
    for path in made.files:
        click.echo(f"  {path}")
    if len(made.results.metrics["cell"]):
        click.echo(f"\nbnexp report {shlex.quote(str(made.directory))} puts all of it on one page")


def print_verdicts(found: Sequence[Verdict]) -> None:
    """The table of claims, if there are any."""
    if found:
        click.echo("")
        for line in verdict_lines(found):
            click.echo(_VERDICT.sub(lambda word: click.style(word[0], fg=COLORS[word[0]]), line))


def print_plan(config: Config, out: Path, data_dir: Path | None) -> None:
    """Axes with their values, networks, and what is done already and why not."""
    made, store = make_plan(config), RunDirectory(out)
    try:
        prepared = prepare(config, data_dir, download=False)
        reasons = Counter(missing(prepared, store).values())
        effort = f"{sum(prepared.steps.values()):,} steps in all"
    except DataError as error:
        reasons = Counter(store.read_records(made.networks, None)[1].values())
        effort = f"data: not at hand. {error}"
    click.echo("\n".join([*_sweep(config, made), effort]))
    done = len(made.networks) - reasons.total()
    click.echo(f"{out}: {done} up to date, {reasons.total()} to train")
    for reason, number in reasons.items():
        click.echo(f"  {number} {reason}")
    if others := store.others(made.networks):
        click.echo(f"  {kept(others)}")


def _sweep(config: Config, made: Plan) -> Iterator[str]:
    yield f"{config.name}: valid"
    for axis in made.axes:
        values = f"{counted(len(axis.labels), 'value')}: {', '.join(map(short, axis.labels))}"
        yield from paragraph(f"{axis.key}: {values}", indent=2, hanging=4)
    seeds = ", ".join(map(str, config.experiment.random.seeds))
    yield from paragraph(f"seeds: {seeds}", indent=2, hanging=4)
    if config.experiment.claims:
        yield f"  claims: {len(config.experiment.claims)}"
    stacks = make_stacks(made.networks)
    sizes = Counter(len(stack.networks) for stack in stacks)
    shapes = ", ".join(f"{number} of {size}" for size, number in sorted(sizes.items()))
    yield f"{counted(len(made.networks), 'network')} in {counted(len(stacks), 'stack')} ({shapes})"
