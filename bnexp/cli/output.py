"""What commands print of an experiment: its plan before training, its results, its verdicts.

All of it goes to stdout in lines of at most 80 characters. This module imports everything that
trains and judges; commands import it when they are called.
"""

from __future__ import annotations

import re
import shlex
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path

import click

from bnexp.claims import Verdict, verdict_lines
from bnexp.cli.progress import kept_networks
from bnexp.config import Config
from bnexp.errors import DataError
from bnexp.result import Result
from bnexp.running import prepare, read_records
from bnexp.runs import RunDirectory
from bnexp.runs.summary import describe_diverged, has_scores, overview, overview_lines
from bnexp.sweep import Plan, make_plan, make_stacks
from bnexp.text import counted, omitted, paragraph, short

MAX_DIVERGED = 20
COLORS = {"supported": "green", "refuted": "red", "undecided": "yellow"}
_VERDICT = re.compile(f"(?<=^  )({'|'.join(COLORS)})")


def print_result(result: Result) -> None:
    """Print the small table, what diverged, the verdicts, and where everything is.

    At most MAX_DIVERGED networks that diverged are listed; summary.csv has all.
    """
    click.echo("")
    for line in paragraph(result.results.title):
        click.echo(line)
    if has_scores(result.results):
        click.echo("\n".join(overview_lines(overview(result.results))))
    else:
        click.echo("no network was scored after an update: see probes.csv and the figures")
    if lines := list(describe_diverged(result.results)):
        click.echo(f"\n{len(lines)} diverged:")
        lines = [*lines[:MAX_DIVERGED], *omitted(len(lines) - MAX_DIVERGED)]
        click.echo("\n".join(f"  {line}" for line in lines))
    print_verdicts(result.claims)
    for text in result.left_out:
        click.echo(f"\nleft out: {text}")
    click.echo(f"\n{result.directory}:")
    for path in result.files:
        click.echo(f"  {path}")
    if len(result.results.metrics["cell"]):
        directory = shlex.quote(str(result.directory))
        click.echo(f"\nbnexp report {directory} puts all of it on one page")


def print_verdicts(verdicts: Sequence[Verdict]) -> None:
    """Print each claim with its verdict, in color on a terminal; nothing without claims."""
    if verdicts:
        click.echo("")
        for line in verdict_lines(verdicts):
            click.echo(_VERDICT.sub(lambda word: click.style(word[0], fg=COLORS[word[0]]), line))


def print_plan(config: Config, out: Path, data_dir: Path | None) -> None:
    """Print the axes, how many networks there are, and which would be trained and why.

    config: the experiment. out: its run directory, which need not exist.
    data_dir: the folder of the data files, if the user gave one. Nothing is downloaded: if the data
        are not at hand, finished networks are counted without a look at the data they came from.
    """
    plan, directory = make_plan(config), RunDirectory(out)
    try:
        prepared = prepare(config, data_dir, download=False)
        reasons = Counter(read_records(prepared, directory)[1].values())
        effort = f"{sum(prepared.steps.values()):,} steps in all"
    except DataError as error:
        reasons = Counter(directory.read_records(plan.networks, None)[1].values())
        effort = f"data: not at hand. {error}"
    click.echo("\n".join([*_plan_lines(config, plan), effort]))
    done = len(plan.networks) - reasons.total()
    click.echo(f"{out}: {done} up to date, {reasons.total()} to train")
    for reason, number in reasons.items():
        click.echo(f"  {number} {reason}")
    if others := directory.count_others(plan.networks):
        click.echo(f"  {kept_networks(others)}")


def _plan_lines(config: Config, plan: Plan) -> Iterator[str]:
    yield f"{config.name}: valid"
    for axis in plan.axes:
        values = f"{counted(len(axis.labels), 'value')}: {', '.join(map(short, axis.labels))}"
        yield from paragraph(f"{axis.key}: {values}", indent=2, hanging=4)
    seeds = ", ".join(map(str, config.experiment.random.seeds))
    yield from paragraph(f"seeds: {seeds}", indent=2, hanging=4)
    if config.experiment.claims:
        yield f"  claims: {len(config.experiment.claims)}"
    stacks = make_stacks(plan.networks)
    sizes = Counter(len(stack.networks) for stack in stacks)
    shapes = ", ".join(f"{number} of {size}" for size, number in sorted(sizes.items()))
    yield f"{counted(len(plan.networks), 'network')} in {counted(len(stacks), 'stack')} ({shapes})"
