#!/usr/bin/env python3
"""How fast bnexp trains the book's networks, next to other ways to train the same ones.

All programs run in turn, round after round, so that whatever else the machine does hits all alike;
what a program does once (starting processes, importing, loading data, compiling) is done before
its clock starts. PyTorch and JAX are measured where they are installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import statistics
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from typing import Any

from peers import rows
from peers.rows import Row, Table
from peers.targets import judged

Measured = dict[str, dict[str, Any]]  # by a row's name


def measure(chosen: Sequence[Row], repeats: int) -> Measured:
    """Run the rows in turn, `repeats` times; a row that cannot be prepared ends the program."""
    seconds: dict[str, list[float]] = {row.name: [] for row in chosen}
    with ExitStack() as stack:
        for row in chosen:
            print(f"preparing {row.name}", file=sys.stderr)
            stack.callback(row.contestant.close)
            row.contestant.prepare()
        for number in range(1, repeats + 1):
            for row in chosen:
                seconds[row.name].append(row.contestant.run())
                took = f"{seconds[row.name][-1]:8.3f} s"
                print(f"round {number}/{repeats}  {row.name:<14}{took}", file=sys.stderr)
    return {
        row.name: {
            "what": row.what,
            "networks": row.networks,
            "steps": row.steps,
            "seconds": seconds[row.name],
            "best": min(seconds[row.name]),
            "median": statistics.median(seconds[row.name]),
            "notes": row.contestant.notes | _rate(row, min(seconds[row.name])),
        }
        for row in chosen
    }


def _rate(row: Row, seconds: float) -> dict[str, float]:
    return {"networks_a_second": row.networks / seconds} if row.networks > 1 else {}


def available() -> tuple[str, str]:
    """MNIST, or synthetic images where it is not at hand: the name of the data and its origin."""
    from bnexp import DataError, data

    for name in ("mnist", "synthetic"):
        try:
            return name, data.load(name, download=False).origin
        except DataError:
            continue
    raise AssertionError("synthetic images are always at hand")


def facts(data: str, repeats: int) -> dict[str, Any]:
    packages = {name: version(name) for name in ("numpy", "torch", "jax") if _installed(name)}
    return {
        "data": data,
        "versions": {"python": platform.python_version(), **packages},
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "repeats": repeats,
    }


def text(
    head: Mapping[str, Any], tables: Sequence[Table], measured: Measured, targets: Sequence[Any]
) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in head["versions"].items())
    lines = [
        f"data      {head['data']}",
        f"versions  {versions}",
        f"machine   {head['cores']} cores; {head['repeats']} rounds",
    ]
    for table in tables:
        lines += _table(table, measured)
    if targets:
        lines += ["", f"{'targets, judged on the best':<50}{'limit':>7}{'best':>7}{'median':>8}"]
        lines += [_target_line(target) for target in targets]
    return "\n".join(lines)


def _table(table: Table, measured: Measured) -> list[str]:
    """A title, a line for each of the table's rows that was measured, and their notes."""
    rows = [row for row in table.rows if row.name in measured]
    if not rows:
        return []
    shown = {row.name: _shown(table, row, measured[row.name]) for row in rows}
    base = shown.get(table.baseline)
    unit = "milliseconds a step of a network" if table.per_step else "seconds"
    lines = [*table.title, f"{unit:<52}{'best':>8}{'median':>8}{'ratio' if base else '':>8}"]
    for row in rows:
        best, median = shown[row.name]
        ratio = f"{best / base[0]:8.2f}" if base else ""
        lines.append(f"{row.name:<14} {row.what:<37}{best:8.3f}{median:8.3f}{ratio}")
    lines += [f"ratio: to the best of {table.baseline}"] if base else []
    for row in rows:
        notes = measured[row.name]["notes"].items()
        lines += [f"{row.name}: {key} {value:.1f}" for key, value in notes]
    return ["", *lines]


def _shown(table: Table, row: Row, times: Mapping[str, Any]) -> tuple[float, float]:
    """Best and median in the table's unit."""
    best, median = times["best"], times["median"]
    return (row.per_step(best), row.per_step(median)) if table.per_step else (best, median)


def _target_line(target: Mapping[str, Any]) -> str:
    limit = f"{'<=' if target['at_most'] else '>='} {target['limit']:g}"
    met = "met" if target["met"] else "MISSED"
    return f"{target['what']:<49}{limit:>8}{target['best']:7.2f}{target['median']:8.2f}  {met}"


def _installed(package: str) -> bool:
    return importlib.util.find_spec(package) is not None


def parsed(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=3, metavar="N", help="rounds (default 3)")
    parser.add_argument(
        "--only", nargs="+", default=[""], metavar="NAME", help="rows whose names begin so"
    )
    parser.add_argument("--quick", action="store_true", help="few networks, few updates")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there, too")
    options = parser.parse_args(arguments)
    if options.repeats < 1:
        parser.error(f"--repeats: expected at least 1, got {options.repeats}")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    options = parsed(arguments)
    data, origin = available()
    tables = rows.tables(data, options.quick)
    known = [row for table in tables for row in table.rows]
    wanted = [row for row in known if row.name.startswith(tuple(options.only))]
    if not wanted:
        names = " ".join(row.name for row in known)
        sys.exit(f"--only: no such row, expected some of {names}, got {' '.join(options.only)}")
    chosen = [row for row in wanted if _installed(row.package)]
    head = facts(f"{data} ({origin.partition(',')[0]})", options.repeats)
    measured = measure(chosen, options.repeats)
    targets = [] if options.quick else judged(measured)
    print(text(head, tables, measured, targets))
    for row in wanted:
        if row not in chosen:
            print(f"{row.name}: {row.package} is not installed, left out")
    if options.json:
        everything = {**head, "rows": measured, "targets": targets}
        options.json.write_text(json.dumps(everything, indent=1))


if __name__ == "__main__":
    main()
