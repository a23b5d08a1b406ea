"""The commands. Everything heavy is imported inside them, so that `bnexp --help` is quick."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path
from typing import Any

import click

from bnexp import __version__
from bnexp.cli.group import INTERRUPTED, Commands, Interrupted
from bnexp.errors import NetworksFailed

# A closed terminal, where there is such a thing, stops a run in order too.
STOPPING = (
    signal.SIGINT,
    signal.SIGTERM,
    *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []),
)
experiment_argument = click.argument("experiment")
set_option = click.option(
    "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Set a config key; repeatable."
)
seeds_option = click.option(
    "--seeds", metavar="N|LIST", help="5: seeds 0 to 4; 0,1,7: these; 3,: this one."
)


def _named(ctx: click.Context, parameter: click.Parameter, value: str | None) -> Path | None:
    """A path; an empty one, as from a variable that is not set, would be the current folder."""
    if value is not None and not value.strip():
        raise click.BadParameter("expected a folder, got an empty name", ctx, parameter)
    return None if value is None else Path(value)


out_option = click.option("--out", callback=_named, help="Run directory; default results/NAME.")
data_option = click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    help="Folder of MNIST's IDX files; default BNEXP_DATA_DIR, else a download.",
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
@click.option("-j", "--jobs", type=click.IntRange(1, 256), help="Worker processes; default: cores.")
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
                jobs or _cores(),
                data_dir,
                fresh,
                bar.progress,
                checkpoint,
                cell_timeout,
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


@cli.group()
def data() -> None:
    """Fetch, verify and describe data sets.

    \b
    Example: bnexp data fetch
    """


@data.command()
def fetch() -> None:
    """Download MNIST (11 MB) into the cache, its SHA-256 checked.

    \b
    Example: bnexp data fetch
    """
    from bnexp import data as datasets

    for path in datasets.fetch():
        click.echo(str(path))


@data.command()
@data_option
def verify(data_dir: Path | None) -> None:
    """Compare the MNIST files with their known SHA-256.

    \b
    Example: bnexp data verify --data-dir ~/mnist
    """
    from bnexp import data as datasets
    from bnexp.errors import DataError

    checks = datasets.verify(data_dir)
    for check in checks:
        click.echo(str(check))
    if any(check.status != "ok" for check in checks):
        raise DataError("not all files are MNIST's; `bnexp data fetch` downloads them")


@data.command()
@click.argument("name", default="mnist")
@data_option
def info(name: str, data_dir: Path | None) -> None:
    """Say where a data set comes from, its sizes and its classes.

    NAME is mnist, mnist-5k, synthetic or a folder of IDX files.

    \b
    Example: bnexp data info mnist-5k
    """
    from bnexp import data as datasets

    for key, value in datasets.info(name, data_dir=data_dir).items():
        click.echo(f"{key.replace('_', ' '):<20}{value}")


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

    given = () if seeds is None else (f"random.seeds={_seeds(seeds)}",)
    return load_config(experiment, assignments=(*assignments, *given))


def _seeds(text: str) -> str:
    """`5` -> [0, 1, 2, 3, 4]; `0,1,7` -> [0, 1, 7]."""
    parts = [part.strip() for part in text.removesuffix(",").split(",")]
    short = all(part.isdecimal() and len(part) <= 10 for part in parts)
    several = "," in text
    if not short or not (several or 1 <= int(parts[0]) <= 1000):
        raise click.BadParameter(
            f"expected a number of seeds (1 to 1000) or a list such as 0,1,2, got {text!r}",
            param_hint="--seeds",
        )
    return f"[{', '.join(parts)}]" if several else str(list(range(int(parts[0]))))


def _cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


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
