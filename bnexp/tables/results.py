"""What a run found, as figures, claims and reports read it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

Value: TypeAlias = float | int | str
Table: TypeAlias = Mapping[str, NDArray[Any]]


@dataclass(frozen=True)
class Axis:
    """A swept config key and its values, in the sweep's order; a structure is its short label."""

    key: str
    values: tuple[Value, ...]

    @property
    def numeric(self) -> bool:
        """Whether every value is a number (true and false are not)."""
        return all(
            isinstance(value, int | float) and not isinstance(value, bool) for value in self.values
        )


def rows(table: Table, chosen: Any) -> Table:
    """The rows that a mask, or a list of their numbers, chooses."""
    return {name: column[chosen] for name, column in table.items()}


def moves_along(pairs: Iterable[tuple[Value, Value]]) -> bool:
    """Of (value of one axis, value of another): the other varies, but not while the one stays."""
    together = set(pairs)
    own, others = {a for a, _ in together}, {b for _, b in together}
    return len(others) > 1 and len(together) == len(own)


@dataclass(frozen=True)
class Results:
    """An experiment's tables: column name to array, all columns of a table equally long.

    metrics: one row an evaluation: cell, seed, one column a swept key, epoch, step, train_loss,
        train_accuracy, test_loss, test_accuracy (NaN if no test images are scored). Failed cells
        may be absent.
    summary: one row a network: cell, seed, one column a swept key, status (ok, diverged, failed),
        diverged_at_step (-1: it did not), final_* and best_* of each metric, seconds.
    probes: one row a number that a probe read: cell, seed, one column a swept key, step (0 = before
        the first update), layer (1 = the first with weights, 0 = the whole network), quantity, at
        (where the number stands within the quantity: a bin's left edge, a percentile, a step size;
        NaN where there is one number only), value.
    """

    name: str
    title: str
    source: str
    axes: tuple[Axis, ...]
    seeds: tuple[int, ...]
    metrics: Table
    summary: Table
    probes: Table = field(default_factory=lambda: {"quantity": np.empty(0, object)})
