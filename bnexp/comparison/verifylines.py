"""What `verify` found, as text in 80 columns."""

from __future__ import annotations

from collections.abc import Iterator
from textwrap import wrap

from bnexp.comparison.differences import CAUSES, Difference
from bnexp.comparison.lines import MAX_ROWS, WIDTH, more, table
from bnexp.comparison.verifying import Verification, Verified
from bnexp.wording import counted, cut, short

MAX_TEXT = 60


def verify_lines(found: Verification) -> Iterator[str]:
    """A row for each network that is not identical, then what may explain it, then the counts."""
    shown = [one for one in found.networks if one.outcome not in ("identical", "not trained")]
    if shown:
        keys = ", ".join([*shown[0].point, "seed"])
        head = ["outcome", "deviation", keys, "where: stored -> here"]
        yield from table([head, *map(_row, shown[:MAX_ROWS])], right={1}, wrapped=True)
        yield from more(len(shown) - MAX_ROWS, "networks")
        yield ""
    if any(one.worst or one.outcome == "different" for one in shown):
        yield from _causes(found)
    yield from (f"no {name}: what only it has is not verified" for name in found.unread)
    yield _counted(found)


def _row(one: Verified) -> list[str]:
    network = ", ".join([*map(short, one.point.values()), str(one.seed)])
    if not (worst := one.worst):
        return [one.outcome, "-", network, one.reason]
    numbers = f"{worst.first:.6g}", f"{worst.second:.6g}"
    if numbers[0] == numbers[1]:  # as they are, where they only differ further on
        numbers = repr(worst.first), repr(worst.second)
    return [one.outcome, f"{worst.size:.1e}", network, f"{worst}: {' -> '.join(numbers)}"]


def _causes(found: Verification) -> Iterator[str]:
    """The likely causes of a difference."""
    if found.renamed and not any(one.key == CAUSES["numerics"] for one in found.causes or ()):
        yield "metrics.csv is of other cells: made by another bnexp, or of another config.yaml"
    if found.causes is None:
        yield "no manifest.json: nothing says what the stored numbers were made with"
    elif not found.causes:
        yield from wrap(
            "no difference of environment found: the same data, numerics, BLAS, numpy, processor "
            "and python; the stored numbers may have been changed",
            WIDTH,
        )
    else:
        yield "what may explain it, the likeliest first (stored -> here):"
        rows = [[f"  {one.key}", " -> ".join(_sides(one))] for one in found.causes]
        yield from table(rows, wrapped=True)
    yield ""


def _sides(one: Difference) -> tuple[str, str]:
    return cut(one.first, MAX_TEXT), cut(one.second, MAX_TEXT)


def _counted(found: Verification) -> str:
    counts = found.counts
    parts = [f"{number} {outcome}" for outcome, number in counts.items()]
    parts = [f"{part} ({found.tolerance:g})" if "within" in part else part for part in parts]
    sample = f", {found.left_out} not in the sample" if found.left_out else ""
    total = len(found.networks) + found.left_out
    return f"{counted(total, 'network')}: {', '.join(parts)}{sample}"
