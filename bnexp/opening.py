"""A run directory as it stands: its own config, its plan, and what has been trained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bnexp.config import Config, load_config
from bnexp.errors import BnexpError, ConfigError
from bnexp.plan import Plan, make_plan
from bnexp.store import RunDirectory
from bnexp.store.directory import Found
from bnexp.tables import Results, results


@dataclass(frozen=True)
class Opened:
    """What `opened` found; `tables` are of the finished networks."""

    config: Config
    plan: Plan
    found: Found
    tables: Results


def opened(directory: Path) -> Opened:
    """Read a run directory; trains and writes nothing. ConfigError where it is none."""
    path = directory / "config.yaml"
    if not path.is_file():
        raise ConfigError(
            f"{directory}: not a run directory, expected a config.yaml in it; `bnexp run` makes one"
        )
    config = load_config(path)
    plan = make_plan(config)
    found = RunDirectory(directory).find(plan.cells, None)
    return Opened(config, plan, found, results(config.experiment, plan, found.records))


def finished(directory: Path) -> Opened:
    """As `opened`; BnexpError where no network is finished."""
    made = opened(directory)
    if not made.found.records:
        raise BnexpError(f"{directory}: no finished network, expected some; run the experiment")
    return made
