"""What the design promises, and whether one run of the benchmark keeps it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

Rows = Mapping[str, Mapping[str, Any]]
Value = Callable[[Rows, str], float]  # the rows by name, and which statistic: best or median


@dataclass(frozen=True)
class Target:
    """`needs` are the rows that its value is made of; a target with a missing row is left out."""

    what: str
    needs: tuple[str, ...]
    value: Value
    limit: float
    at_most: bool = True


def _ratio(above: str, below: str) -> Value:
    return lambda rows, of: rows[above][of] / rows[below][of]


def _over(whole: str, part: str) -> Value:
    return lambda rows, of: rows[whole][of] - rows[part][of]


def _peak(rows: Rows, of: str) -> float:
    return max(rows[name]["notes"]["peak_mb"] for name in ("command32", "command64"))


def _against(what: str, above: str, below: str, limit: float, at_most: bool = True) -> Target:
    return Target(what, (above, below), _ratio(above, below), limit, at_most)


TARGETS = (
    # One process needs one free core: on a busy machine these two are the ones to trust.
    _against("bnexp / products, float32, 1 process", "bnexp32-1", "floor32-1", 1.2),
    _against("bnexp / products, float64, 1 process", "bnexp64-1", "floor64-1", 1.3),
    _against("bnexp / products, float32, 2 processes", "bnexp32-2", "floor32-2", 1.2),
    _against("bnexp / products, float64, 2 processes", "bnexp64-2", "floor64-2", 1.3),
    _against("bnexp / products, float64, independent", "bnexp64i-2", "floor64-2", 1.2),
    # As it is run: one network after another, the library's threads at work in each.
    _against("PyTorch, 2 threads / bnexp, float32", "torch-1x2", "bnexp32-2", 3.0, False),
    _against("JAX without compiling / bnexp, float32", "jax", "bnexp32-2", 1.5, False),
    _against("1 worker / 2 workers, float32", "bnexp32-1", "bnexp32-2", 1.8, False),
    _against("1 worker / 2 workers, float64", "bnexp64-1", "bnexp64-2", 1.8, False),
    _against("CNN, plain im2col / bnexp", "cnn-numpy", "cnn-bnexp", 5.0, False),
    _against("CNN, PyTorch / bnexp, 1 core", "cnn-torch", "cnn-bnexp", 1.5, False),
    _against("CNN, batch norm, plain im2col / bnexp", "cnnbn-numpy", "cnnbn-bnexp", 5.0, False),
    _against("CNN, batch norm, PyTorch / bnexp, 1 core", "cnnbn-torch", "cnnbn-bnexp", 1.5, False),
    _against("CNN, sweep of 8, PyTorch / bnexp, 2 cores", "cnn8-torch", "cnn8-bnexp", 1.5, False),
    Target(
        "seconds of the command beyond training, float32",
        ("command32", "bnexp32-2"),
        _over("command32", "bnexp32-2"),
        1.0,
    ),
    Target(
        "seconds of the command beyond training, float64",
        ("command64", "bnexp64-2"),
        _over("command64", "bnexp64-2"),
        1.0,
    ),
    Target("a run with nothing to do, CPU seconds", ("again",), lambda r, of: r["again"][of], 0.6),
    Target("bnexp --help, seconds", ("help",), lambda rows, of: rows["help"][of], 0.150),
    Target("largest process of a command, MB", ("command32", "command64"), _peak, 400.0),
)


def judged(rows: Rows) -> list[dict[str, Any]]:
    """Every target whose rows were measured, judged on the best times."""
    table = []
    for target in TARGETS:
        if not all(name in rows for name in target.needs):
            continue
        best, median = target.value(rows, "best"), target.value(rows, "median")
        met = best <= target.limit if target.at_most else best >= target.limit
        facts = {k: v for k, v in asdict(target).items() if k in ("what", "limit", "at_most")}
        table.append({**facts, "best": best, "median": median, "met": bool(met)})
    return table
