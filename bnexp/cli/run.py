"""The commands that take an experiment: `run` trains what is missing, `check` says what that is.

`replicate` runs an experiment on other seeds. All take the same overrides by --set. What they print
is in `output`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import click

from bnexp.cli import arguments
from bnexp.cli.terminal import GOES_ON, echo, quiet_matplotlib
from bnexp.errors import Interrupted, NetworksFailed
from bnexp.machine import usable_cores

if TYPE_CHECKING:
    from bnexp.cli.output import ProgressDisplay


@click.command("run")
@arguments.experiment_argument
@arguments.set_option
@arguments.seeds_option
@arguments.jobs_option
@arguments.out_option
@arguments.data_option
@click.option("--dry-run", is_flag=True, help="Print what would be trained; write nothing.")
@click.option("--fresh", is_flag=True, help="Train and draw everything again.")
@click.option(
    "--cell-timeout",
    type=arguments.Seconds(),
    metavar="SECONDS",
    help="Stop a worker that takes longer than this for one network; default: never.",
)
@click.option(
    "--checkpoint",
    type=arguments.Seconds(),
    default=60.0,
    metavar="SECONDS",
    help="Time between checkpoints of a network; default: 60.",
)
@arguments.device_option
@click.option(
    "--mix-devices", is_flag=True, help="Finish what another device began, with other last bits."
)
@arguments.executor_option
@arguments.scheduler_option
@arguments.metric_option
@arguments.sort_option
@arguments.spread_option
@click.option(
    "--table",
    "table_format",
    type=click.Choice(arguments.TABLE_FORMATS),
    help="Print the table alone, in this format; all else goes to stderr.",
)
@click.option("--quiet", is_flag=True, help="Print errors only.")
@click.pass_context
def run_command(
    ctx: click.Context,
    experiment: str,
    assignments: tuple[str, ...],
    seeds: str | None,
    jobs: int | None,
    out: str | None,
    data_dir: Path | None,
    dry_run: bool,
    fresh: bool,
    cell_timeout: float | None,
    checkpoint: float,
    device: str,
    mix_devices: bool,
    executor: str,
    scheduler: str | None,
    metric: str | None,
    sort: str | None,
    spread: str,
    table_format: str | None,
    quiet: bool,
) -> None:
    """Train an experiment's networks and draw its figures.

    EXPERIMENT is the name of a shipped experiment, the path of a YAML file, or - for standard
    input. Running again trains
    only what is missing or changed. Exit status 1 if a network failed or a figure could not be
    drawn; all else is kept.

    It ends with a table: the mean over the seeds and their standard deviation, or what --metric,
    --sort and --spread say. `bnexp table` prints it again.

    \b
    Example: bnexp run weight_scale --seeds 3 --set train.epochs=10 --out results/short
             bnexp run weight_scale --seeds 10 --table latex > table.tex
    """
    from bnexp.execution.workers import early_workers

    workers = jobs or (usable_cores() if device == "cpu" else 1)
    place = arguments.make_executor(executor, scheduler, jobs, cell_timeout)
    trains = place is None and not dry_run and (fresh or not has_networks(experiment, out))
    number = min(workers, MOST_EARLY) if trains and workers > 1 else 0
    early = ctx.with_resource(early_workers(number))  # they import while this process does

    from bnexp import running
    from bnexp.cli.output import (
        ProgressDisplay,
        print_plan,
        print_result,
        print_table,
        print_undrawn,
        unusual_ranges,
    )
    from bnexp.execution.processes import Local
    from bnexp.summary import check_metric
    from bnexp.sweep import make_plan

    place = place or Local(workers, cell_timeout, early)
    config = arguments.load_experiment(experiment, assignments, seeds)
    directory = Path(out or f"results/{config.name}")
    named = config.experiment.data.image_sets
    if metric:
        check_metric(metric, make_plan(config), named)
    if dry_run:
        running.check_device(device, place)
        print_plan(config, directory, data_dir, workers, device)
        return
    ranges = unusual_ranges(config)
    quiet_matplotlib()
    ctx.meta[GOES_ON] = f"the same command{' without --fresh' if fresh else ''} goes on from here"
    try:
        with ProgressDisplay(
            quiet, False, ranges, named["test"], err=table_format is not None
        ) as display:
            result = running.run(
                config,
                directory,
                workers,
                data_dir,
                fresh,
                display.progress,
                checkpoint,
                cell_timeout,
                place,
                device=device,
                mix_devices=mix_devices,
            )
    except NetworksFailed as error:
        if table_format:
            print_table(error.result, metric, sort, spread, table_format)
        elif not quiet:
            print_result(error.result, metric, sort, spread)
        print_undrawn(error.result.undrawn)
        raise
    except (KeyboardInterrupt, Interrupted) as error:
        print_kept(error, display)
        raise
    if table_format:
        print_table(result, metric, sort, spread, table_format)
    elif not quiet:
        print_result(result, metric, sort, spread)
    print_undrawn(result.undrawn)
    if result.undrawn:
        ctx.exit(1)


MOST_EARLY = 8  # workers: it is not known yet how many can be used


def has_networks(experiment: str, out: str | None) -> bool:
    """Whether the run directory has networks, as far as its name is known before the experiment's.

    A file may give its experiment another name: then workers are started early in vain, or late.
    """
    directory = Path(out or f"results/{Path(experiment).stem}")
    return os.path.exists(directory / "cells")  # False for a name that is too long


def print_kept(error: BaseException, display: ProgressDisplay) -> None:
    """What an interrupted run keeps, as far as it is known."""
    if str(error) or display.status.points:
        echo(*(str(error) or display.status.counts()).split("\n"), err=True)


@click.command("replicate")
@arguments.experiment_argument
@arguments.set_option
@click.option(
    "--seeds",
    metavar="N|SEEDS",
    help="5: draw five seeds; 10,11,17 or 10-12: these three; 10,: only 10. Default: as many as "
    "it has.",
)
@click.option(
    "--images",
    type=click.Choice(["keep", "draw"]),
    default="keep",
    help="draw: each seed draws its training and test images, too.",
)
@arguments.jobs_option
@click.option(
    "--out",
    callback=arguments.require_name,
    help="Run directory; default: results/NAME-replication.",
)
@arguments.data_option
@click.option("--quiet", is_flag=True, help="Print errors only.")
@click.pass_context
def replicate_command(
    ctx: click.Context,
    experiment: str,
    assignments: tuple[str, ...],
    seeds: str | None,
    images: str,
    jobs: int | None,
    out: str | None,
    data_dir: Path | None,
    quiet: bool,
) -> None:
    """Judge an experiment's claims on seeds that are not its own.

    The seeds are drawn at random; none is among those that the experiment names. Each verdict is
    printed beside the published one, the claim's `expect`. The same command goes on with the seeds
    of its run directory, a larger number adds some, and a smaller one is refused. Exit status 1 if
    a verdict is reversed.

    \b
    Example: bnexp replicate weight_scale -j 2
    """
    from bnexp.cli.output import ProgressDisplay, print_replication, print_result
    from bnexp.config.document import experiment_text
    from bnexp.replication import replicate

    text = experiment_text(experiment)
    config = arguments.load_experiment(text, assignments, None)
    directory = Path(out or f"results/{config.name}-replication")
    held_out = config.experiment.data.image_sets["test"]
    quiet_matplotlib()
    ctx.meta[GOES_ON] = "the same command goes on from here"
    try:
        with ProgressDisplay(quiet, held_out=held_out) as display:
            replication = replicate(
                text,
                None,
                directory,
                arguments.seeds_or_number(seeds),
                images == "draw",
                jobs or usable_cores(),
                data_dir,
                display.progress,
                assignments,
            )
    except NetworksFailed as error:
        if not quiet:
            print_result(error.result)
        raise
    except (KeyboardInterrupt, Interrupted) as error:
        print_kept(error, display)
        raise
    if not quiet:
        print_replication(replication)
    if replication.reversed:
        ctx.exit(1)


@click.command("check")
@arguments.experiment_argument
@arguments.set_option
@arguments.seeds_option
@arguments.out_option
@arguments.data_option
def check_command(
    experiment: str,
    assignments: tuple[str, ...],
    seeds: str | None,
    out: str | None,
    data_dir: Path | None,
) -> None:
    """Validate an experiment and print what would be trained.

    Nothing is trained or written. It lists what would be drawn, and how much time and memory a run
    needs, roughly.

    \b
    Example: bnexp check my_experiment.yaml
    """
    from bnexp.cli.output import print_plan

    config = arguments.load_experiment(experiment, assignments, seeds)
    directory = Path(out or f"results/{config.name}")
    print_plan(config, directory, data_dir, usable_cores())
