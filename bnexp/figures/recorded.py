"""What an experiment records besides its axes: test metrics, and its probes' quantities."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import numpy as np

from bnexp.errors import ConfigError
from bnexp.plan import Plan
from bnexp.tables.results import Results

# Probe kind to the quantities that it records with its options.
QUANTITIES: Mapping[str, Callable[[Any], tuple[str, ...]]] = {
    "layers": lambda options: tuple(options.quantities),
    "histogram": lambda options: (f"{options.of}_density",),
    "percentiles": lambda options: ("percentile",),
    "landscape": lambda options: (
        "loss_along", "relative_loss_along", "gradient_change_along",
        "loss_range", "gradient_change", "smoothness",
    ),
    "covariate_shift": lambda options: ("shift", "shift_relative", "shift_cosine"),
}  # fmt: skip


@dataclass(frozen=True)
class Recorded:
    """Whether test images are scored, and which quantities are read; None: that is not known."""

    tested: bool
    quantities: tuple[str, ...] | None


def planned_records(plan: Plan, tested: bool) -> Recorded:
    """What a plan's networks will record; probes of other packages are not known."""
    probes = [probe for cell in plan.cells[:1] for probe in _probes(cell.setting)]
    if any(probe.kind not in QUANTITIES for probe in probes):
        return Recorded(tested, None)
    names = [name for probe in probes for name in QUANTITIES[probe.kind](probe)]
    return Recorded(tested, tuple(dict.fromkeys(names)))


def found_records(results: Results) -> Recorded:
    """What results hold; where no network was trained, nothing can be said of probes."""
    tested = bool(np.isfinite(results.metrics["test_accuracy"]).any())
    if not len(results.metrics["test_accuracy"]):
        return Recorded(tested, None)
    return Recorded(tested, tuple(dict.fromkeys(results.probes["quantity"].tolist())))


def check_quantity(kind: str, quantity: str, recorded: Recorded) -> None:
    """Raise ConfigError if no probe reads the quantity."""
    if recorded.quantities is None or quantity in recorded.quantities:
        return
    near = get_close_matches(quantity, recorded.quantities, 1)
    hint = f" Did you mean {near[0]}?" if near else ""
    known = ", ".join(recorded.quantities) or "none"
    raise ConfigError(
        f"figure {kind}: quantity {quantity} is not recorded. Recorded: {known}. Add a probe that "
        f"reads it to probes.read.{hint}"
    )


def check_metric(kind: str, metric: str, recorded: Recorded, option: str = "metric") -> None:
    """Raise ConfigError if `metric` is of test images and there are none."""
    if (metric == "gap" or "test" in metric) and not recorded.tested:
        other = metric.replace("test", "train") if "test" in metric else "train_accuracy"
        raise ConfigError(
            f"figure {kind}: {option} {metric} needs test images, and none were scored. "
            f"Set data.test, or draw {option}: {other}."
        )


def _probes(setting: Any) -> tuple[Any, ...]:
    probes = getattr(setting, "probes", None)
    return probes.read if probes else ()
