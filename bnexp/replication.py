"""Replicate an experiment: its claims on seeds that nobody has seen, beside its published verdicts.

`replicate` draws seeds from the operating system's random numbers, none of which the experiment
names, runs the experiment on them, and compares the verdict on each claim with the one that the
experiment expects, which is the published one of a shipped experiment:

    same       the published verdict
    weaker     it was supported or refuted, and is undecided here
    stronger   it was undecided, and is supported or refuted here
    reversed   it was supported and is refuted here, or the other way round

A claim with `equals` in a replay of one of the book's scripts states the numbers that the script
prints for one seed. It cannot be replicated on other seeds and is counted separately.
"""

from __future__ import annotations

import json
import secrets
from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from os.path import expanduser
from pathlib import Path
from typing import Any, Literal, get_args

from bnexp.claims import HEADINGS, VERDICT_TEXTS, Verdict, remarks
from bnexp.config import load_config
from bnexp.config.claims import KINDS, Claim, VerdictWord
from bnexp.config.document import python_experiment
from bnexp.config.experiment import MAX_SEEDS, Experiment, explicit_values
from bnexp.config.load import ExperimentSource
from bnexp.config.options import Strict
from bnexp.config.stored import Counts, Misfit, validate
from bnexp.errors import ConfigError, StoreError
from bnexp.files import read_file
from bnexp.progress import Progress
from bnexp.result import Result
from bnexp.running import run
from bnexp.runs import RunDirectory
from bnexp.runs.references import is_run
from bnexp.text import aligned, counted, integers, labeled, listed, paragraph

FILE = "replication.json"
FORMAT = 1
FEWEST = 2  # seeds that can decide anything
LOWEST_SEED, LARGEST_SEED = 1000, 999_999  # of drawn ones; lower ones are those that people try

Outcome = Literal["same", "weaker", "stronger", "reversed", "not replicable"]
OUTCOMES: tuple[Outcome, ...] = get_args(Outcome)
COLUMN = max(map(len, OUTCOMES)) + 4  # where the sentences begin


@dataclass(frozen=True)
class ReplicatedClaim:
    """A claim with its published verdict and the one of the replication.

    reason: why it is not replicable; empty if it is.
    """

    verdict: Verdict
    outcome: Outcome
    reason: str = ""


@dataclass(frozen=True)
class Replication:
    """An experiment's claims on drawn seeds.

    result: what the run on the drawn seeds returned. published, design: the seeds that the
    experiment names. draws_images: whether each seed draws its images, too. claims: in the
    experiment's order. earlier: how many seeds earlier replications in the same folder had, of
    which this one has all and more: whoever adds seeds until a verdict comes out must say so.
    drawn: whether all seeds were drawn, and none given. changed: the settings that are not the
    experiment's own.
    """

    result: Result
    published: tuple[int, ...]
    design: tuple[int, ...]
    draws_images: bool
    claims: tuple[ReplicatedClaim, ...]
    earlier: tuple[int, ...] = ()
    drawn: bool = True
    changed: tuple[str, ...] = ()

    @property
    def seeds(self) -> tuple[int, ...]:
        """The seeds of the replication."""
        return self.result.config.experiment.random.seeds

    @property
    def reversed(self) -> bool:
        """Whether a published verdict is reversed."""
        return any(claim.outcome == "reversed" for claim in self.claims)


def outcome(published: VerdictWord, verdict: VerdictWord) -> Outcome:
    """What a replication says of a published verdict.

    >>> outcome("supported", "undecided"), outcome("refuted", "supported")
    ('weaker', 'reversed')
    """
    if published == verdict:
        return "same"
    if verdict == "undecided":
        return "weaker"
    return "stronger" if published == "undecided" else "reversed"


def not_replicable(claim: Claim, experiment: Experiment) -> str:
    """Why a claim cannot be judged on other seeds than the experiment's; empty if it can."""
    if claim.equals is None or experiment.random.stream != "book":
        return ""
    seeds = experiment.random.seeds
    noun = "seed" if len(seeds) == 1 else "seeds"
    return f"about {noun} {listed([str(seed) for seed in seeds], 'and')}"


def is_replicable(experiment: Experiment) -> bool:
    """Whether the experiment has a claim that can be judged on other seeds."""
    return any(not not_replicable(claim, experiment) for claim in experiment.claims or ())


