"""Arguments and options that several commands share."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from importlib import import_module
from pathlib import Path
from typing import Any

import click

from bnexp.errors import ConfigError


def import_modules(names: Iterable[str]) -> None:
    """Import each module, from the current folder or installed; ConfigError where that fails."""
    if os.getcwd() not in sys.path:  # worker processes are given this path, too
        sys.path.insert(0, os.getcwd())
    for name in names:
        if not all(part.isidentifier() for part in name.split(".")):
            raise ConfigError(f"--import {name}: expected a module's name such as my_norms")
        try:
            import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{name}.".startswith(f"{error.name}."):
                raise _failed(name, error) from None
            module = name.removesuffix(".py")
            hint = "" if module == name else f"; did you mean {module}?"
            raise ConfigError(
                f"--import {name}: no such module, expected the name of an installed one or of "
                f"{module.replace('.', '/')}.py in {os.getcwd()}{hint}"
            ) from None
        except Exception as error:  # whatever the user's code raises
            raise _failed(name, error) from None


def _failed(name: str, error: Exception) -> ConfigError:
    return ConfigError(f"--import {name}: the module raised {type(error).__name__}: {error}")


experiment_argument = click.argument("experiment")
set_option = click.option(
    "--set", "assignments", multiple=True, metavar="KEY=VALUE", help="Set a config key; repeatable."
)
seeds_option = click.option(
    "--seeds", metavar="N|LIST", help="5: seeds 0 to 4; 0,1,7: these three; 3,: only 3."
)
jobs_option = click.option(
    "-j", "--jobs", type=click.IntRange(1, 256), help="Worker processes; default: one per core."
)


def named(ctx: click.Context, parameter: click.Parameter, value: str | None) -> Path | None:
    """A path; an empty one, as from a variable that is not set, would be the current folder."""
    if value is not None and not value.strip():
        raise click.BadParameter("expected a folder, got an empty name", ctx, parameter)
    return None if value is None else Path(value)


out_option = click.option("--out", callback=named, help="Run directory; default: results/NAME.")
data_option = click.option(
    "--data-dir",
    type=click.Path(path_type=Path),
    help="Folder of the MNIST files; default: BNEXP_DATA_DIR, else a download.",
)
executor_option = click.option(
    "--executor",
    type=click.Choice(["local", "dask"]),
    default="local",
    help="Train on this machine (default) or on a dask cluster.",
)
scheduler_option = click.option(
    "--scheduler", metavar="ADDRESS|FILE", help="The cluster's scheduler, with --executor dask."
)


import_option = click.option(
    "--import",
    "modules",
    metavar="MODULE",
    multiple=True,
    help="First import a module with your own classes, from this folder or installed; repeatable.",
)


def seed_list(text: str) -> str:
    """`5` -> [0, 1, 2, 3, 4]; `0,1,7` -> [0, 1, 7]."""
    parts = [part.strip() for part in text.removesuffix(",").split(",")]
    short = all(part.isdecimal() and len(part) <= 10 for part in parts)
    several = "," in text
    if not short or not (several or 1 <= int(parts[0]) <= 1000):
        raise click.BadParameter(
            "expected a number of seeds (1 to 1000), a list such as 0,1,2, or for one seed alone "
            f"its number and a comma, got {text!r}",
            param_hint="--seeds",
        )
    return f"[{', '.join(parts)}]" if several else str(list(range(int(parts[0]))))


def cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cluster(
    executor: str, scheduler: str | None, jobs: int | None, cell_timeout: float | None
) -> Any:
    """The cluster to train on, None for this machine."""
    if (executor == "dask") != bool(scheduler):
        raise click.UsageError("--executor dask and --scheduler: expected both or neither")
    if scheduler is None:
        return None
    for option, value in (("--jobs", jobs), ("--cell-timeout", cell_timeout)):
        if value is not None:
            raise click.UsageError(f"{option}: is for this machine, not for --executor dask")
    from bnexp.execution.dask import Cluster

    return Cluster(scheduler)
