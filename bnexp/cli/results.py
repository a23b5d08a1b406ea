"""The commands of run directories: table, plot, claims, report, site, compare, verify and export.

None of them trains what is missing. `table` prints the results to read or to paste. `plot` and
`claims` write the directory's figures and verdicts again; `report`, `site` and `export` write its
numbers in other forms; `compare` and `verify` ask whether numbers repeat, and answer by the exit
status too.

The name of a shipped experiment stands for its shipped result (`bnexp.runs.references`), of which a
line on stderr says where it is.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path

import click

from bnexp.cli import arguments
from bnexp.cli.terminal import echo, quiet_matplotlib
from bnexp.errors import Interrupted
from bnexp.exports import EXPORTS
from bnexp.machine import usable_cores

BAR_DELAY = 2.0  # seconds of writing an export before a bar is shown


def tell_shipped(*names: Path | None) -> None:
    """Say which of the run directories that are named are shipped results, and where they are."""
    from bnexp.runs.references import find_run

    for name in filter(None, names):
        place = find_run(name)
        if place.is_shipped:
            echo(f"{name}: the result shipped with bnexp, {place.directory}", err=True)


@click.command("table")
@click.argument("directory", metavar="DIR", type=arguments.PathType())
@arguments.metric_option
@arguments.sort_option
@arguments.spread_option
@click.option(
    "--to",
    "--table",
    "table_format",
    type=click.Choice(arguments.TABLE_FORMATS),
    default="text",
    help="The format; default: text.",
)
def table_command(
    directory: Path, metric: str | None, sort: str | None, spread: str, table_format: str
) -> None:
    """Print a run directory's results as a table, to read or to paste.

    A number for each point of the sweep: the mean over its seeds, and their standard deviation,
    range or 95 % interval. DIR may be the name of a shipped experiment, for its shipped result.

    \b
    markdown   for GitHub, notebooks and Pandoc
    latex      with its caption and the rules of booktabs
    csv        a row for each point, all numbers in full

    \b
    Example: bnexp table results/quickstart --metric train_loss
             bnexp table weight_scale --to latex > table.tex
    """
    from bnexp.cli.output import print_table
    from bnexp.result import load_run

    tell_shipped(directory)
    print_table(load_run(directory), metric, sort, spread, table_format)


@click.command("plot")
@click.argument("directory", type=arguments.PathType())
@click.option("--figure", "kind", metavar="KIND", help="Draw one figure into a file of its own.")
@click.option(
    "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Set an option of --figure."
)
@click.option("--title", help="The title of --figure; default: the experiment's.")
@click.option("--style", help="The style of --figure: light, dark, slide or print.")
@click.option("--size", type=float, metavar="INCHES", help="The width of --figure.")
@click.option("--dpi", type=float, help="Pixels in an inch of --figure.")
@click.option("--format", "file_format", help="The format of --figure: png, svg or pdf.")
@click.option(
    "--out",
    type=arguments.PathType(dir_okay=False),
    metavar="FILE",
    help="The file of --figure, with the format's ending; default: NAME-KIND.png here.",
)
@click.pass_context
def plot_command(
    ctx: click.Context,
    directory: Path,
    kind: str | None,
    assignments: tuple[str, ...],
    title: str | None,
    style: str | None,
    size: float | None,
    dpi: float | None,
    file_format: str | None,
    out: Path | None,
) -> None:
    """Draw a run directory's figures again, or one figure of your own.

    DIRECTORY may be the name of a shipped experiment, whose shipped result is then drawn into
    results/NAME-shipped. Exit status 1 if one cannot be drawn; the others are drawn all the same.

    With --figure one figure of any kind is drawn into a file of its own, and the run directory
    stays as it is. `bnexp explain figures` lists the kinds and their options.

    \b
    Example: bnexp plot results/quickstart
             bnexp plot weight_scale --figure scale --style dark --out slide.png
             bnexp plot weight_scale --figure curves --set panel_axis=model.norm --out book.svg
    """
    from bnexp import plots
    from bnexp.cli.output import print_undrawn

    tell_shipped(directory)
    quiet_matplotlib()
    picture = plots.Picture(title, style or "light", size, dpi, file_format)
    if kind is not None:
        echo(str(plots.plot_one(directory, kind, assignments, picture, out)))
        return
    if assignments or out or style or picture != plots.Picture():
        of_one = "--set, --title, --style, --size, --dpi, --format and --out"
        own = " or ".join(f"--figure {kind}" for kind in plots.drawn_kinds(directory)[:3])
        text = f"{of_one} are for one figure: name its kind with --figure"
        raise click.UsageError(f"{text}; this run has {own}" if own else text)
    drawn = plots.replot(directory)
    if drawn.files or not drawn.failures:
        echo(*(map(str, drawn.files) if drawn.files else [f"{directory}: nothing to draw"]))
    print_undrawn(drawn.failures)
    if drawn.failures:
        ctx.exit(1)


@click.command("claims")
@click.argument("directory", type=arguments.PathType())
@click.pass_context
def claims_command(ctx: click.Context, directory: Path) -> None:
    """Judge a run directory's claims again.

    DIRECTORY may be the name of a shipped experiment, for its shipped result. Exit status 1 if a
    claim does not hold.

    \b
    Example: bnexp claims results/weight_scale
    """
    from bnexp import running
    from bnexp.cli.output import print_verdicts

    tell_shipped(directory)
    verdicts = running.judge_again(directory)
    if not verdicts:
        echo(f"{directory}: nothing is claimed")
    print_verdicts(verdicts)
    if any(verdict.verdict == "refuted" for verdict in verdicts):
        ctx.exit(1)


@click.command("report")
@click.argument("directory", metavar="DIR", type=arguments.PathType())
@click.argument("other", metavar="[OTHER]", required=False, type=arguments.PathType())
@click.option(
    "--out",
    type=arguments.PathType(dir_okay=False),
    metavar="FILE",
    help="Where the page goes; default: DIR/report.html, or DIR/report-OTHER.html.",
)
def report_command(directory: Path, other: Path | None, out: Path | None) -> None:
    """Write figures, claims and numbers as one HTML file.

    The file works offline. With OTHER, a second run directory, it shows the two side by side.
    Either may be the name of a shipped experiment, for its shipped result, whose page goes to
    results/NAME-shipped.

    \b
    Example: bnexp report results/quickstart
             bnexp report weight_scale
    """
    from bnexp.report import write_report

    tell_shipped(directory, other)
    quiet_matplotlib()
    echo(str(write_report(directory, out, other)))


@click.command("site")
@click.argument("directories", metavar="DIR...", nargs=-1, required=True, type=arguments.PathType())
@click.option(
    "--out",
    default="site",
    callback=arguments.require_name,
    metavar="FOLDER",
    help="Where the site goes; default: site.",
)
def site_command(directories: tuple[Path, ...], out: str) -> None:
    """Write the pages of many runs, with an index, as a static site.

    Each run has the page that `bnexp report` writes. The index, FOLDER/index.html, has thumbnails,
    a search and the verdicts. The folder works offline and on any web server; an earlier site in it
    is replaced as a whole. DIR may be the name of a shipped experiment, for its shipped result.

    \b
    Example: bnexp site results/quickstart weight_scale --out class_page
    """
    from bnexp.progress import import_tqdm
    from bnexp.report import write_site

    bar = partial(import_tqdm(), unit=" runs", disable=None, delay=BAR_DELAY, leave=False)
    echo(str(write_site(directories, out, bar)))


@click.command("compare")
@click.argument("first", metavar="A", type=arguments.PathType())
@click.argument("second", metavar="B", type=arguments.PathType())
@click.option(
    "--tolerance",
    type=click.FloatRange(0),
    default=0.0,
    help="Allowed deviation, relative for numbers above 1; default: 0.",
)
@click.pass_context
def compare_command(ctx: click.Context, first: Path, second: Path, tolerance: float) -> None:
    """Compare two run directories: settings and numbers.

    Compares config, environment, data and every number; networks are paired by their swept values
    and seed. Either may be the name of a shipped experiment, for its shipped result, also as
    results/reference/NAME. Exit status 1 if a number deviates beyond the tolerance, or if no
    network is in both.

    \b
    Example: bnexp compare results/quickstart results/faster
             bnexp compare results/rank results/reference/rank
    """
    from bnexp import comparison

    tell_shipped(first, second)
    result = comparison.compare(first, second, tolerance)
    echo(*comparison.compare_lines(result))
    ctx.exit(result.exit_status)


@click.command("verify")
@click.argument("directory", type=arguments.PathType())
@click.option("--sample", type=click.IntRange(1), metavar="N", help="Train only N of the networks.")
@arguments.jobs_option
@arguments.device_option
@arguments.data_option
@click.option(
    "--tolerance",
    type=click.FloatRange(0),
    default=1e-6,
    help="Allowed deviation, relative for numbers above 1; default: 1e-6.",
)
@click.pass_context
def verify_command(
    ctx: click.Context,
    directory: Path,
    sample: int | None,
    jobs: int | None,
    device: str,
    data_dir: Path | None,
    tolerance: float,
) -> None:
    """Train networks again and compare every number.

    Nothing is written. Exit status 1 if a network differs or fails, 4 if a stored one is damaged. A
    folder without cells is compared by its tables, and so is the shipped result of an experiment,
    by its name.

    \b
    Example: bnexp verify results/quickstart --sample 8
    """
    from bnexp import comparison
    from bnexp.cli.output import ProgressDisplay

    tell_shipped(directory)
    try:
        with ProgressDisplay(quiet=False, again=True) as display:
            verification = comparison.verify(
                directory,
                sample,
                jobs or (usable_cores() if device == "cpu" else 1),
                data_dir,
                tolerance,
                display.progress,
                device=device,
            )
    except (KeyboardInterrupt, Interrupted):
        echo(f"interrupted: {display.status.counts()}; nothing was written", err=True)
        ctx.exit(Interrupted.exit_status)
    echo(*comparison.verify_lines(verification))
    ctx.exit(verification.exit_status)


@click.command("export")
@click.argument("directory", metavar="DIR", type=arguments.PathType())
@click.option("--to", required=True, type=arguments.RegistryChoice(EXPORTS), help="The format.")
@click.option(
    "--out",
    callback=arguments.require_name,
    metavar="PATH",
    help="A folder or, for mlflow, a tracking URI; default: DIR/export/FORMAT.",
)
def export_command(directory: Path, to: str, out: str | None) -> None:
    """Write a run directory's numbers for other programs.

    \b
    parquet      tables with types: pandas, polars, DuckDB
    tensorboard  learning curves, and the sweep under HPARAMS
    mlflow       an experiment with a run for each network

    Each format needs a library: pip install 'bnexp[parquet]', and so on. Exporting again replaces
    what the last export wrote, and nothing else. DIR may be the name of a shipped experiment: its
    shipped result has tables only, for parquet, and goes to results/NAME-shipped.

    \b
    Example: bnexp export results/quickstart --to parquet
    """
    from bnexp.cli.output import print_waiting
    from bnexp.exports.common import export_run
    from bnexp.progress import import_tqdm

    tell_shipped(directory)
    # On a terminal, a bar shows how many networks are written.
    bar = partial(import_tqdm(), unit=" networks", disable=None, delay=BAR_DELAY, leave=False)
    written = export_run(directory, to, out, bar, print_waiting)
    echo(*written.lines)
    echo(f"look at it: {written.view}")