def replicate(
    experiment: ExperimentSource,
    overrides: Mapping[str, Any] | None = None,
    out: str | Path | None = None,
    seeds: int | Sequence[int] | None = None,
    draw_images: bool = False,
    jobs: int = 1,
    data_dir: str | Path | None = None,
    progress: Progress | None = None,
    assignments: Iterable[str] = (),
) -> Replication:
    """Run an experiment on seeds that are not its own, and compare the verdicts on its claims.

    experiment, overrides, assignments: as for `load_config`.
    out: the run directory. If there is a replication of the same experiment already, with the same
        settings and claims, it goes on with its seeds. replication.json is written there. None
        keeps nothing on disk.
    seeds: how many are drawn, or a list of seeds; default: those of the run directory, if it has
        some, and else as many as the experiment has. A run directory's seeds must be among them.
    draw_images: whether each seed draws its training and test images, too (`data.draw: seed`).
    jobs, data_dir, progress: as for `run`.

    Raises what `run` raises, and ConfigError if a seed is one of the experiment's, if it has no
    claim that can be replicated, or if the run directory has a replication of something else.

    >>> few = {"data.name": "synthetic", "data.train": 200, "train.epochs": 1, "sweep": {}}
    >>> claim = {"says": "it trains", "measure": "final_train_accuracy", "at_most": 0.99}
    >>> replication = replicate("quickstart", {**few, "claims": [claim]}, seeds=3)
    >>> len(replication.seeds), replication.claims[0].outcome
    (3, 'same')
    """
    given = assignments = tuple(assignments)
    if not isinstance(draw_images, bool):
        raise ConfigError(f"draw_images: expected True or False, got {draw_images!r}")
    text = python_experiment(experiment)
    original = load_config(text, overrides, assignments).experiment
    if not is_replicable(original):
        why = "all are about numbers of its own seeds" if original.claims else "it has none"
        raise ConfigError(
            f"{text}: nothing to replicate, expected claims that can be judged on other "
            f"seeds, but {why}"
        )
    if draw_images:
        if original.random.stream == "book":
            raise ConfigError(
                f"{text}: images cannot be drawn, expected random.stream: independent, got "
                "book: its scripts use the first images of the file"
            )
        assignments = (*assignments, "data.draw=seed")
    directory = RunDirectory(Path(expanduser(out))) if out is not None else None
    stored = _stored_experiment(original, directory)
    chosen = _choose_seeds(original, seeds, stored, directory)
    assignments = (*assignments, f"random.seeds={chosen}")
    config = load_config(text, overrides, assignments)
    if stored and directory and _judged(stored) != _judged(config.experiment):
        changed = [k for k, v in _judged(config.experiment).items() if v != _judged(stored)[k]]
        raise ConfigError(
            f"{directory.path}: a replication of another version of {original.name}, expected the "
            f"same settings and claims, got other {listed(changed, 'and')}; take another folder, "
            "or remove this one"
        )
    before = _stored_replication(directory)
    if stored and directory and before is None:
        raise ConfigError(
            f"{directory.path}: a run that is no replication, whose results may have been seen, "
            "expected a folder of `bnexp replicate` or a new one; take another folder"
        )
    is_drawn = isinstance(seeds, int | None) and (before is None or before.seeds.drawn)
    numbers = (*before.earlier, len(before.seeds.replication)) if before else ()
    earlier = tuple(number for number in numbers if number != len(chosen))
    if directory is not None:  # whoever goes on must know what was begun
        begun = {"seeds": {"replication": chosen, "drawn": is_drawn}, "earlier": earlier}
        with directory.writing():
            directory.write(FILE, json.dumps(begun) + "\n")
    result = run(config, out, jobs, data_dir, progress=progress)
    replication = Replication(
        result,
        original.random.seeds,
        original.random.design_seeds or (),
        draw_images,
        tuple(_compared(original, result.claims)),
        earlier,
        is_drawn,
        (*map(str, overrides or ()), *given),
    )
    if directory is not None:
        with directory.writing():
            directory.write(FILE, replication_text(replication))
    return replication


