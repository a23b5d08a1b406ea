"""What commands print of an experiment: its plan before training, its results, its verdicts.

All of it goes to stdout in lines of at most 80 characters. This module imports everything that
trains and judges; commands import it when they are called.

While networks train, `ProgressDisplay` shows a bar on a terminal, and elsewhere a line now and
then. A run reports its events to a `Progress` of callbacks; the display has one, keeps a
`RunStatus` up to date by it, and writes that to stderr. How many networks there are goes to stdout.
"""

from __future__ import annotations

import re
import sys
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import click

from bnexp import figures
from bnexp.claims import VERDICT_TEXTS, Verdict, verdict_lines
from bnexp.cli.terminal import echo, page_width
from bnexp.config import Config
from bnexp.config.claims import KINDS
from bnexp.data.datasets import count_images
from bnexp.errors import DataError
from bnexp.estimate import estimate
from bnexp.execution.task import Record
from bnexp.progress import Progress, RunBar, RunStatus, import_tqdm
from bnexp.replication import FILE, Replication, replication_lines
from bnexp.result import Result
from bnexp.running import (
    fitting_figures,
    known_counts,
    prepare,
    read_records,
    schedules_without_data,
)
from bnexp.runs import RunDirectory
from bnexp.runs.directory import DAMAGES, kind_of
from bnexp.runs.origins import DataOrigin
from bnexp.summary import FORMATS, describe_diverged, has_scores, overview_lines
from bnexp.sweep import Network, make_plan, make_stacks
from bnexp.text import (
    PAGE_WIDTH,
    counted,
    distinct,
    integers,
    omitted,
    paragraph,
    printable,
    shell_word,
    value_text,
)

LINE_SECONDS = 30.0  # between two lines


class ProgressDisplay:
    """Shows how far a run is, by what the run tells its `progress`.

    quiet: show nothing.
    again: networks that have results are trained again, as by `bnexp verify`.
    ranges: of swept keys what their values are, see `unusual_ranges`.
    held_out: what the images of the test columns are, `test` or `validation`.
    err: print to stderr what otherwise goes to stdout.
    """

    def __init__(
        self,
        quiet: bool,
        again: bool = False,
        ranges: Mapping[str, str] | None = None,
        held_out: str = "test",
        err: bool = False,
    ) -> None:
        self._quiet = quiet
        self._again = again
        self._ranges = ranges or {}
        self._held_out = held_out
        self._err = err
        self._lines = not quiet and sys.stderr is not None
        self._bar: RunBar | None = None
        self._all_steps = 0
        self._started = self._last_line = time.monotonic()
        self.status = RunStatus()
        self._origins: Sequence[DataOrigin] = ()
        self._resumed: Sequence[str] = ()
        self.progress = Progress(
            self._plan,
            self._count_steps,
            self._count_done,
            print_waiting,
            data=self._keep_data,
            resumed=self._keep_resumed,
        )

    def __enter__(self) -> ProgressDisplay:
        return self

    def __exit__(self, *error: object) -> None:
        if self._bar is not None:
            self._bar.close()

    def _keep_data(self, origins: Sequence[DataOrigin]) -> None:
        self._origins = origins

    def _keep_resumed(self, lines: Sequence[str]) -> None:
        self._resumed = lines

    def _plan(
        self, networks: Sequence[Network], finished: Sequence[Record], steps: int, others: int
    ) -> None:
        """Begin: say how many networks there are, and open the bar if stderr is a terminal."""
        left = len(networks) - len(finished)
        if not self._quiet:
            number = counted(len(networks), "network")
            to_train = f", {left} to {work_of(steps)}" if left > 0 else ""
            lines = [f"{number}: {len(finished)} up to date{to_train}"]
            if self._again:
                lines = [f"{number} to {work_of(steps)} again"]
            for key, meaning in self._ranges.items():
                values = list(dict.fromkeys(network.point[key] for network in networks))
                lines.append(f"  {key}: {range_text(meaning, values)}")
            if others:
                lines.append(f"{kept_networks(others)}; tables and figures are of these only")
            lines += [f"  goes on: {line}" for line in self._resumed]
            # At once: a reader that leaves after the first line, as `head -1`, ends no run.
            echo(*lines, *data_lines(self._origins), err=self._err)
        self.status = RunStatus.at_start(networks, finished, self._held_out)
        self._started = self._last_line = time.monotonic()
        self._all_steps = steps
        if self._lines and sys.stderr.isatty():
            self._bar = RunBar(self.status, steps)

    def _count_steps(self, total: int) -> None:
        now = time.monotonic()
        if self._bar is not None:
            self._bar.show_steps(total)
        elif self._lines and now - self._last_line >= LINE_SECONDS:
            self._last_line = now
            seconds = (now - self._started) * (self._all_steps - total) / max(total, 1)
            words = [f"{self.status.counts()} (about {import_tqdm().format_interval(seconds)})"]
            words += filter(None, [self.status.results()])
            echo(", ".join(words), err=True)

    def _count_done(self, records: Sequence[Record]) -> None:
        self.status.count(records)
        if self._bar is not None:
            self._bar.show_status()


