"""What `compare` found, as text in 80 columns."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from textwrap import wrap

from bnexp.comparison.comparing import Comparison
from bnexp.comparison.differences import Difference
from bnexp.comparison.lines import MAX_ROWS, WIDTH, more, table
from bnexp.comparison.matching import shown
from bnexp.comparison.metrics import ACCURACIES, Final, Metric
from bnexp.wording import counted, cut, short

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
        first, second = _both(one, WIDTH - 7)
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
    yield from _wrapped(f"networks paired by {', '.join([*found.keys, 'seed'])}:", "  ")
    only = len(found.only_first), len(found.only_second)
    yield f"  {found.paired} paired, {only[0]} only in A, {only[1]} only in B"
    for side, keys in zip("AB", (found.only_first, found.only_second), strict=True):
        for key in keys[:MAX_KEYS]:
            yield from _wrapped(f"  only in {side}: {shown(found.keys, key)}", "    ")
        yield from (f"  {line}" for line in more(len(keys) - MAX_KEYS, f"only in {side}"))
    for side, files in zip("AB", found.damaged, strict=True):
        yield from (f"  {side}: {file}, left out" for file in files[:MAX_KEYS])
        yield from (f"  {line}" for line in more(len(files) - MAX_KEYS, f"of {side}"))


def _metrics(found: Sequence[Metric]) -> Iterator[str]:
    yield "deviations: the largest of all, and the mean |A - B| at the end of training"
    head = ["numbers", "paired", "only A", "only B", "largest", "mean at end"]
    rows = [
        [one.name, str(one.paired), str(one.only_first), str(one.only_second), *_sizes(one)]
        for one in found
    ]
    yield from table([head, *rows], right={1, 2, 3, 4, 5})


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
            yield from _wrapped(f"  {one.largest}: {sides}", "    ")
            yield from _wrapped(f"    {shown(found.keys, one.network)}", "      ")


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
    yield from table([head, *rows], right=set(range(len(head))))
    yield from more(len(found.finals) - MAX_ROWS, "points")


def _final(row: Final, names: Sequence[str]) -> list[str]:
    ends = [side for name in names for side in row.accuracies[name]]
    point = ", ".join(map(short, row.point)) or "all"
    return [point, *("-" if math.isnan(end) else f"{end:.4f}" for end in ends)]


def _wrapped(line: str, indent: str) -> list[str]:
    """A line in lines of the page's width, the rest of it indented."""
    before = line[: len(line) - len(line.lstrip())]
    return wrap(line.strip(), WIDTH, initial_indent=before, subsequent_indent=indent)


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