def _compared(original: Experiment, verdicts: Sequence[Verdict]) -> Iterator[ReplicatedClaim]:
    """Each claim of the experiment with what the replication says of it."""
    for claim, verdict in zip(original.claims or (), verdicts, strict=True):
        if reason := not_replicable(claim, original):
            yield ReplicatedClaim(verdict, "not replicable", reason)
        else:
            yield ReplicatedClaim(verdict, outcome(claim.expect, verdict.verdict))


_PARTS = ("data", "model", "train", "sweep", "probes", "claims")  # what verdicts depend on


def _judged(experiment: Experiment) -> Mapping[str, Any]:
    """What the verdicts of a replication depend on, but for its seeds."""
    values = explicit_values(experiment)
    random = {key: value for key, value in values["random"].items() if "seeds" not in key}
    return {**{part: values.get(part) for part in _PARTS}, "random": random}


class _StoredSeeds(Strict, extra="ignore"):
    """The seeds that a replication.json names, as far as they are read again."""

    replication: Counts
    drawn: bool = True


class _StoredReplication(Strict, extra="ignore"):
    """What is read of a replication.json: how many seeds it and those before it had."""

    seeds: _StoredSeeds
    earlier: Counts = ()


def _stored_replication(directory: RunDirectory | None) -> _StoredReplication | None:
    """What is known of the replication that the directory had before; None if it had none."""
    path = directory.path / FILE if directory else None
    content = read_file(path) if path else None
    if path is None or content is None:
        return None
    try:
        return validate(_StoredReplication, json.loads(content))
    except (ValueError, RecursionError) as error:
        misfit = f"{error}" if isinstance(error, Misfit) else "expected what bnexp replicate wrote"
        raise StoreError(f"{path}: damaged, {misfit}; remove it, or take another folder") from None


def _choose_seeds(
    original: Experiment,
    seeds: int | Sequence[int] | None,
    stored: Experiment | None,
    directory: RunDirectory | None,
) -> list[int]:
    """The seeds of a replication: those that are given, those of the directory, or drawn ones.

    Those of the directory are always among them: leaving some out would be a choice of results.
    """
    own = {*original.random.seeds, *(original.random.design_seeds or ())}
    drawn = [*stored.random.seeds] if stored else []
    where = str(directory.path) if directory else ""
    _refuse_own(drawn, own, where)
    if seeds is not None and not isinstance(seeds, int):
        if isinstance(seeds, str) or not isinstance(seeds, Sequence):
            raise ConfigError(f"seeds: expected a number or a list of seeds, got {seeds!r}")
        _refuse_own(seeds, own, "seeds")
        if lacking := [seed for seed in drawn if seed not in seeds]:
            raise ConfigError(
                f"{where}: a replication on other seeds, expected all of them and perhaps more, "
                f"got a list without {listed([str(seed) for seed in lacking[:5]], 'and')}; take "
                "another folder"
            )
        return [*seeds]
    number = max(len(drawn) or len(original.random.seeds), FEWEST) if seeds is None else seeds
    if isinstance(number, bool) or not FEWEST <= number <= MAX_SEEDS:
        raise ConfigError(
            f"seeds: expected a number from {FEWEST} to {MAX_SEEDS:,}, got {number!r}: one seed "
            "decides nothing"
        )
    if number < len(drawn):
        raise ConfigError(
            f"{where}: a replication on {len(drawn)} seeds, expected as many or more, got "
            f"{number}: a part of them would be a choice; take another folder"
        )
    return more_seeds(original, drawn, number)


def more_seeds(experiment: Experiment, drawn: Sequence[int], number: int) -> list[int]:
    """The seeds that were drawn before, and new ones up to this number, none the experiment's."""
    own = (*experiment.random.seeds, *(experiment.random.design_seeds or ()))
    return [*drawn, *draw_seeds(number - len(drawn), {*own, *drawn})]


def draw_seeds(number: int, known: Collection[int]) -> list[int]:
    """Seeds from the operating system's random numbers, none of them known or too common."""
    drawn: list[int] = []
    while len(drawn) < number:
        seed = LOWEST_SEED + secrets.randbelow(LARGEST_SEED - LOWEST_SEED + 1)
        if seed not in known and seed not in drawn:
            drawn.append(seed)
    return drawn


