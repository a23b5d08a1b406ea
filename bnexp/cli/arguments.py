"""Arguments and options that several commands share, and what their values mean."""

from __future__ import annotations

import math
import os
import re
import sys
from collections.abc import Iterable
from dataclasses import MISSING, fields
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from bnexp.errors import ConfigError
from bnexp.execution import EXECUTORS
from bnexp.registry import Registry

if TYPE_CHECKING:
    from bnexp.config.document import ExperimentText


def require_name(ctx: click.Context, parameter: click.Parameter, value: str | None) -> str | None:
    """The value of an option that names a folder; BadParameter if it is blank.

    A blank one, as from a shell variable that is not set, would mean the current folder.
    """
    if value is not None and not value.strip():
        raise click.BadParameter("expected a folder, got an empty name", ctx, parameter)
    return value and expand_home(value, parameter, ctx)


def expand_home(value: str, parameter: click.Parameter | None, ctx: click.Context | None) -> str:
    """The path with its home folder in the place of `~`; BadParameter if there is none."""
    path = os.path.expanduser(value)
    if path.startswith("~"):
        raise click.BadParameter(
            f"expected a path, got {value!r}, and no home folder is known for it; write the path "
            "in full, or with ./ before a name that begins with ~",
            ctx,
            parameter,
        )
    return path