def work_of(steps: int) -> str:
    """What is done with networks that make so many steps in all."""
    return "train" if steps else "score"


def data_lines(origins: Iterable[DataOrigin]) -> Iterator[str]:
    """Which images stand behind the names of the experiment's data sets."""
    for origin in origins:
        yield from paragraph(origin.line(), hanging=2, hyphens=False)
        if origin.place:
            yield f"  from {origin.place}"  # whole, for it is copied


def kept_networks(number: int) -> str:
    """What is said of a run directory that has results of other settings, too."""
    verb = "stays" if number == 1 else "stay"
    return f"{counted(number, 'network')} of other settings {verb} in its cells/"


def print_waiting() -> None:
    """Say that the run directory is locked by another process."""
    echo("another bnexp is writing to this folder; waiting for it", err=True)


DIVERGED_LINES = 20
MAX_DAMAGED = 5
COLORS = {"supported": "green", "refuted": "red", "undecided": "yellow"}


def print_table(result: Result, metric: str | None, sort: str | None, spread: str, to: str) -> None:
    """Print the table of all points in a format; see `Result.table`."""
    table = result.overview(metric, sort, None)
    if to == "text":
        echo(*overview_lines(table, spread, page_width()))
    else:
        echo(*FORMATS[to](table, spread))


def print_result(
    result: Result, metric: str | None = None, sort: str | None = None, spread: str = "std"
) -> None:
    """Print the small table, what diverged, the verdicts, and where everything is.

    What diverged is listed in at most DIVERGED_LINES lines; summary.csv has all. metric, sort,
    spread: of the table, see `Result.table`.
    """
    width = page_width()
    echo("", *paragraph(result.results.title, width))
    if has_scores(result.results):
        echo(*overview_lines(result.overview(metric, sort), spread, width))
    else:
        echo(no_scores(result))
    if lines := list(describe_diverged(result.results)):
        number = (result.results.summary["status"] == "diverged").sum()
        echo("", f"{number} diverged:")
        lines = [*lines[:DIVERGED_LINES], *omitted(len(lines) - DIVERGED_LINES)]
        echo(*(f"  {line}" for line in lines))
    print_verdicts(result.claims)
    for text in result.left_out:
        echo("", f"left out: {text}")
    echo("", *files_lines(result, width))
    if len(result.results.metrics["cell"]):
        echo("", f"bnexp report {shell_word(result.directory)} puts all of it on one page")


def files_lines(result: Result, width: int = PAGE_WIDTH) -> list[str]:
    """Which files a run wrote, in a line or two: the figures by their names, the others after."""
    stems = dict.fromkeys(path.stem for path in result.files if path.parent.name == "figures")
    names = [path.name for path in result.files if path.parent.name != "figures"]
    if stems:
        names.insert(0, f"{counted(len(stems), 'figure')} ({', '.join(stems)})")
    text = f"{result.directory}: {', '.join(names)}"
    return paragraph(text, width, hanging=2, hyphens=False)


def print_undrawn(failures: Sequence[str]) -> None:
    """Say on stderr which figures could not be drawn, and why."""
    for text in failures:
        echo(*paragraph(f"not drawn: {text}", hanging=2, hyphens=False), err=True)


def no_scores(result: Result) -> str:
    """What is said instead of the small table, and where to look."""
    if not len(result.results.metrics["cell"]):
        return "no network has a result"
    names = [path.name for path in result.files]
    places = ["probes.csv"] * ("probes.csv" in names)
    places += ["the figures"] * any(name.endswith(".png") for name in names)
    where = " and ".join(places or ["metrics.csv"])
    return f"no network was scored after an update: see {where}"


def print_verdicts(verdicts: Sequence[Verdict]) -> None:
    """Print each claim with its verdict, in color on a terminal; nothing without claims.

    Verdicts on what the author has measured are paler than those on what a source says.
    """
    if verdicts:
        echo("")
        kind = ""
        for line in map(printable, verdict_lines(verdicts)):
            kind = heading[1] if (heading := _HEADING.match(line)) else kind
            color = partial(_colored, is_own=kind == "measured")
            click.echo(_VERDICT.sub(color, line))


_WORDS = {text: COLORS[word] for word, text in VERDICT_TEXTS.items()}
_VERDICT = re.compile(f"(?<=^  )({'|'.join(_WORDS)})")
_HEADING = re.compile(f"({'|'.join(KINDS)}):")


def _colored(word: re.Match[str], is_own: bool) -> str:
    """The word of a verdict in its color; pale if the claim is the author's own observation."""
    return click.style(word[0], fg=_WORDS[word[0]], dim=is_own or None)


_OUTCOME = re.compile("(?<=^  )(same|weaker|stronger|reversed)(?=  )")
_OUTCOME_COLORS = {"same": "green", "weaker": "yellow", "stronger": "yellow", "reversed": "red"}


def print_replication(replication: Replication) -> None:
    """Print each claim with what the replication says of it, in color on a terminal."""
    echo("")
    for line in map(printable, replication_lines(replication)):
        click.echo(
            _OUTCOME.sub(lambda word: click.style(word[0], fg=_OUTCOME_COLORS[word[0]]), line)
        )
    echo("", f"{replication.result.directory}: {FILE}, tables and figures")


