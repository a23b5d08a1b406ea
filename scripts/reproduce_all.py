#!/usr/bin/env python3
"""Run the shipped experiments again, and rewrite results/reference/ from what they give.

Ends with status 1 where a verdict on a claim is not the one that was there before, or a network
failed. With real MNIST: BNEXP_DATA_DIR or a download.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path

import bnexp
from bnexp.config import document
from bnexp.config.claims import WORDS

REFERENCE = Path(__file__).resolve().parents[1] / "results" / "reference"
# What a reference keeps of a run directory: no cells, and of the figures the PNG alone.
KEPT = ("config.yaml", "manifest.json", "*.csv", "claims.json", "figures/*.png")


def main(arguments: list[str] | None = None) -> None:
    options = parsed(arguments)
    started, problems = time.perf_counter(), []
    for name in options.names or document.experiment_names():
        before, clock = verdicts(REFERENCE / name), time.perf_counter()
        try:
            reproduce(name, REFERENCE / name, options.jobs)
        except bnexp.BnexpError as error:
            problems.append(f"{name}: {error}")
            print(problems[-1])
            continue
        after = verdicts(REFERENCE / name)
        changed = differences(name, before, after)
        problems += changed
        print(f"{time.perf_counter() - clock:7.1f} s  {name:<26} {counted(after)}", flush=True)
        print("".join(f"  {line}\n" for line in changed), end="", flush=True)
    print(f"{time.perf_counter() - started:7.1f} s  in all")
    if problems:
        sys.exit(f"{len(problems)} not as before:\n" + "\n".join(problems))


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="experiments; default: all that are shipped")
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count() or 1, help="workers")
    return parser.parse_args(arguments)


def reproduce(name: str, reference: Path, jobs: int) -> None:
    """Run the experiment from nothing, and put what is kept of it in the reference's place."""
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / name
        bnexp.run(name, out, jobs)
        shutil.rmtree(reference, ignore_errors=True)
        for pattern in KEPT:
            for path in out.glob(pattern):
                place = reference / path.relative_to(out)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, place)


def verdicts(folder: Path) -> dict[str, str]:
    """The verdict on each claim of a reference, by what it says; none where there is none."""
    path = folder / "claims.json"
    if not path.is_file():
        return {}
    return {claim["says"]: claim["verdict"] for claim in json.loads(path.read_text())["claims"]}


def differences(name: str, before: Mapping[str, str], after: Mapping[str, str]) -> list[str]:
    """Claims that were there before and whose verdict is another one now."""
    return [
        f"{name}: {before[says]} before, {verdict} now: {says}"
        for says, verdict in after.items()
        if before.get(says, verdict) != verdict
    ]


def counted(made: Mapping[str, str]) -> str:
    numbers = [(list(made.values()).count(word), word) for word in WORDS]
    return ", ".join(f"{number} {word}" for number, word in numbers if number) or "no claims"


if __name__ == "__main__":
    main()
