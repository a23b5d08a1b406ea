"""The commands. Everything heavy is imported inside them, so that `bnexp --help` is quick."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import click

from bnexp import __version__
from bnexp.cli import datasets, pages, repeating
from bnexp.cli.group import INTERRUPTED, Commands, Interrupted
from bnexp.cli.options import (
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
from bnexp.errors import NetworksFailed

# A closed terminal, where there is such a thing, stops a run in order too.
STOPPING = (
    signal.SIGINT,
    signal.SIGTERM,
    *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []),
)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="bnexp")
def cli() -> None:
    """See, check and teach what batch normalization does.

    \b
    bnexp run quickstart            train 32 networks, draw the figure
    bnexp list                      the experiments that come with bnexp

    Shell completion: eval "$(_BNEXP_COMPLETE=bash_source bnexp)" (or zsh_source, fish_source).
    """


@cli.command()
@experiment_argument
@set_option
@seeds_option
@jobs_option
@out_option
@data_option
@click.option("--dry-run", is_flag=True, help="Say what would be trained; write nothing.")
@click.option("--fresh", is_flag=True, help="Train everything again.")
@click.option(
    "--cell-timeout",
    type=click.FloatRange(0, min_open=True),
    metavar="SECONDS",
    help="End a worker that takes longer for a network; default: never.",
)
@click.option(
    "--checkpoint",
    type=click.FloatRange(0, min_open=True),
    default=60.0,
    metavar="SECONDS",
    help="How often a long training leaves where it stands; default: 60.",
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
    from bnexp.cli import display

    place = cluster(executor, scheduler, jobs, cell_timeout)
    config = _config(experiment, assignments, seeds)
    out = out or Path("results") / config.name
    if dry_run:
        display.plan(config, out, data_dir)
        return
    try:
        with display.Bar(quiet) as bar:
            result = running.run(
                config,
                out,
                jobs or cores(),
                data_dir,
                fresh,
                bar.progress,
                checkpoint,
                cell_timeout,
                place,
            )
    except NetworksFailed as error:
        display.result(error.result, quiet)
        raise
    except (KeyboardInterrupt, Interrupted):
        click.echo(bar.said(), err=True)
        raise
    display.result(result, quiet)


@cli.command("list")
@click.argument("experiment", required=False)
@click.option("--verbose", is_flag=True, help="The question, the set-up and the claims.")
def list_experiments(experiment: str | None, verbose: bool) -> None:
    """List the experiments that come with bnexp by their source, or describe one.

    \b
    Example: bnexp list --verbose book_weight_scale
    """
    from bnexp.cli import listing
    from bnexp.config import shipped

    if experiment is None and not verbose:
        lines = listing.catalogue()
    else:
        names = shipped.names() if experiment is None else [experiment]
        lines = (line for name in names for line in (*listing.description(name), ""))
    click.echo("\n".join(lines).rstrip())


@cli.command()
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
    """Validate an experiment and print its plan; trains and writes nothing.

    \b
    Example: bnexp check my_experiment.yaml
    """
    from bnexp.cli import display

    config = _config(experiment, assignments, seeds)
    display.plan(config, out or Path("results") / config.name, data_dir)


@cli.command()
@click.argument("directory", type=click.Path(path_type=Path))
def plot(directory: Path) -> None:
    """Draw the figures of a run directory again.

    \b
    Example: bnexp plot results/quickstart
    """
    from bnexp import drawing

    for path in drawing.replot(directory):
        click.echo(str(path))


@cli.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.pass_context
def claims(ctx: click.Context, directory: Path) -> None:
    """Judge the claims of a run directory again; exit status 1 if one is refuted.

    \b
    Example: bnexp claims results/weight_scale
    """
    from bnexp import claiming
    from bnexp.cli import display

    found = claiming.judge_again(directory)
    if not found:
        click.echo(f"{directory}: nothing is claimed")
    display.verdicts(found)
    if any(verdict.verdict == "refuted" for verdict in found):
        ctx.exit(1)


cli.add_command(repeating.compare)
cli.add_command(repeating.verify)
cli.add_command(pages.report)
cli.add_command(datasets.data)


@cli.command()
def schema() -> None:
    """Print the JSON Schema of experiments, for editors.

    \b
    Example: bnexp schema > bnexp.schema.json
    """
    import json

    from bnexp.config import json_schema

    click.echo(json.dumps(json_schema(), indent=2))


def _config(experiment: str, assignments: tuple[str, ...], seeds: str | None) -> Any:
    from bnexp.config import load_config

    given = () if seeds is None else (f"random.seeds={seed_list(seeds)}",)
    return load_config(experiment, assignments=(*assignments, *given))


def _interrupted(signum: int, frame: object) -> None:
    """Stop in order; a second signal ends the program at once, and the workers follow it."""
    for number in STOPPING:
        signal.signal(number, lambda signum, frame: os._exit(INTERRUPTED))
    raise Interrupted


def main() -> None:
    """Entry point: `cli`, quiet when the reader of our output has gone."""
    for number in STOPPING:
        signal.signal(number, _interrupted)
    try:
        cli()
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(1)