class PathType(click.Path):
    """A path, in which `~` is the home folder: shells leave it alone in `--out=~/results`."""

    def __init__(self, **options: Any) -> None:
        super().__init__(path_type=Path, readable=False, **options)  # who reads it says so

    def convert(
        self, value: Any, parameter: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        if not os.fspath(value).strip():  # as from a shell variable that is not set
            self.fail("expected a path, got an empty name", parameter, ctx)
        return super().convert(expand_home(os.fspath(value), parameter, ctx), parameter, ctx)


class Seconds(click.ParamType):  # type: ignore[type-arg]
    """A number of seconds: positive, and neither infinite nor NaN."""

    name = "seconds"

    def convert(
        self, value: Any, parameter: click.Parameter | None, ctx: click.Context | None
    ) -> float:
        try:
            seconds = float(value)
        except ValueError:
            seconds = math.nan
        if not 0 < seconds < math.inf:
            self.fail(f"expected a number of seconds > 0, got {value}", parameter, ctx)
        return seconds


class RegistryChoice(click.Choice):  # type: ignore[type-arg]
    """The names of a registry when the command runs: a module of `--import` may have added some."""

    def __init__(self, registry: Registry[Any]) -> None:
        self._registry = registry
        super().__init__(())

    @property
    def choices(self) -> tuple[Any, ...]:
        return tuple(self._registry)

    @choices.setter
    def choices(self, names: tuple[Any, ...]) -> None:
        """Ignored: what click sets are the names when the command was defined."""


experiment_argument = click.argument("experiment")
set_option = click.option(
    "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Set a config key; repeatable."
)
seeds_option = click.option(
    "--seeds",
    metavar="N|SEEDS|design",
    help="5: the five seeds 0 to 4; 0: only seed 0; 1-3 or 1..3: seeds 1, 2 and 3; 1,5,7: these; "
    "3,: only 3; design: random.design_seeds.",
)
jobs_option = click.option(
    "-j", "--jobs", type=click.IntRange(1, 256), help="Worker processes; default: one per core."
)
out_option = click.option(
    "--out", callback=require_name, help="Run directory; default: results/NAME."
)


def require_data_dir(
    ctx: click.Context, parameter: click.Parameter, value: Path | None
) -> Path | None:
    """The value of --data-dir; DataError if it is no folder, also where no data are needed."""
    if value is not None:
        from bnexp.data.idx import check_data_dir

        check_data_dir(value)
    return value


data_option = click.option(
    "--data-dir",
    type=PathType(),
    callback=require_data_dir,
    help="Folder of the MNIST files; default: BNEXP_DATA_DIR, else a download.",
)
device_option = click.option(
    "--device",
    type=click.Choice(["cpu", "cuda"]),
    default="cpu",
    help="Train on the CPU (default) or on an NVIDIA GPU, which needs bnexp[gpu].",
)
executor_option = click.option(
    "--executor",
    type=RegistryChoice(EXECUTORS),
    default="local",
    help="Train on this machine (default) or on a dask cluster.",
)
scheduler_option = click.option(
    "--scheduler", metavar="ADDRESS|FILE", help="The cluster's scheduler, with --executor dask."
)
metric_option = click.option(
    "--metric",
    metavar="NAME",
    help="The table's numbers, such as loss, best_test_loss or seconds; default: test accuracy.",
)
sort_option = click.option(
    "--sort",
    type=click.Choice(["sweep", "best"]),
    help="The table's rows as in the sweep, or best first; default: best in a random search.",
)
spread_option = click.option(
    "--spread",
    type=click.Choice(["std", "range", "interval", "none"]),
    default="std",
    help="What the table shows of several seeds beside their mean; default: std.",
)
TABLE_FORMATS = ("text", "markdown", "latex", "csv")
import_option = click.option(
    "--import",
    "modules",
    metavar="MODULE",
    multiple=True,
    help="First import a module with your own classes, from this folder or installed; repeatable.",
)


def import_modules(names: Iterable[str]) -> None:
    """Import the modules of `--import`, from the current folder or installed ones.

    The folder is searched last, so that no other file in it takes the place of Python's own modules
    or of installed ones. Worker processes are given the same path.

    ConfigError if there is no such module, if it raises an error, or if the folder has one and
    Python knows another of its name.
    """
    if os.getcwd() not in sys.path:
        sys.path.append(os.getcwd())
    for name in names:
        if not all(part.isidentifier() for part in name.split(".")):
            raise ConfigError(f"--import {name}: expected a module's name such as my_norms")
        try:
            module = import_module(name)
        except Exception as error:  # whatever the user's code raises
            missing = error.name if isinstance(error, ModuleNotFoundError) else None
            if not (missing and f"{name}.".startswith(f"{missing}.")):
                raise ConfigError(
                    f"--import {name}: the module raised {type(error).__name__}: {error}"
                ) from None
            stem = name.removesuffix(".py")
            hint = "" if stem == name else f"; did you mean {stem}?"
            raise ConfigError(
                f"--import {name}: no such module, expected the name of an installed one or of "
                f"{stem.replace('.', '/')}.py in {os.getcwd()}{hint}"
            ) from None
        file = Path(f"{name.replace('.', '/')}.py").resolve()
        origin = getattr(module, "__file__", None)
        if file.is_file() and (origin is None or Path(origin).resolve() != file):
            raise ConfigError(
                f"--import {name}: expected {file}, got {origin or 'a module of Python itself'}, "
                "which has the same name; rename the file"
            )


def load_experiment(
    experiment: str | ExperimentText, assignments: tuple[str, ...], seeds: str | None
) -> Any:
    """The `Config` of an experiment with the overrides of the command line.

    experiment: the name of a shipped experiment, the path of a YAML file or "-"; or its text.
    assignments: the values of --set, `KEY=VALUE` each.
    seeds: the value of --seeds, which overrides `random.seeds`.
    """
    from bnexp.config import load_config
    from bnexp.config.document import experiment_text

    if isinstance(experiment, str):
        experiment = experiment_text(experiment)
    if seeds == "design":
        design = load_config(experiment, assignments=assignments).experiment.random.design_seeds
        if design is None:
            raise ConfigError(
                f"--seeds design: {experiment} has no random.design_seeds, expected a list of them "
                "there, or --seeds with numbers"
            )
        assignments = (*assignments, f"random.seeds={list(design)}")
    elif seeds is not None:
        assignments = (*assignments, f"random.seeds={seed_numbers(seeds)}")
    return load_config(experiment, assignments=assignments)


MAX_SEEDS = 1000
_SEED = r"\d{1,10}"
_SEED_RANGE = re.compile(rf"({_SEED})(?:-|\.\.)({_SEED})")


def seed_numbers(text: str) -> list[int]:
    """The seeds that the value of --seeds means: a number of seeds, or seeds and ranges of them.

    BadParameter if it means none, or more than MAX_SEEDS.

    >>> seed_numbers("5"), seed_numbers("0"), seed_numbers("3,")
    ([0, 1, 2, 3, 4], [0], [3])
    >>> seed_numbers("1-3"), seed_numbers("8..9"), seed_numbers("1,5-6")
    ([1, 2, 3], [8, 9], [1, 5, 6])
    """
    if re.fullmatch(_SEED, text.strip()) and 1 <= int(text) <= MAX_SEEDS:
        return list(range(int(text)))
    seeds: list[int] = []
    # "0" is no number of seeds; any other number alone needs a comma to be a seed.
    parts = text.removesuffix(",").split(",") if "," in text else [text]
    for part in map(str.strip, parts):
        ends = _SEED_RANGE.fullmatch(part)
        if ends is None and not (re.fullmatch(_SEED, part) and ("," in text or int(part) == 0)):
            break
        first, last = (int(ends[1]), int(ends[2])) if ends else (int(part), int(part))
        if not first <= last < first + MAX_SEEDS:
            break
        seeds += range(first, last + 1)
    else:
        if len(seeds) <= MAX_SEEDS:
            return seeds
    raise click.BadParameter(
        f"expected a number of seeds (1 to {MAX_SEEDS}; 0 is seed 0), a list such as 1,5,7, a "
        "range such as 1-3 or 0..9 with the smaller seed first, for one seed alone its number and "
        f"a comma, or design for random.design_seeds, got {text!r}",
        param_hint="--seeds",
    )


def seeds_or_number(text: str | None) -> int | list[int] | None:
    """What --seeds of `replicate` means: how many seeds to draw, or which ones to take.

    >>> seeds_or_number("5"), seeds_or_number("0,1,7"), seeds_or_number("12-14")
    (5, [0, 1, 7], [12, 13, 14])
    """
    if text is None:
        return None
    seeds = seed_numbers(text)
    return len(seeds) if text.strip().isdecimal() and int(text) > 0 else seeds


def make_executor(
    name: str, scheduler: str | None, jobs: int | None, cell_timeout: float | None
) -> Any:
    """The executor that --executor names, with the options that it has; None for this machine.

    UsageError if an option that it needs is missing, or if it does not have one that is given.
    """
    if name == "local" and scheduler is None:
        return None
    executor = EXECUTORS[name]
    needs_scheduler = any(f.name == "scheduler" and f.default is MISSING for f in fields(executor))
    if needs_scheduler != bool(scheduler):
        named = "dask" if name == "local" else name
        raise click.UsageError(f"--executor {named} and --scheduler: expected both or neither")
    options = {"scheduler": scheduler, "workers": jobs, "cell_timeout": cell_timeout}
    known = {each.name for each in fields(executor)}
    for option, key in (("--jobs", "workers"), ("--cell-timeout", "cell_timeout")):
        if options[key] is not None and key not in known:
            raise click.UsageError(f"{option}: is for this machine, not for --executor {name}")
    return executor(**{key: value for key, value in options.items() if value is not None})
