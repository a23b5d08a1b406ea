"""Which evaluations, or which steps that were probed, a measure is taken from."""

from __future__ import annotations

from collections.abc import Sequence

from bnexp.claims.sweep import Unfit
from bnexp.config.measures import AtEpoch, AtStep, MeanFrom, MeanOfLast, OfMetric, OfQuantity

NAMES = {"final": slice(-1, None), "first": slice(0, 1), "mean": slice(None), "best": slice(None)}


def evaluations(measure: OfMetric, steps: Sequence[int], epochs: Sequence[float]) -> list[int]:
    """The numbers of the evaluations that count; an epoch is its first evaluation.

    Raises Unfit where there is no such evaluation.
    """
    at, every = measure.at, list(range(len(steps)))
    if isinstance(at, MeanOfLast):
        if at.mean_of_last > len(steps):
            text = f"more than there are, expected at most {len(steps)} evaluations"
            raise Unfit(("at", "mean_of_last"), f"{text}, got {at.mean_of_last}")
        return every[-at.mean_of_last :]
    if isinstance(at, AtStep):
        return [_exactly(at.step, steps, "step", "scored", ("at", "step"))]
    if isinstance(at, AtEpoch):
        return [_exactly(at.epoch, epochs, "epoch", "scored", ("at", "epoch"))]
    return every[NAMES[at]]


def read_steps(measure: OfQuantity, steps: Sequence[int]) -> list[int]:
    """The steps that count among those that were read. Raises Unfit where there is none."""
    when = measure.step
    if isinstance(when, MeanFrom):
        if when.mean_from > steps[-1]:
            text = f"after the last, expected at most step {steps[-1]}, got {when.mean_from}"
            raise Unfit(("step", "mean_from"), text)
        return [step for step in steps if step >= when.mean_from]
    if isinstance(when, int):
        return [steps[_exactly(when, steps, "step", "probed", ("step",))]]
    return list(steps)[NAMES[when]]


def _exactly(
    wanted: float, there: Sequence[float], word: str, done: str, path: tuple[str, ...]
) -> int:
    for i, value in enumerate(there):
        if value == wanted:
            return i
    near = min(there, key=lambda value: abs(value - wanted))
    text = f"not a {word} that is {done}, expected one of {abridged(there, 6, 3)}, got {wanted:g}"
    raise Unfit(path, f"{text}; the nearest is {near:g}")


def abridged(numbers: Sequence[float], most: int, first: int) -> str:
    """Up to `most` of them, of more the first ones and the last."""
    texts = [f"{number:g}" for number in dict.fromkeys(numbers)]
    return ", ".join(texts if len(texts) <= most else [*texts[:first], "...", texts[-1]])