RANGES = {
    "logspace": "powers of ten",
    "uniform": "random",
    "loguniform": "random, by the logarithm",
    "book_loguniform": "random, by the logarithm",
}


def unusual_ranges(config: Config) -> dict[str, str]:
    """What the values are of swept keys with a range whose numbers do not show it, by key."""
    sweep = config.experiment.sweep
    ranges = [(key, v) for axes in (sweep.axes(), sweep.zip) for key, v in axes.items()]
    names = {key: next(iter(v))[0] for key, v in ranges if not isinstance(v, tuple)}
    return {key: RANGES[name] for key, name in names.items() if name in RANGES}


def range_text(meaning: str, values: Sequence[Any]) -> str:
    """From where to where the values of a range are, and what they are.

    >>> range_text("powers of ten", [1.0, 0.1, 0.01])
    'powers of ten from 1 to 0.01'
    """
    first, last = (values[0], values[-1])
    if meaning.startswith("random"):
        first, last = min(values), max(values)
    return f"{meaning} from {value_text(first, [last])} to {value_text(last, [first])}"


def print_plan(
    config: Config, out: Path, data_dir: Path | None, workers: int = 1, device: str = "cpu"
) -> None:
    """Print the axes, how many networks there are, which would be trained and why, and the cost.

    config: the experiment. out: its run directory, which need not exist. workers: how many
    processes would train; their time and memory are estimated. device: what they would train on;
    of another than the CPU nothing is estimated.
    data_dir: the folder of the data files, if the user gave one. Nothing is downloaded: if the data
        are not at hand, finished networks are counted without a look at the data they came from.
    """
    plan, directory, width = make_plan(config), RunDirectory(out), page_width()
    origins: Mapping[str, DataOrigin] = {}
    try:
        prepared = prepare(config, data_dir, download=False, device=device)
        stack_size = prepared.stack_size
        missing = read_records(prepared, directory)[1]
        counts = {name: count_images(images) for name, images in prepared.data.items()}
        steps = sum(prepared.steps.values())
        effort = f"{counted(steps, 'step')} in all"
        origins, left_out, fitting = prepared.origins, prepared.left_out, prepared.config
    except DataError as error:
        known, counts = schedules_without_data(config, plan), known_counts(plan)
        stack_size = None
        fitting, left_out = fitting_figures(config, plan, known)
        steps = sum(schedule.evaluations[-1] for schedule in known.values())
        steps += len(plan.networks) - len(known)
        missing = directory.read_records(plan.networks, None)[1]
        effort = f"data: not at hand. {error}"
    echo(f"{config.name}: valid")
    seeds = integers(config.experiment.random.seeds)
    ranges = unusual_ranges(config)
    lists = {}
    for axis in plan.axes:
        meaning = f", {range_text(ranges[axis.key], axis.labels)}" if axis.key in ranges else ""
        values = ", ".join(distinct(axis.labels))
        lists[axis.key] = f"{counted(len(axis.labels), 'value')}{meaning}: {values}"
    for name, values in {**lists, "seeds": seeds}.items():
        echo(*paragraph(f"{name}: {values}", width, indent=2, hanging=4))
    for line in data_lines(origins.values()):
        echo(line)
    if config.experiment.claims:
        echo(f"  claims: {len(config.experiment.claims)}")
    drawn = figures.requested_figures(fitting.experiment.figures, figures.planned_sweep(plan))
    kinds = Counter(options.kind for options in drawn)
    names = [f"{number} x {kind}" if number > 1 else kind for kind, number in kinds.items()]
    echo(*paragraph(f"figures: {', '.join(names) or 'none'}", width, indent=2, hanging=4))
    stacks = make_stacks(plan.networks, size=stack_size)
    sizes = Counter(len(stack.networks) for stack in stacks)
    shapes = ", ".join(f"{number} of {size}" for size, number in sorted(sizes.items()))
    networks = counted(len(plan.networks), "network")
    echo(f"{networks} in {counted(len(stacks), 'stack')} ({shapes})", *effort.split("\n"))
    done = len(plan.networks) - len(missing)
    echo(f"{out}: {done:,} up to date, {len(missing):,} to {work_of(steps)}")
    for reason, number in Counter(map(kind_of, missing.values())).items():
        echo(f"  {number:,} {reason}")
    damaged = [(network, why) for network, why in missing.items() if kind_of(why) in DAMAGES]
    for network, why in damaged[:MAX_DAMAGED]:
        echo(*paragraph(f"cells/{network}.json: {why}", width, indent=4, hanging=6))
    for line in omitted(len(damaged) - MAX_DAMAGED):
        echo(f"    {line}")
    to_train = [network for network in plan.networks if network.id in missing]
    if device == "cpu" and (needs := estimate(to_train, counts, workers)):
        echo(*paragraph(needs.line(workers), width, hanging=2))
    if others := directory.count_others(plan.networks):
        echo(f"  {kept_networks(others)}")
    for text in left_out:
        echo(*paragraph(f"left out: {text}", width, hanging=2, hyphens=False))
