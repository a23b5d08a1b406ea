"""What `compare` found, as text in 80 columns."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from bnexp.comparison.comparison import ACCURACIES, Comparison, Final, Metric
from bnexp.comparison.differences import CAUSES, Difference
from bnexp.comparison.match import shown
from bnexp.comparison.verification import Verification, Verified
from bnexp.text import PAGE_WIDTH, aligned, counted, cut, omitted, paragraph, short

MAX_TEXT = 60
MAX_ROWS = 20


def verify_lines(found: Verification) -> Iterator[str]:
    """A row for each network that is not identical, then what may explain it, then the counts."""
    shown = [one for one in found.networks if one.outcome not in ("identical", "not trained")]
    if shown:
        keys = ", ".join([*shown[0].point, "seed"])
        head = ["outcome", "deviation", keys, "where: stored -> here"]
        yield from aligned([head, *map(_row, shown[:MAX_ROWS])], right={1}, wrap_last=True)
        yield from omitted(len(shown) - MAX_ROWS, "networks")
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
        yield from paragraph(
            "no difference of environment found: the same data, numerics, BLAS, numpy, processor "
            "and python; the stored numbers may have been changed"
        )
    else:
        yield "what may explain it, the likeliest first (stored -> here):"
        rows = [[f"  {one.key}", " -> ".join(_sides(one))] for one in found.causes]
        yield from aligned(rows, wrap_last=True)
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


BEFORE = 12  # letters that are shown before the first one that differs
MAX_KEYS = 5


def compare_lines(found: Comparison) -> Iterator[str]:
    """Config, environment and data, networks, numbers, final accuracies, and a last line."""
    yield from (f"{side}: {path}" for side, path in zip("AB", found.directories, strict=True))
    yield from ["", *_differences("config", found.config)]
    if found.environment is None:
        yield from ["", "environment and data: a manifest.json is missing, not compared"]
    else:
        yield from ["", *_differences("environment and data", found.environment)]
    yield from ["", *_networks(found)]
    if found.metrics:
        yield from ["", *_metrics(found.metrics)]
    yield from _largest(found)
    yield from _finals(found)
    yield from ["", _last(found)]


def _differences(name: str, found: Sequence[Difference]) -> Iterator[str]:
    if not found:
        yield f"{name}: the same"
        return
    yield f"{name}: {counted(len(found), 'difference')}"
    for one in found:
        first, second = _both(one, PAGE_WIDTH - 7)
        yield f"  {one.key}"
        yield f"    A: {first}"
        yield f"    B: {second}"


def _both(one: Difference, width: int) -> tuple[str, str]:
    """Both texts, long ones from shortly before the first letter that differs."""
    first, second = (" ".join(side.split()) for side in (one.first, one.second))
    if max(len(first), len(second)) <= width:
        return first, second
    same = next((i for i, (a, b) in enumerate(zip(first, second)) if a != b), 0)  # noqa: B905
    start = max(same - BEFORE, 0) if same > BEFORE + 3 else 0
    return _window(first, start, width), _window(second, start, width)


def _window(side: str, start: int, width: int) -> str:
    side = f"...{side[start:]}" if start else side
    return cut(side, width)


def _networks(found: Comparison) -> Iterator[str]:
    yield from paragraph(f"networks paired by {', '.join([*found.keys, 'seed'])}:", hanging=2)
    only = len(found.only_first), len(found.only_second)
    yield f"  {found.paired} paired, {only[0]} only in A, {only[1]} only in B"
    for side, keys in zip("AB", (found.only_first, found.only_second), strict=True):
        for key in keys[:MAX_KEYS]:
            yield from paragraph(f"only in {side}: {shown(found.keys, key)}", indent=2, hanging=4)
        yield from (f"  {line}" for line in omitted(len(keys) - MAX_KEYS, f"only in {side}"))
    for side, files in zip("AB", found.damaged, strict=True):
        yield from (f"  {side}: {file}, left out" for file in files[:MAX_KEYS])
        yield from (f"  {line}" for line in omitted(len(files) - MAX_KEYS, f"of {side}"))


def _metrics(found: Sequence[Metric]) -> Iterator[str]:
    yield "deviations: the largest of all, and the mean |A - B| at the end of training"
    head = ["numbers", "paired", "only A", "only B", "largest", "mean at end"]
    rows = [
        [one.name, str(one.paired), str(one.only_first), str(one.only_second), *_sizes(one)]
        for one in found
    ]
    yield from aligned([head, *rows], right={1, 2, 3, 4, 5})


def _sizes(one: Metric) -> list[str]:
    final = "-" if math.isnan(one.final) else f"{one.final:.1e}" if one.final else "0"
    return ["-" if not one.paired else f"{one.largest.size:.1e}" if one.largest else "0", final]


def _largest(found: Comparison) -> Iterator[str]:
    apart = [one for one in found.metrics if one.largest]
    if apart:
        yield from ["", "where they are largest, as |A - B| / max(1, |A|, |B|):"]
    for one in apart:
        if one.largest is not None and one.network is not None:
            sides = f"A {one.largest.first!r}, B {one.largest.second!r}"
            yield from paragraph(f"{one.largest}: {sides}", indent=2, hanging=4)
            yield from paragraph(shown(found.keys, one.network), indent=4, hanging=6)


def _finals(found: Comparison) -> Iterator[str]:
    if not found.finals:
        return
    names = [
        name
        for name in ACCURACIES
        if not all(math.isnan(side) for row in found.finals for side in row.accuracies[name])
    ]
    sides = [f"{name.removesuffix('_accuracy')} {side}" for name in names for side in "AB"]
    yield from ["", "final accuracies where they differ, means over seeds"]
    head = [", ".join(found.keys), *sides]
    rows = [_final(row, names) for row in found.finals[:MAX_ROWS]]
    yield from aligned([head, *rows], right=set(range(len(head))))
    yield from omitted(len(found.finals) - MAX_ROWS, "points")


def _final(row: Final, names: Sequence[str]) -> list[str]:
    ends = [side for name in names for side in row.accuracies[name]]
    point = ", ".join(map(short, row.point)) or "all"
    return [point, *("-" if math.isnan(end) else f"{end:.4f}" for end in ends)]


def _last(found: Comparison) -> str:
    if not found.paired:
        return "no network is in both: nothing to compare"
    if found.beyond:
        return f"beyond the tolerance of {found.tolerance:g}: {', '.join(found.beyond)}"
    apart = any(one.largest for one in found.metrics)
    if apart:
        return f"within the tolerance of {found.tolerance:g}"
    if found.all_paired:
        return "all numbers are identical"
    return "the numbers that both have are identical; one has more of them than the other"
