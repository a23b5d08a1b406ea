"""When networks are scored: evaluation points in steps, 0 being before the first update."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

Rule = Literal["book", "epoch", "cs231n"]


def steps_per_epoch(images: int, batch_size: int, sampling: str) -> int:
    """Updates that count as one pass; drawing with replacement, the book's and CS231n's N // B."""
    if sampling == "shuffle":
        return math.ceil(images / batch_size)
    return max(images // batch_size, 1)


def points(rule: Rule | int | Sequence[int], steps: int, per_epoch: int) -> tuple[int, ...]:
    """The steps to evaluate after, ascending and at most `steps`; `rule` may be an interval."""
    if isinstance(rule, int):
        return tuple(range(rule, steps + 1, rule)) or (steps,)
    if not isinstance(rule, str):
        return tuple(rule)
    ends = [*range(per_epoch, steps, per_epoch), steps]
    starts = range(1, steps + 1, per_epoch) or (steps,)
    table = {"book": starts, "epoch": ends, "cs231n": sorted({1, *ends})}
    return tuple(table[rule])
