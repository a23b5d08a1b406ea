#!/usr/bin/env python3
"""Run the shipped experiments again, and rewrite results/reference/ from what they give.

    scripts/reproduce_all.py                      all of them that take less than 8 minutes
    scripts/reproduce_all.py weight_scale rank    these two
    scripts/reproduce_all.py --replicate 0        without replications
    scripts/reproduce_all.py --only-replicate 20  replications alone, on 20 seeds each

Each experiment is run on its own seeds and then replicated on new ones, whose outcome is kept as
replication.json beside the other results. They are drawn once: as long as claims and seeds of the
experiment are the same, so are those of its replication. Ends with status 1 where a verdict on a
claim is not the one that was there before, where a replication reverses a published one, or where a
network failed. With real MNIST: BNEXP_DATA_DIR or a download.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import replace
from functools import partial
from multiprocessing import get_context
from pathlib import Path

import bnexp
from bnexp.claims import VERDICT_TEXTS
from bnexp.config import document
from bnexp.config.claims import VERDICT_WORDS
from bnexp.config.experiment import Experiment
from bnexp.replication import (
    FILE,
    Replication,
    is_replicable,
    more_seeds,
    outcomes_text,
    replication_text,
)

REFERENCE = Path(__file__).resolve().parents[1] / "results" / "reference"
# What a reference keeps of a run directory: no cells, and of the figures the PNG alone.
KEPT = ("config.yaml", "manifest.json", "*.csv", "claims.json", "figures/*.png")
LONG = 480  # seconds; an experiment that takes longer is run if it is named


def main(arguments: list[str] | None = None) -> None:
    options = parsed(arguments)
    started, problems = time.perf_counter(), []
    for text, changed in finished(options):
        problems += changed
        print(text, flush=True)
        print("".join(f"  {line}\n" for line in changed), end="", flush=True)
    print(f"{time.perf_counter() - started:7.1f} s  in all")
    if problems:
        sys.exit(f"{len(problems)} not as before:\n" + "\n".join(problems))


def finished(options: argparse.Namespace) -> Iterator[tuple[str, list[str]]]:
    """A line on each experiment as it is finished, and what is not as before.

    Experiments are run side by side, each in one process, as some have a single network that only
    one process can train. The longest begin, so that none is left alone at the end.
    """
    names = options.names or usual_names()
    workers = min(options.jobs, len(names))
    work = partial(finish, REFERENCE, options, jobs=options.jobs // workers)
    if workers == 1:
        yield from map(work, names)
        return
    longest_first = sorted(names, key=expected_seconds, reverse=True)
    with ProcessPoolExecutor(workers, get_context("spawn")) as pool:
        for future in as_completed([pool.submit(work, name) for name in longest_first]):
            yield future.result()


def usual_names() -> list[str]:
    """All shipped experiments but the long ones."""
    return [name for name in document.experiment_names() if expected_seconds(name) <= LONG]


def expected_seconds(name: str) -> float:
    """How long the experiment says that it takes on two cores."""
    return bnexp.load_config(name).experiment.seconds or 0


def finish(
    folder: Path, options: argparse.Namespace, name: str, jobs: int
) -> tuple[str, list[str]]:
    """Run an experiment, replicate it, and say what came of it."""
    reference, clock = folder / name, time.perf_counter()
    before, changed, outcomes = verdicts(reference), [], ""
    try:
        experiment = bnexp.load_config(name).experiment
        kept = kept_seeds(experiment, reference / FILE)
        if options.only_replicate is None:
            reproduce(name, reference, jobs)
            changed += differences(name, before, verdicts(reference))
        if options.replicate != 0:
            draw = options.images == "draw"
            number = options.replicate
            seeds = more_seeds(experiment, kept, number or 0) if kept else number
            replication = replicated(experiment, reference, seeds, draw, jobs)
            changed += reversals(name, replication)
            outcomes = "; " + outcomes_of(replication) if replication else ""
    except bnexp.BnexpError as error:
        return f"{name}: not finished", [f"{name}: {error}"]
    text = f"{counted(verdicts(reference))}{outcomes}"
    return f"{time.perf_counter() - clock:7.1f} s  {name:<26} {text}", changed


def parsed(arguments: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    number = {"type": int, "metavar": "N"}
    parser.add_argument("names", nargs="*", help="experiments; default: all that are shipped")
    parser.add_argument("-j", "--jobs", type=int, default=os.cpu_count() or 1, help="processes")
    help_text = (
        "seeds of each replication; default: as many as the experiment has; 0: no replication"
    )
    parser.add_argument("--replicate", help=help_text, **number)
    help_text = "replicate only, on so many seeds; 0: as many as the experiment has"
    parser.add_argument("--only-replicate", help=help_text, **number)
    help_text = "draw: replications draw images, too, but for replays of the book's scripts"
    parser.add_argument("--images", choices=("keep", "draw"), default="keep", help=help_text)
    options = parser.parse_args(arguments)
    if min(options.replicate or 0, options.only_replicate or 0) < 0:
        parser.error("expected numbers of seeds from 0")
    if options.only_replicate is not None:
        options.replicate = options.only_replicate or None
    return options


def reproduce(name: str, reference: Path, jobs: int) -> None:
    """Run the experiment from nothing, and put what is kept of it in the reference's place.

    A replication of what it was before is removed with the rest.
    """
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / name
        bnexp.run(name, out, jobs)
        shutil.rmtree(reference, ignore_errors=True)
        for pattern in KEPT:
            for path in out.glob(pattern):
                place = reference / path.relative_to(out)
                place.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, place)


def kept_seeds(experiment: Experiment, path: Path) -> list[int]:
    """The seeds of the replication in this file, if the experiment has the same claims and seeds.

    Others would be a second try, of which the better one could be kept.
    """
    if not path.is_file():
        return []
    kept = json.loads(path.read_text())
    same_claims = [c["says"] for c in kept["claims"]] == [c.says for c in experiment.claims or ()]
    same_seeds = kept["seeds"]["published"] == [*experiment.random.seeds]
    return kept["seeds"]["replication"] if same_claims and same_seeds else []


def replicated(
    experiment: Experiment,
    reference: Path,
    seeds: int | list[int] | None,
    draw_images: bool,
    jobs: int,
) -> Replication | None:
    """Replicate the experiment on drawn seeds, and keep its outcome.

    seeds: those that were drawn, or how many are to be. None if no claim can be replicated.
    """
    (reference / FILE).unlink(missing_ok=True)
    if not is_replicable(experiment):
        return None
    draw_images = draw_images and experiment.random.stream != "book"
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / experiment.name
        replication = bnexp.replicate(
            experiment.name, out=out, seeds=seeds, draw_images=draw_images, jobs=jobs
        )
    replication = replace(replication, drawn=True)
    (reference / FILE).write_text(replication_text(replication), "utf-8")
    return replication


def reversals(name: str, replication: Replication | None) -> list[str]:
    """The claims whose published verdict a replication reverses."""
    claims = replication.claims if replication else ()
    return [
        f"{name}: {c.verdict.expected} as published, {c.verdict.verdict} on new seeds: "
        f"{c.verdict.says}"
        for c in claims
        if c.outcome == "reversed"
    ]


def outcomes_of(replication: Replication) -> str:
    """'10 new seeds: 5 same, 1 weaker, 0 stronger, 0 reversed'."""
    outcomes = outcomes_text(claim.outcome for claim in replication.claims)
    return f"{len(replication.seeds)} new seeds: {outcomes}"


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
    numbers = [(list(made.values()).count(word), VERDICT_TEXTS[word]) for word in VERDICT_WORDS]
    return ", ".join(f"{number} {word}" for number, word in numbers if number) or "no claims"


if __name__ == "__main__":
    main()
