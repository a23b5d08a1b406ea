#!/usr/bin/env python3
"""Kill a run at random moments, let the same command finish it, and compare with one undisturbed.

Each time a sweep of 32 small networks is started in an empty folder, its whole process group is
killed (SIGKILL) at a moment drawn from its duration, start-up and drawing included, sometimes more
than once, and the same command is run to its end. Tables, probes, claims and figures must be the
undisturbed run's byte for byte (of summary.csv all but the seconds), and nothing else may be left.
Ends with status 1 where one differs.
"""

from __future__ import annotations

import argparse
import csv
import io
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

EXPERIMENT = """\
name: soak
data: {name: synthetic, train: 200, test: 50}
model:
  hidden: [16, 16]
  init: {kind: normal, std: 0.1}
train:
  epochs: 6
  batch_size: 20
  sampling: shuffle
  optimizer: {kind: adam, lr: 0.03}
  evaluate: {every: 10}
probes: {read: [layers], at: [0, 30, 60]}
random: {seeds: [0, 1, 2, 3]}
sweep:
  model.init.std: [10.0, 1.0, 0.1, 0.01]
  model.norm: [batch, none]
figures: [{kind: scale}]
claims:
  - says: batch norm trains at every scale
    measure: final_train_accuracy
    where: {model.norm: batch}
    at_least: 0.5
"""
LONGER = 1.05  # what the next run is thought to take after one that was killed in time
SAME = ("config.yaml", "metrics.csv", "probes.csv", "claims.json")


def main(arguments: list[str] | None = None) -> None:
    options = parsed(arguments)
    draw = random.Random(options.seed)
    with tempfile.TemporaryDirectory() as folder:
        experiment = Path(folder) / "soak.yaml"
        experiment.write_text(EXPERIMENT)
        command = [sys.executable, "-m", "bnexp", "run", str(experiment), "--quiet"]
        command += ["-j", str(options.jobs), "--checkpoint", str(options.checkpoint), "--out"]
        clock = time.perf_counter()
        finish([*command, f"{folder}/whole"], options.patience)
        duration = time.perf_counter() - clock
        expected = kept(Path(folder) / "whole")
        print(f"undisturbed: {duration:.1f} s, {len(expected)} files", flush=True)
        same, stages = 0, Counter[str]()
        for i in range(options.times):
            out = Path(folder) / f"{i:04}"
            for again in range(kills(draw)):
                took = killed_after(draw.uniform(0, duration), [*command, str(out)])
                stages[stage(out)] += 1
                if not again:  # other programs come and go: keep up with how long a run takes now
                    duration = took or duration * LONGER
            finish([*command, str(out)], options.patience)
            wrong = differing(expected, kept(out))
            same += not wrong
            print("".join(f"{i}: {name} differs\n" for name in wrong), end="", flush=True)
    print("killed: " + ", ".join(f"{n} {where}" for where, n in sorted(stages.items())))
    print(f"{same} of {options.times} identical")
    sys.exit(same != options.times)


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else None)
    parser.add_argument("--times", type=int, default=20, help="runs to kill; default 20")
    parser.add_argument("--seed", type=int, default=0, help="of the moments; default 0")
    parser.add_argument("-j", "--jobs", type=int, default=2, help="workers; default 2")
    parser.add_argument("--checkpoint", type=float, default=0.05, help="seconds; default 0.05")
    parser.add_argument("--patience", type=float, default=120, help="seconds a run may take")
    return parser.parse_args(arguments)


def kills(draw: random.Random) -> int:
    """How often one run is killed: mostly once, now and then up to four times."""
    number = 1
    while number < 4 and draw.random() < 0.25:
        number += 1
    return number


def killed_after(seconds: float, command: list[str]) -> float | None:
    """Run a command in a process group of its own and kill all of that; its time if it ended."""
    clock, took = time.perf_counter(), None
    process = subprocess.Popen(
        command, start_new_session=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
        took = time.perf_counter() - clock
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    return took


def finish(command: list[str], patience: float) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=patience)
    except subprocess.TimeoutExpired:
        sys.exit(f"no end after {patience:g} seconds: {' '.join(command)}")
    if done.returncode or done.stderr:
        sys.exit(f"status {done.returncode}: {' '.join(command)}\n{done.stderr}")


def kept(out: Path) -> dict[str, bytes]:
    """What must be the same: by name; of files that differ by nature their names alone."""
    files = {str(path.relative_to(out)): path for path in out.rglob("*") if path.is_file()}
    contents = {name: b"" for name in files if name != ".lock"}
    for name in contents:
        if name in SAME or name.startswith("figures"):
            contents[name] = files[name].read_bytes()
    return {**contents, "summary.csv": without_seconds(out / "summary.csv")}


def without_seconds(path: Path) -> bytes:
    rows = list(csv.DictReader(io.StringIO(path.read_text(), newline="")))
    return repr([{k: v for k, v in row.items() if k != "seconds"} for row in rows]).encode()


def differing(expected: dict[str, bytes], made: dict[str, bytes]) -> list[str]:
    names = sorted(expected.keys() | made.keys())
    return [name for name in names if expected.get(name) != made.get(name)]


def stage(out: Path) -> str:
    """How far a run was when it was killed."""
    networks = len(list(out.glob("cells/*.json")))
    if not (out / "config.yaml").exists():
        return "before its first file"
    if networks < 32:
        return "in training" if networks else "before its first result"
    drawn = (out / "figures" / "scale.svg").exists()
    return "after its last file" if drawn else "at tables and figures"


if __name__ == "__main__":
    main()
