"""What `verify` found, as text in 80 columns."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from textwrap import wrap

from bnexp.comparison.manifests import CAUSES
from bnexp.comparison.verifying import Verification, Verified

WIDTH = 80
MAX_ROWS = 20
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
    network = ", ".join([*map(text, one.point.values()), str(one.seed)])
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
        rows = [[f"  {one.key}", f"{cut(one.first)} -> {cut(one.second)}"] for one in found.causes]
        yield from table(rows, wrapped=True)
    yield ""


def _counted(found: Verification) -> str:
    counts = found.counts
    parts = [f"{number} {outcome}" for outcome, number in counts.items()]
    parts = [f"{part} ({found.tolerance:g})" if "within" in part else part for part in parts]
    sample = f", {found.left_out} not in the sample" if found.left_out else ""
    total = len(found.networks) + found.left_out
    return f"{total} network{'s' * (total != 1)}: {', '.join(parts)}{sample}"


def table(
    rows: Sequence[Sequence[str]],
    right: set[int] | frozenset[int] = frozenset(),
    wrapped: bool = False,
) -> Iterator[str]:
    """Rows in columns, some of them to the right; the last one wrapped where it is too long."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    before = sum(widths[:-1]) + 2 * (len(widths) - 1)
    for row in rows:
        fields = [
            field.rjust(width) if i in right else field.ljust(width)
            for i, (field, width) in enumerate(zip(row, widths, strict=True))
        ]
        first = "  ".join(fields[:-1])
        room = max(WIDTH - before, 24)
        lines = (
            wrap(row[-1], room, break_long_words=False, break_on_hyphens=False)
            if wrapped
            else [fields[-1]]
        )
        yield f"{first}  {lines[0] if lines else ''}".rstrip()
        yield from (f"{'':<{before}}{line}" for line in lines[1:])


def more(number: int, what: str) -> Iterator[str]:
    """A line that says how many are not shown."""
    if number > 0:
        yield f"... and {number} more {what}"


def text(value: object) -> str:
    """A number in short."""
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def cut(value: str) -> str:
    """A long text's beginning."""
    return value if len(value) <= MAX_TEXT else f"{value[: MAX_TEXT - 3]}..."
