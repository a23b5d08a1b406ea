"""What is known of an experiment before anything is trained: its data, plan and lengths."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from bnexp import claims, figures
from bnexp.claims import Times
from bnexp.config import Config
from bnexp.config.document import OVERRIDES
from bnexp.config.loading import problems_error
from bnexp.config.messages import Problem
from bnexp.data import Dataset
from bnexp.data.places import data_folder
from bnexp.execution import Record
from bnexp.execution.building import check_shapes
from bnexp.execution.schedule import schedule
from bnexp.execution.task import dataset
from bnexp.plan import Plan, make_plan, make_stacks
from bnexp.store import RunDirectory


@dataclass(frozen=True)
class Prepared:
    """An experiment with its data at hand: everything that is known before training."""

    config: Config
    plan: Plan
    data_dir: Path | None
    data: Mapping[str, Dataset]
    steps: Mapping[str, int]
    left_out: tuple[str, ...] = ()  # figures that do not fit what was overridden, and why


def prepare(config: Config, data_dir: Path | None = None, download: bool = True) -> Prepared:
    """Expand the sweep and load the data; raises before anything is written or trained."""
    plan = make_plan(config)
    config, left_out = fitting_figures(config, plan)
    check_claims(config, plan)
    data_dir = data_folder(data_dir)
    names = dict.fromkeys(cell.setting.data.name for cell in plan.cells)
    data = {name: dataset(name, data_dir, download) for name in names}
    steps: dict[str, int] = {}
    times: dict[str, Times] = {}
    for stack in make_stacks(plan.cells, size=len(plan.cells)):  # one for each structure
        first = stack.cells[0]
        images = data[first.setting.data.name]
        check_shapes(first.setting, images)
        course = schedule(first, len(images.train_labels))
        steps |= {cell.id: course.points[-1] for cell in stack.cells}
        planned = Times(course.per_epoch, course.points, course.probes)
        times |= {cell.id: planned for cell in stack.cells}
    check_claims(config, plan, times)
    return Prepared(config, plan, data_dir, data, steps, left_out)


def fitting_figures(config: Config, plan: Plan) -> tuple[Config, tuple[str, ...]]:
    """The config with the figures that can be drawn, and what is said of the others.

    Only an override can leave a figure out: it may have taken away what an inherited figure shows.
    ConfigError for any other figure that could not be drawn.
    """
    has_test = any(cell.setting.data.test != 0 for cell in plan.cells)
    wanted = config.experiment.figures or ()
    refusals = {
        i: text
        for i, options in enumerate(wanted)
        if (text := figures.check(options, plan, has_test))
    }
    if not refusals:
        return config, ()
    if not config.overridden or _given_from_outside(config):
        problems = [Problem(("figures", i), text) for i, text in refusals.items()]
        raise problems_error(problems, config.document)
    left = tuple(options for i, options in enumerate(wanted) if i not in refusals)
    experiment = config.experiment.model_copy(update={"figures": left or None})
    return replace(config, experiment=experiment), tuple(refusals.values())


def _given_from_outside(config: Config) -> bool:
    at = config.document.values.get(("figures",))
    return at is not None and at.source.startswith(OVERRIDES)


def check_claims(config: Config, plan: Plan, times: Mapping[str, Times] | None = None) -> None:
    """ConfigError where a claim could not be judged; `times` are known once the data are."""
    problems = claims.problems(config.experiment.claims, plan, times)
    if problems:
        raise problems_error(problems, config.document)


def missing(prepared: Prepared, directory: RunDirectory) -> dict[str, str]:
    """Which cells a run would train, and why: by cell id, in the sweep's order."""
    return find(prepared, directory)[1]


def find(prepared: Prepared, directory: RunDirectory) -> tuple[dict[str, Record], dict[str, str]]:
    records: dict[str, Record] = {}
    reasons: dict[str, str] = {}
    for name, images in prepared.data.items():
        cells = [cell for cell in prepared.plan.cells if cell.setting.data.name == name]
        found = directory.find(cells, images.sha256)
        records |= found.records
        reasons |= found.missing
    return records, reasons
