#!/usr/bin/env python3
"""How fast bnexp trains the book's sweep, next to other ways to train the same networks.

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
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from peers.contestants import FLOAT32, INDEPENDENT, Command, Contestant, Ours, Processes
from peers.sweep import QUICK, Sweep
from peers.targets import judged

BASELINE = "bnexp32-2"


@dataclass(frozen=True)
class Row:
    """A line of the table; `package` must be installed for it."""

    name: str
    what: str
    contestant: Contestant
    package: str = "numpy"


def rows(sweep: Sweep) -> list[Row]:
    return [*_floor(sweep), *_bnexp(sweep), *_peers(sweep), *_commands(sweep)]


def _floor(sweep: Sweep) -> list[Row]:
    return [
        Row(
            f"floor{bits}-{shares}",
            f"the products alone, float{bits}, {shares} x 1 thread",
            Processes("floor", (sweep, f"float{bits}"), shares),
        )
        for bits in (32, 64)
        for shares in (1, 2)
    ]


def _bnexp(sweep: Sweep) -> list[Row]:
    return [
        Row("bnexp32-1", "bnexp, float32, 1 worker", Ours(sweep, FLOAT32, 1)),
        Row("bnexp32-2", "bnexp, float32, 2 workers", Ours(sweep, FLOAT32, 2)),
        Row("bnexp64-1", "bnexp, float64 as shipped, 1 worker", Ours(sweep, {}, 1)),
        Row("bnexp64-2", "bnexp, float64 as shipped, 2 workers", Ours(sweep, {}, 2)),
        Row(
            "bnexp64i-2",
            "bnexp, float64, independent, 2 workers",
            Ours(sweep, INDEPENDENT, 2),
        ),
    ]


def _peers(sweep: Sweep) -> list[Row]:
    return [
        Row("plain-1", "plain NumPy loop, float64, 1 thread", Processes("plain", (sweep,))),
        Row(
            "plain-all",
            "plain NumPy loop, float64, all threads",
            Processes("plain", (sweep,), threads=None),
        ),
        Row(
            "torch-2x1",
            "PyTorch eager, float32, 2 x 1 thread",
            Processes("pytorch", (sweep, 1), shares=2),
            "torch",
        ),
        Row(
            "torch-1x2",
            "PyTorch eager, float32, 1 x 2 threads",
            Processes("pytorch", (sweep, 2), threads=2),
            "torch",
        ),
        Row(
            "jax",
            "JAX jit + vmap over 16, float32, run",
            Processes("jaxvmap", (sweep,), threads=None),
            "jax",
        ),
    ]


def _commands(sweep: Sweep) -> list[Row]:
    def run(overrides: Mapping[str, Any]) -> Command:
        settings = {**sweep.overrides(), **overrides}
        pairs = [("--set", f"{key}={json.dumps(value)}") for key, value in settings.items()]
        arguments = [text for pair in pairs for text in pair]
        return Command(("run", "book_weight_scale", "--quiet", "-j", "2", *arguments))

    return [
        Row("command32", "bnexp run, float32, whole process", run(FLOAT32)),
        Row("command64", "bnexp run as shipped, whole process", run({})),
        Row("help", "bnexp --help, median of 5", Command(("--help",), times=5)),
    ]


def measure(chosen: Sequence[Row], repeats: int) -> dict[str, dict[str, Any]]:
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
                print(f"round {number}/{repeats}  {row.name:<11}{took}", file=sys.stderr)
    return {
        row.name: {
            "what": row.what,
            "seconds": seconds[row.name],
            "best": min(seconds[row.name]),
            "median": statistics.median(seconds[row.name]),
            "notes": row.contestant.notes,
        }
        for row in chosen
    }


def available(sweep: Sweep) -> tuple[Sweep, str]:
    """The sweep on MNIST, or on synthetic images where MNIST is not at hand; and which it is."""
    from bnexp import DataError, data

    for name in ("mnist", "synthetic"):
        try:
            return replace(sweep, data=name), data.load(name, download=False).origin
        except DataError:
            continue
    raise AssertionError("synthetic images are always at hand")


def facts(sweep: Sweep, origin: str, repeats: int) -> dict[str, Any]:
    packages = {name: version(name) for name in ("numpy", "torch", "jax") if _installed(name)}
    return {
        "networks": sweep.networks,
        "updates": sweep.updates,
        "data": f"{sweep.data} ({origin.partition(',')[0]})",
        "versions": {"python": platform.python_version(), **packages},
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None,
        "repeats": repeats,
    }


def text(head: Mapping[str, Any], table: Mapping[str, Any], targets: Sequence[Any]) -> str:
    versions = ", ".join(f"{name} {number}" for name, number in head["versions"].items())
    lines = [
        f"{head['networks']} networks 784-100x5-10, half of them with batch norm; batch 100,",
        f"{head['updates']} updates, evaluated every 10 on the 1000 images of the training set",
        f"data      {head['data']}",
        f"versions  {versions}",
        f"machine   {head['cores']} cores; seconds, of {head['repeats']} rounds",
        "",
        f"{'row':<11} {'':<40}{'best':>8}{'median':>8}{'ratio' if BASELINE in table else '':>8}",
        *(_line(name, row, table.get(BASELINE)) for name, row in table.items()),
    ]
    if BASELINE in table:
        lines.append(f"ratio: to the best of {BASELINE}")
    for name, row in table.items():
        lines += [f"{name}: {key} {value:.1f}" for key, value in row["notes"].items()]
    if targets:
        lines += ["", f"{'targets, judged on the best':<50}{'limit':>7}{'best':>7}{'median':>8}"]
        lines += [_target_line(target) for target in targets]
    return "\n".join(lines)


def _line(name: str, row: Mapping[str, Any], baseline: Mapping[str, Any] | None) -> str:
    ratio = f"{row['best'] / baseline['best']:8.2f}" if baseline else ""
    return f"{name:<11} {row['what']:<40}{row['best']:8.3f}{row['median']:8.3f}{ratio}"


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
    parser.add_argument("--quick", action="store_true", help="2 scales, 21 updates")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there, too")
    options = parser.parse_args(arguments)
    if options.repeats < 1:
        parser.error(f"--repeats: expected at least 1, got {options.repeats}")
    return options


def main(arguments: Sequence[str] | None = None) -> None:
    options = parsed(arguments)
    sweep, origin = available(QUICK if options.quick else Sweep())
    wanted = [row for row in rows(sweep) if row.name.startswith(tuple(options.only))]
    if not wanted:
        names = " ".join(row.name for row in rows(sweep))
        sys.exit(f"--only: no such row, expected some of {names}, got {' '.join(options.only)}")
    chosen = [row for row in wanted if _installed(row.package)]
    head = facts(sweep, origin, options.repeats)
    table = measure(chosen, options.repeats)
    targets = [] if options.quick else judged(table)
    print(text(head, table, targets))
    for row in wanted:
        if row not in chosen:
            print(f"{row.name}: {row.package} is not installed, left out")
    if options.json:
        options.json.write_text(json.dumps({**head, "rows": table, "targets": targets}, indent=1))


if __name__ == "__main__":
    main()