def _stored_experiment(original: Experiment, directory: RunDirectory | None) -> Experiment | None:
    """The experiment of a run in the directory; None if there is none.

    ConfigError if it is a run of another experiment.
    """
    if directory is None or not is_run(directory.path):
        return None
    stored = load_config(directory.path).experiment
    if stored.name != original.name:
        raise ConfigError(
            f"{directory.path}: a run of {stored.name}, expected a replication of {original.name}; "
            "take another folder"
        )
    return stored


def _refuse_own(seeds: Iterable[int], own: set[int], where: str) -> None:
    """ConfigError if some of the seeds are the experiment's own."""
    if known := [seed for seed in seeds if seed in own]:
        raise ConfigError(
            f"{where}: no replication, expected seeds that are not in random.seeds and "
            f"random.design_seeds, got {listed([str(seed) for seed in known[:5]], 'and')}"
        )


def replication_lines(replication: Replication) -> Iterator[str]:
    """By kind, each claim with its outcome; last a line of counts for each kind.

    replication on 3 new seeds: 719, 5120, 88201

    theory: a law

      weaker           Batch norm keeps the scale.
                       expected: supported; here: undecided
                       mean 0.955 [0.93, 0.98], n = 3

    theory  0 same, 1 weaker, 0 stronger, 0 reversed
    """
    drawn = ", with images drawn for each" if replication.draws_images else ""
    seeds = integers(replication.seeds)
    number = counted(len(replication.seeds), "new seed")
    yield from paragraph(f"replication on {number}{drawn}: {seeds}", hanging=2)
    if replication.earlier:
        numbers = listed([str(number) for number in replication.earlier], "and")
        yield from paragraph(f"after replications on {numbers} of them", hanging=2)
    if not replication.drawn:
        yield "seeds were given, not drawn: whoever chose them may have known what they give"
    if replication.changed:
        changed = listed(replication.changed, "and")
        yield from paragraph(f"not the experiment's own settings: {changed}", hanging=2)
    groups = {
        kind: [c for c in replication.claims if c.verdict.kind == kind and not c.reason]
        for kind in KINDS
    }
    groups = {kind: group for kind, group in groups.items() if group}
    for kind, group in groups.items():
        yield from ["", HEADINGS[kind]]
        for claim in group:
            verdict = claim.verdict
            published, here = VERDICT_TEXTS[verdict.expected], VERDICT_TEXTS[verdict.verdict]
            texts = [verdict.says, f"expected: {published}; here: {here}"]
            yield ""
            yield from labeled(claim.outcome, [*texts, *remarks(verdict, expected=False)], COLUMN)
    others = [claim for claim in replication.claims if claim.reason]
    for claim in others:
        yield ""
        yield from labeled(claim.outcome, [claim.verdict.says, claim.reason], COLUMN)
    yield ""
    rows = [
        [kind, outcomes_text(claim.outcome for claim in group)] for kind, group in groups.items()
    ]
    yield from aligned([*rows, *([["not replicable", str(len(others))]] if others else [])])


def outcomes_text(outcomes: Iterable[Outcome]) -> str:
    """How many claims have each outcome.

    >>> outcomes_text(["same", "weaker", "same"])
    '2 same, 1 weaker, 0 stronger, 0 reversed'
    """
    counts = Counter(outcomes)
    return ", ".join(f"{counts[word]} {word}" for word in OUTCOMES if word != "not replicable")


def replication_text(replication: Replication) -> str:
    """The text of replication.json."""
    content = {
        "bnexp_replication": FORMAT,
        "name": replication.result.config.name,
        "seeds": {
            "replication": [*replication.seeds],
            "published": [*replication.published],
            "design": [*replication.design],
            **({} if replication.drawn else {"drawn": False}),
        },
        **({"earlier": [*replication.earlier]} if replication.earlier else {}),
        **({"changed": [*replication.changed]} if replication.changed else {}),
        "images": "draw" if replication.draws_images else "keep",
        "claims": [_claim_content(claim) for claim in replication.claims],
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _claim_content(claim: ReplicatedClaim) -> Mapping[str, Any]:
    """What the file says of a claim; of one that is not replicable no verdict, but the reason."""
    verdict = claim.verdict
    content = {
        "says": verdict.says,
        "kind": verdict.kind,
        "published": verdict.expected,
        "outcome": claim.outcome,
    }
    if claim.reason:
        return {**content, "reason": claim.reason}
    return {**content, "verdict": verdict.verdict, "reason": verdict.reason}
