"""The commands that take an experiment: `run` and `check`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from bnexp.cli.arguments import (
    cluster,
    cores,
    data_option,
    executor_option,
    experiment_argument,
    jobs_option,
    out_option,
    scheduler_option,
    seed_list,
    seeds_option,
    set_option,
)
from bnexp.cli.group import Interrupted
from bnexp.errors import NetworksFailed


@click.command()
@experiment_argument
@set_option
@seeds_option
@jobs_option
@out_option
@data_option
@click.option("--dry-run", is_flag=True, help="Print what would be trained; write nothing.")
@click.option("--fresh", is_flag=True, help="Train everything again.")
@click.option(
    "--cell-timeout",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    help="Stop a worker that takes longer than this for one network; default: never.",
)
@click.option(
    "--checkpoint",
    type=click.FloatRange(0, min_open=True),
    default=60.0,
    metavar="SECONDS",
    help="Time between checkpoints of a network; default: 60.",
)
@executor_option
@scheduler_option
@click.option("--quiet", is_flag=True, help="Print errors only.")
def run(
    experiment: str,
    assignments: tuple[str, ...],
    seeds: str | None,
    jobs: int | None,
    out: Path | None,
    data_dir: Path | None,
    dry_run: bool,
    fresh: bool,
    cell_timeout: float | None,
    checkpoint: float,
    executor: str,
    scheduler: str | None,
    quiet: bool,
) -> None:
    """Train an experiment's networks and draw its figures.

    EXPERIMENT is the name of a shipped experiment or the path of a YAML file. Running again trains
    only what is missing or changed.

    \b
    Example: bnexp run weight_scale --seeds 3 --set train.epochs=10 --out results/short
    """
    from bnexp import running
    from bnexp.cli import progress
    from bnexp.cli.output import print_plan, print_result

    place = cluster(executor, scheduler, jobs, cell_timeout)
    config = _config(experiment, assignments, seeds)
    out = out or Path("results") / config.name
    if dry_run:
        print_plan(config, out, data_dir)
        return
    try:
        with progress.Watch(quiet) as watch:
            result = running.run(
                config,
                out,
                jobs or cores(),
                data_dir,
                fresh,
                watch.progress,
                checkpoint,
                cell_timeout,
                place,
            )
    except NetworksFailed as error:
        print_result(error.result, quiet)
        raise
    except (KeyboardInterrupt, Interrupted):
        click.echo(watch.standing.said(), err=True)
        raise
    print_result(result, quiet)


@click.command()
@experiment_argument
@set_option
@seeds_option
@out_option
@data_option
def check(
    experiment: str,
    assignments: tuple[str, ...],
    seeds: str | None,
    out: Path | None,
    data_dir: Path | None,
) -> None:
    """Validate an experiment and print what would be trained.

    Nothing is trained or written.

    \b
    Example: bnexp check my_experiment.yaml
    """
    pass

    config = _config(experiment, assignments, seeds)
    from bnexp.cli.output import print_plan

    print_plan(config, out or Path("results") / config.name, data_dir)


def _config(experiment: str, assignments: tuple[str, ...], seeds: str | None) -> Any:
    from bnexp.config import load_config

    given = () if seeds is None else (f"random.seeds={seed_list(seeds)}",)
    return load_config(experiment, assignments=(*assignments, *given))
