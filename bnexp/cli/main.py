"""The commands. Everything heavy is imported inside them, so that `bnexp --help` is quick."""

from __future__ import annotations

import os
import signal
import sys
from pathlib import Path

import click

from bnexp import __version__
from bnexp.cli import data, explore, results, run
from bnexp.cli.arguments import import_option
from bnexp.cli.group import INTERRUPTED, Commands, Interrupted

# A closed terminal, where there is such a thing, stops a run in order too.
STOPPING = (
    signal.SIGINT,
    signal.SIGTERM,
    *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []),
)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="bnexp")
@import_option
@click.pass_context
def cli(ctx: click.Context, modules: tuple[str, ...]) -> None:
    """See, check and teach what batch normalization does.

    \b
    bnexp run quickstart            train 32 networks and draw the figure
    bnexp list                      list the experiments that come with bnexp
    bnexp new my_scales             start an experiment of your own
    bnexp explain train.optimizer   say what a config key means

    Shell completion: eval "$(_BNEXP_COMPLETE=bash_source bnexp)" (or zsh_source, fish_source).
    """
    if os.environ.get("NO_COLOR"):
        ctx.color = False
    if modules:
        from bnexp.cli import arguments

        arguments.import_modules(modules)


cli.add_command(run.run)
cli.add_command(run.check)
cli.add_command(explore.list_experiments)
cli.add_command(explore.explain)
cli.add_command(explore.schema)
cli.add_command(explore.new)


@cli.command()
@click.argument("directory", type=click.Path(path_type=Path))
def plot(directory: Path) -> None:
    """Draw a run directory's figures again.

    \b
    Example: bnexp plot results/quickstart
    """
    from bnexp import running

    drawn = running.replot(directory)
    click.echo("\n".join(map(str, drawn)) or f"{directory}: nothing to draw")


@cli.command()
@click.argument("directory", type=click.Path(path_type=Path))
@click.pass_context
def claims(ctx: click.Context, directory: Path) -> None:
    """Judge a run directory's claims again.

    Exit status 1 if one is refuted.

    \b
    Example: bnexp claims results/weight_scale
    """
    from bnexp import running
    from bnexp.cli.output import print_verdicts

    found = running.judge_again(directory)
    if not found:
        click.echo(f"{directory}: nothing is claimed")
    print_verdicts(found)
    if any(verdict.verdict == "refuted" for verdict in found):
        ctx.exit(1)


cli.add_command(results.compare)
cli.add_command(results.verify)
cli.add_command(results.report)
cli.add_command(results.export)
cli.add_command(data.data)


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
