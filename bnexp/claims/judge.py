"""Judge claims: first whether a plan can decide them, then, from a run's tables, their verdicts.

Each point of a claim is judged by itself, from a sample of one number for each seed (see
`bnexp.claims.measure`). A relation requires that the mean over seeds lies within bounds
(`required_bounds`); the 95 % interval of the mean decides whether it does. `equals` requires a
number of every seed instead. A seed whose network failed, is not trained or has no number never
counts as if it were not there: it keeps its point from being supported. `overall_verdict` then says
what the points show together.

Before training, `claim_problems` finds out whether the planned networks can decide the claims: the
points of each claim must be in the plan, and its measure must be recorded there. Once the data are
known, `times` says at which steps each network is scored and probed, so that a claim about a step
that is not among them is found too.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from math import inf, isfinite, isnan, nan
from typing import Any

import numpy as np

from bnexp.claims.measure import (
    Sample,
    collect_samples,
    mask_place,
    select_evaluations,
    select_steps,
)
from bnexp.claims.select import (
    SweepPoints,
    Undecidable,
    describe_point,
    foreign_data,
    other_side,
    pair_points,
    plan_points,
    point_key,
    within,
)
from bnexp.config.claims import Claim, Kind, Measure, OfQuantity, VerdictWord, parse_metric
from bnexp.config.experiment import Setting, plain_values
from bnexp.config.messages import Problem
from bnexp.config.yaml import KeyPath
from bnexp.execution.build import probe_grids
from bnexp.metrics import metric_column, recorded_metrics
from bnexp.probes import Grid
from bnexp.runs.data import RunData
from bnexp.runs.stats import (
    CONFIDENCE,
    MOST_SEEDS,
    Interval,
    Limits,
    benjamini_hochberg,
    effect_size,
    interval,
    p_above,
    p_below,
    seeds_to_decide,
    standardized_distance,
    superiority,
)
from bnexp.runs.tables import Axis, Tables
from bnexp.runs.where import Point
from bnexp.sweep import Plan
from bnexp.text import choices, counted, exact, listed


@dataclass(frozen=True)
class Times:
    """The steps at which one network is scored and probed, and how many steps make an epoch."""

    per_epoch: int
    scored: Sequence[int]
    probed: Sequence[int]


def claim_problems(
    claims: Sequence[Claim] | None, plan: Plan, times: Mapping[str, Times] | None = None
) -> list[Problem]:
    """Why claims cannot be judged, each with the place of the key that is to blame.

    `times`, by the networks' ids, is None before any data are known. Claims with
    `absent: undecided` may be undecidable and are not checked.
    """
    problems = []
    for index, claim in enumerate(claims or ()):
        if claim.absent == "undecided":
            continue
        try:
            _check(claim, plan, times)
        except Undecidable as error:
            path = ("claims", index, *error.path)
            problems.append(Problem(path, error.text, error.at_key))
    return problems


def _check(claim: Claim, plan: Plan, times: Mapping[str, Times] | None) -> None:
    """Raise Undecidable for the first measure that a network of the claim will not have.

    The measure of the other side of a comparison is checked at the points that are compared with.
    """
    pairs = pair_points(claim, plan_points(plan))
    networks = {point_key(network.point): network for network in plan.networks}
    other_path, other_measure = other_side(claim)
    sides: list[tuple[KeyPath, Measure, list[Point]]] = [
        (("measure",), claim.measure, [pair.point for pair in pairs]),
        (other_path, other_measure, [pair.than for pair in pairs if pair.than is not None]),
    ]
    for path, measure, points in sides:
        with within(path):
            for network in (networks[point_key(point)] for point in points):
                _check_measure(measure, network.setting)
                if times is not None and network.id in times:
                    _check_times(measure, times[network.id])


def _check_measure(measure: Measure, setting: Setting) -> None:
    """Raise Undecidable if a network of this setting will have no such number at any step."""
    if not isinstance(measure, OfQuantity):
        metric = parse_metric(measure).metric
        if (metric == "gap" or metric.startswith("test")) and not setting.data.scores_test:
            raise Undecidable((), f"no test images, expected data.test above 0 for {metric}, got 0")
        column = metric_column(metric)
        names = recorded_metrics({options.kind for options in setting.train.metrics or ()})
        if column and column.name not in names:
            text = f"{metric}: not recorded, expected {column.name} in train.metrics"
            raise Undecidable((), text)
        return
    quantity = measure.quantity
    if setting.probes is None:
        text = f"not recorded, expected probes that read {quantity}, got none"
        raise Undecidable(("quantity",), text)
    grids: list[Grid] = []
    for _, read in probe_grids(setting):
        if read is None:
            return  # what such a probe records is known only afterwards
        grids += [grid for grid in read if grid.layers]
    quantities = list(dict.fromkeys(grid.quantity for grid in grids))
    if quantity not in quantities:
        raise Undecidable(("quantity",), f"not recorded, expected {choices(quantity, quantities)}")
    grids = [grid for grid in grids if grid.quantity == quantity]
    layers = sorted({layer for grid in grids for layer in grid.layers})
    for layer in measure.growth or (measure.layer or 0,):
        if layer not in layers:
            path = tuple(name for name in ("layer", "growth") if getattr(measure, name) is not None)
            text = f"no such layer, expected {_span(layers)} for {quantity}, got {layer}"
            raise Undecidable(path, text)
    mask_place(measure, np.array([place for grid in grids for place in grid.at]))


def _span(layers: Sequence[int]) -> str:
    """'1 to 4', or the numbers themselves if some between them are missing."""
    first, last = layers[0], layers[-1]
    if len(layers) == last - first + 1:
        return f"{first} to {last}" if last > first else str(first)
    return f"one of {', '.join(map(str, layers))}"


def _check_times(measure: Measure, times: Times) -> None:
    """Raise Undecidable if the network is not scored or probed when the measure is taken."""
    if not isinstance(measure, OfQuantity):
        epochs = [step // times.per_epoch for step in times.scored]
        select_evaluations(parse_metric(measure), times.scored, epochs)
    elif times.probed:
        select_steps(measure, times.probed)


@dataclass(frozen=True)
class Bounds:
    """The numbers from `low` to `high`, both included; `strict` excludes `low`.

    A strict bound is about a difference. Seeds whose differences are all exactly at it show neither
    that their mean is above nor that it is below.
    """

    low: float = -inf
    high: float = inf
    strict: bool = False

    def judge(self, interval: Interval) -> VerdictWord:
        """Supported if the interval is within, refuted if it is beyond a bound, else undecided."""
        above = interval.low > self.low if self.strict else interval.low >= self.low
        if interval.high < self.low or interval.low > self.high:
            return "refuted"
        return "supported" if above and interval.high <= self.high else "undecided"

    def most_favorable(self, limits: Limits) -> float:
        """Of the numbers within the limits the one that is best for the claim; may be infinite."""
        if self.low > -inf and self.high < inf:
            return (self.low + self.high) / 2
        return limits[1] if self.low > -inf else limits[0]

    def margin(self, intervals: Sequence[Interval]) -> float:
        """How far the interval that is nearest to failing is within; negative if it is not."""
        edges = [interval.low - self.low for interval in intervals if self.low > -inf]
        edges += [self.high - interval.high for interval in intervals if self.high < inf]
        return min((-inf if isnan(edge) else edge for edge in edges), default=nan)

    def p_values(self, values: Sequence[float], limits: Limits) -> tuple[float, float]:
        """The p-values of the hypotheses that the mean is not within, and that it is.

        The first one is small where the mean is shown to be within. A mean between two bounds has
        to be shown to be above the one and below the other: the larger p-value counts. Values
        without spread are within or not: 0 and 1, or 1 and 0, or both 1 at a strict bound.
        """
        if min(values) == max(values):
            word = self.judge(Interval(values[0], values[0], values[0]))
            return float(word != "supported"), float(word != "refuted")
        supported = [p_above(values, limits, self.low)] if self.low > -inf else []
        supported += [p_below(values, limits, self.high)] if self.high < inf else []
        refuted = [p_below(values, limits, self.low)] if self.low > -inf else []
        refuted += [p_above(values, limits, self.high)] if self.high < inf else []
        return max(supported), min(refuted)

    def seeds_to_decide(self, values: Sequence[float], limits: Limits) -> float:
        """How many seeds would decide, if their mean and spread were those of these values."""
        distances = [standardized_distance(values, limits, self.low)] if self.low > -inf else []
        if self.high < inf:
            distances.append(-standardized_distance(values, limits, self.high))
        return seeds_to_decide(min(distances))


def required_bounds(claim: Claim) -> Bounds:
    """The bounds of the mean, or of the mean difference, at each point of the claim.

    at_least a                        [a, inf)
    at_most b                         (-inf, b]
    within of, by                     [of - by, of + by]; relative: by = relative * |of|
    above, below                      (by, inf), of measure - times * other or its negative
    near by                           [-by, by], of measure - times * other
    near relative                     [-relative, relative], of (measure - times * other) divided
                                      by |times * other|
    non_decreasing, non_increasing    [-tolerance, inf), of the rise or fall along the axis
    """
    if claim.at_least is not None:
        return Bounds(low=claim.at_least)
    if claim.at_most is not None:
        return Bounds(high=claim.at_most)
    if target := claim.within:
        by = abs(target.of) * (target.relative or 0.0) if target.by is None else target.by
        return Bounds(target.of - by, target.of + by)
    if other := claim.above or claim.below:
        return Bounds(low=other.by, strict=True)
    if near := claim.near:
        tolerance = near.relative if near.by is None else near.by
        return Bounds(-(tolerance or 0.0), tolerance or 0.0)
    return Bounds(low=-(claim.tolerance or 0.0))


@dataclass(frozen=True)
class PointVerdict:
    """The verdict on one point of a claim, and the numbers that it rests on.

    point: its swept values. than: the point that it is compared with, None without a comparison.
    reason: why it is undecided or, for `equals`, refuted.
    estimate, low, high: the mean over seeds of the measure, or of the paired differences, and its
    95 % interval; for `equals` the mean, the lowest and the highest number. NaN without a number.
    margin: how far the interval is on the claim's side; negative if it is not.
    n: seeds with a number. infinite: those whose number is not finite; the interval is of the
    others, if there are any. left_out: seeds whose number is NaN. missing: seeds whose network
    failed or is not trained. failed: those of them that failed. diverged: networks of the point,
    and of `than`, that diverged. A point with seeds that have no number is not supported.
    law_inside: of a law, whether the number that it predicts lies within the interval; None if the
    claim is none, or without an interval.
    p_supported: the p-value of the hypothesis that the mean is outside the claim's bounds.
    p_refuted: that of the hypothesis that it is within them. Each is 1 if missing seeds could
    change it, NaN for `equals`. seeds_needed: how many seeds would decide it, if mean and spread
    stayed the same, inf if more than 1,000; None unless the interval reaches over the limit.
    effect_size, superiority: of the differences of a claim with `above` or `below`; see
    `bnexp.runs.stats`.
    """

    point: Point
    than: Point | None
    verdict: VerdictWord
    reason: str
    n: int
    estimate: float
    low: float
    high: float
    margin: float
    diverged: int
    infinite: int
    left_out: int
    missing: int
    failed: int = 0
    law_inside: bool | None = None
    p_supported: float = nan
    p_refuted: float = nan
    seeds_needed: float | None = None
    effect_size: float | None = None
    superiority: float | None = None

    def verdict_with(self, seeds: float) -> VerdictWord:
        """The verdict with so many seeds, if mean and spread stayed the same."""
        if self.seeds_needed is None or seeds < self.seeds_needed:
            return self.verdict
        return "supported" if self.p_supported < self.p_refuted else "refuted"


@dataclass(frozen=True)
class Verdict:
    """The verdict on a claim.

    says, source: the claim's sentence, and where it is published. expected: the verdict that the
    claim's author found. reason: one sentence with the numbers of the deciding point. points: the
    verdicts on the points, of which `needed` must be supported. claim: the other keys of the claim,
    as plain values. kind: what the claim rests on. design_seeds: those of its seeds on which the
    claims were chosen. remarks: what else a reader has to know, in sentences without a period.

    p: the p-value of the claim, see `claim_p_value`; q: Benjamini and Hochberg's q-value over the
    claims that were judged together. Both are NaN where nothing was tested.
    """

    says: str
    source: str
    verdict: VerdictWord
    expected: VerdictWord
    reason: str
    p: float
    q: float
    needed: int
    points: tuple[PointVerdict, ...]
    claim: Mapping[str, Any]
    kind: Kind = "measured"
    design_seeds: tuple[int, ...] = ()
    remarks: tuple[str, ...] = ()

    @property
    def surprising(self) -> bool:
        """Whether the verdict differs from the one that the claim's author found."""
        return self.verdict != self.expected

    @property
    def deciding(self) -> PointVerdict | None:
        """The point that decides the verdict: of the `needed` best points, the worst one."""
        return _rank(self.points)[self.needed - 1] if self.points else None


def judge_run(run: RunData) -> tuple[Verdict, ...]:
    """A verdict on each claim of the run's experiment."""
    experiment = run.config.experiment
    sweep = plan_points(run.plan, experiment.random.design_seeds or ())
    return judge_claims(experiment.claims, sweep, run.tables)


def judge_claims(
    claims: Sequence[Claim] | None, sweep: SweepPoints, tables: Tables
) -> tuple[Verdict, ...]:
    """A verdict on each claim; undecided, with the reason, if it does not fit the sweep.

    sweep: the points and seeds that were planned, so that missing networks are noticed. tables: the
    results that there are.
    """
    with np.errstate(all="ignore"):  # infinite losses are numbers here
        verdicts = [_judge_claim(claim, sweep, tables) for claim in claims or ()]
    q_values = benjamini_hochberg([verdict.p for verdict in verdicts])
    return tuple(replace(v, q=q) for v, q in zip(verdicts, q_values, strict=True))


def _judge_claim(claim: Claim, sweep: SweepPoints, tables: Tables) -> Verdict:
    points: tuple[PointVerdict, ...] = ()
    word: VerdictWord = "undecided"
    needed = 0
    try:
        pairs = pair_points(claim, sweep)
        samples = collect_samples(claim, pairs, sweep, tables, partial(_refutes, claim))
    except Undecidable as error:
        reason = f"not in this experiment: {error.text}"
    else:
        points = tuple(
            _of_its_data(judge_point(claim, i, s), foreign_data(claim, s.pair, sweep, tables.data))
            for i, s in enumerate(samples)
        )
        needed = claim.in_at_least or len(points)
        word = claim_verdict(points, needed)
        reason = _summarize(claim, points, needed, sweep.axes)
        if word != overall_verdict([point.verdict for point in points], needed):
            p = claim_p_value(points, needed)
            reason += f"; no proof, as chance has {counted(len(points), 'point')}: p = {p:.2g}"
    keys = plain_values(claim)
    for key in ("says", "kind", "source", "expect", "absent"):
        keys.pop(key, None)
    design = tuple(seed for seed in sweep.seeds if seed in sweep.design_seeds)
    return Verdict(
        says=claim.says,
        source=claim.source or tables.source,
        verdict=word,
        expected=claim.expect,
        reason=reason,
        p=claim_p_value(points, needed),
        q=nan,
        needed=needed,
        points=points,
        claim=keys,
        kind=claim.kind,
        design_seeds=design,
        remarks=tuple(_remarks(claim, points, needed, word, design)),
    )


_STATED = {"published": "number", "direction": "direction", "theory": "law"}  # by the source


def _remarks(
    claim: Claim,
    points: Sequence[PointVerdict],
    needed: int,
    word: VerdictWord,
    design_seeds: Sequence[int],
) -> Iterator[str]:
    """Whose the margin is, whether the law's number is within the interval, and which seeds."""
    if own := claim.own_numbers:
        verb = "is" if len(own) == 1 else "are"
        stated = f"the source states the {_STATED[claim.kind]}"
        yield f"{stated}; {listed(own, 'and')} {verb} the author's"
    inside = [point.law_inside for point in points if point.law_inside is not None]
    if claim.law is not None and inside:
        number = "difference of 0" if claim.near else exact(claim.law)
        where = "inside" if all(inside) else "outside"
        at = "" if len({*inside}) == 1 else f" at {inside.count(False)} of {len(inside)} points"
        yield f"the law's {number} lies {where} the interval{at}"
    deciding = _rank(points)[needed - 1] if word != "undecided" and claim.equals is None else None
    if deciding and deciding.low == deciding.high:
        n = deciding.n
        others = 100 * (1 - (1 - CONFIDENCE) ** (1 / n))
        at = " at the deciding point" if len(points) > 1 else ""
        text = f"all {n} seeds agree{at}, so nothing is tested"
        yield f"{text}: up to {others:.0f} % of others may differ"
    if design_seeds:
        seeds = listed([str(seed) for seed in design_seeds], "and")
        noun = "seed" if len(design_seeds) == 1 else "seeds"
        yield f"judged with design {noun} {seeds}, on which the claims were chosen"


def overall_verdict(words: Sequence[VerdictWord], needed: int) -> VerdictWord:
    """Supported if enough points are; refuted if they cannot be any more; else undecided.

    >>> overall_verdict(["supported", "undecided", "refuted"], needed=2)
    'undecided'
    >>> overall_verdict(["supported", "refuted", "refuted"], needed=2)
    'refuted'
    """
    if words.count("supported") >= needed:
        return "supported"
    return "undecided" if words.count("refuted") <= len(words) - needed else "refuted"


def claim_verdict(points: Sequence[PointVerdict], needed: int) -> VerdictWord:
    """The verdict on a claim about these points, of which `needed` must be supported.

    Where fewer than all are needed, chance has several tries: then the claim's own p-value, which
    counts them, must be at most 5 %, too.
    """
    word = overall_verdict([point.verdict for point in points], needed)
    if word == "undecided" or needed == len(points):
        return word
    return "undecided" if claim_p_value(points, needed) > 1 - CONFIDENCE else word


def claim_p_value(points: Sequence[PointVerdict], needed: int) -> float:
    """The p-value of a claim that is about these points, of which `needed` must be supported.

    It is the smaller one of two: that of the hypothesis that the relation holds at fewer than
    `needed` points, which must be rejected to support the claim, and that of the hypothesis that it
    holds at `needed` or more, which must be rejected to refute it. If k of n points have to reject,
    it is the k-th smallest p-value of the points times n - k + 1 (Benjamini and Heller 2008): the
    largest one, to support a claim about all of its points. The points may depend on each other.

    NaN without points, for `equals`, and where all that counts is points without spread.
    """
    if not points or any(isnan(point.p_supported) for point in points):
        return nan
    n, refuting = len(points), len(points) - needed + 1
    supported = sorted(point.p_supported for point in points)[needed - 1] * (n - needed + 1)
    refuted = sorted(point.p_refuted for point in points)[refuting - 1] * (n - refuting + 1)
    p = min(supported, refuted, 1.0)
    return p if p > 0 else nan


def claim_seeds_needed(points: Sequence[PointVerdict], needed: int) -> float | None:
    """How many seeds would decide an undecided claim, if mean and spread stayed the same.

    None if that is not the question: it is decided, or some network is missing.
    """
    if claim_verdict(points, needed) != "undecided":
        return None
    for seeds in sorted({point.seeds_needed for point in points if point.seeds_needed is not None}):
        words = [point.verdict_with(seeds) for point in points]
        if overall_verdict(words, needed) != "undecided":
            return seeds
    return None


def _rank(points: Sequence[PointVerdict]) -> list[PointVerdict]:
    """The points from the best to the worst; equally good ones in the sweep's order."""
    order = ("supported", "undecided", "refuted")
    return sorted(
        points,
        key=lambda p: (order.index(p.verdict), inf if isnan(p.margin) else -p.margin),
    )


NO_INTERVAL = Interval(nan, nan, nan)
OVER_THE_LIMIT = "the interval reaches over the limit"
AT_THE_LIMIT = "all seeds are exactly at the limit"


def judge_point(claim: Claim, index: int, sample: Sample) -> PointVerdict:
    """The verdict on the claim's point number `index`."""
    p_values: tuple[float, float] = (nan, nan)
    seeds_needed = None
    if claim.equals is None:
        bounds = required_bounds(claim)
        word, reason, ends, margin = _judge_mean(sample, bounds)
        p_values = _p_values(sample, bounds)
        if reason == OVER_THE_LIMIT:
            seeds_needed = bounds.seeds_to_decide(sample.values, sample.limits)
    else:
        tolerance = claim.tolerance or 0.0
        word, reason, ends, margin = _judge_equality(sample, claim.equals[index], tolerance)
    has_interval = claim.equals is None and len([v for v in sample.values if isfinite(v)]) > 1
    is_law = claim.law is not None and has_interval
    is_comparison = claim.relation in ("above", "below")
    differences = [*sample.values, *[0.0] * sample.ties]
    return PointVerdict(
        point=sample.pair.point,
        than=sample.pair.than,
        verdict=word,
        reason=reason,
        n=sample.n,
        estimate=ends.mean,
        low=ends.low,
        high=ends.high,
        margin=margin,
        diverged=sample.diverged,
        infinite=sum(abs(value) == inf for value in sample.values) + sample.ties,
        left_out=sample.left_out,
        missing=sample.failed + sample.untrained,
        failed=sample.failed,
        law_inside=ends.low <= (claim.law or 0.0) <= ends.high if is_law else None,
        p_supported=p_values[0],
        p_refuted=p_values[1],
        seeds_needed=seeds_needed,
        effect_size=effect_size(differences) if is_comparison else None,
        superiority=superiority(differences) if is_comparison else None,
    )


def _of_its_data(point: PointVerdict, foreign: str) -> PointVerdict:
    """The verdict on a point, which is undecided for this reason if the data are foreign."""
    if not foreign:
        return point
    return replace(
        point,
        verdict="undecided",
        reason=foreign,
        p_supported=nan,
        p_refuted=nan,
        seeds_needed=None,
    )


def _refutes(claim: Claim, number: float) -> bool:
    """Whether the claim would be refuted if every seed had this number, which is infinite or 0."""
    if claim.equals is not None:
        return True
    return required_bounds(claim).judge(Interval(number, number, number)) == "refuted"


def _judge_mean(sample: Sample, bounds: Bounds) -> tuple[VerdictWord, str, Interval, float]:
    """Verdict, reason, interval and margin of a point whose mean must lie within bounds.

    The interval is of the finite numbers. Infinite numbers, and ties as differences of 0, are
    intervals of their own: all of them must agree on the verdict. If a seed has no number, the
    others cannot support the claim, and refute it only if they would with the number that is best
    for the claim in its place; if one is not trained yet, neither.
    """
    finite = [value for value in sample.values if isfinite(value)]
    intervals = [interval(part, sample.limits) for part in _parts(sample)]
    words = {bounds.judge(ends) for ends in intervals}
    word: VerdictWord = "undecided"
    reason = _incomplete(sample)
    if sample.untrained or not sample.n:
        pass
    elif sample.n < 2:
        reason = reason or "one seed"
    elif len(finite) == 1:
        reason = reason or "one finite number"
    elif len(words) > 1:
        reason = reason or "some are infinite, some are not"
    elif words == {"undecided"}:
        has_spread = any(ends.low < ends.high for ends in intervals)
        reason = reason or (OVER_THE_LIMIT if has_spread else AT_THE_LIMIT)
    elif reason and words == {"refuted"}:
        word = "refuted" if _is_refuted_anyway(sample, bounds) else word
    elif not reason:
        (word,) = words
    return word, reason, intervals[0] if intervals else NO_INTERVAL, bounds.margin(intervals)


def _is_refuted_anyway(sample: Sample, bounds: Bounds) -> bool:
    """Whether a refutation stands whatever numbers the seeds without one might have had."""
    missing = sample.seeds - sample.n
    best = bounds.most_favorable(sample.limits)
    finite = [value for value in sample.values if isfinite(value)]
    return (
        isfinite(best)
        and bounds.judge(interval([*finite, *[best] * missing], sample.limits)) == "refuted"
    )


def _parts(sample: Sample) -> list[list[float]]:
    """The finite numbers of a sample, each infinite number, and ties as 0; without empty parts."""
    finite = [value for value in sample.values if isfinite(value)]
    infinite = [[value] for value in sorted(set(sample.values) - set(finite))]
    return [part for part in (finite, *infinite, [0.0] * sample.ties) if part]


def _p_values(sample: Sample, bounds: Bounds) -> tuple[float, float]:
    """The p-values against and for a point whose mean must lie within bounds, as `_judge_mean`.

    A seed without a number keeps the point from being supported, one that is not trained from
    being refuted, too. The parts of the sample must all agree: the largest p-value counts.
    """
    finite = [value for value in sample.values if isfinite(value)]
    if sample.untrained or sample.n < 2 or len(finite) == 1:
        return 1.0, 1.0
    pairs = [bounds.p_values(part, sample.limits) for part in _parts(sample)]
    supported, refuted = (max(p_values) for p_values in zip(*pairs, strict=True))
    if _incomplete(sample):
        return 1.0, refuted if _is_refuted_anyway(sample, bounds) else 1.0
    return supported, refuted


def _judge_equality(
    sample: Sample, number: float, tolerance: float
) -> tuple[VerdictWord, str, Interval, float]:
    """Verdict, reason, interval and margin of a point where every seed must give the number.

    There is no confidence interval, and one seed is enough. A network that failed or has no number
    does not give it.
    """
    deviation = max((abs(value - number) for value in sample.values), default=nan)
    ends = NO_INTERVAL
    if sample.values:
        ends = Interval(float(np.mean(sample.values)), min(sample.values), max(sample.values))
    word: VerdictWord = "supported"
    reason = _incomplete(sample)
    # 0.972 - 0.971 is a little more than 0.001.
    if sample.values and not deviation <= tolerance * (1 + 1e-9):
        word, reason = "refuted", "; ".join(filter(None, (f"expected {number:.6g}", reason)))
    elif reason:
        word = "undecided" if sample.untrained else "refuted"
    return word, reason, ends, tolerance - deviation


def _incomplete(sample: Sample) -> str:
    """How many seeds have a number, and why the others have none; empty if all have one.

    For example: 3 of 5 seeds have a number (1 failed, 1 NaN)
    """
    if sample.n == sample.seeds:
        return ""
    counts = {"failed": sample.failed, "not trained": sample.untrained, "NaN": sample.left_out}
    why = ", ".join(f"{number} {word}" for word, number in counts.items() if number)
    verb = "has" if sample.n == 1 else "have"
    return f"{sample.n} of {counted(sample.seeds, 'seed')} {verb} a number ({why})"


def _summarize(
    claim: Claim, points: Sequence[PointVerdict], needed: int, axes: Sequence[Axis]
) -> str:
    """One sentence: the numbers of the point that decides, and at how many points it holds.

    For example: mean 0.955 [0.93, 0.98], n = 5 at model.norm = batch; holds at 3 of 4 points
    """
    point = _rank(points)[needed - 1]
    noun = "value" if claim.equals is not None else "difference" if point.than else "mean"
    if claim.near and claim.near.relative is not None:
        noun = "relative difference"
    estimate = "unknown" if isnan(point.estimate) else f"{point.estimate:.4g}"
    if point.n >= 2 and not isnan(point.estimate):
        estimate += f" [{point.low:.4g}, {point.high:.4g}]"
    numbers = [f"{noun} {estimate}, n = {point.n}"]
    if point.diverged:
        numbers.append(f"{point.diverged} diverged")
    if 0 < point.infinite < point.n:
        numbers.append(f"{point.infinite} infinite")
    if without := point.left_out + point.missing:
        numbers.append(f"{without} without a number")
    if point.superiority is not None and point.n:
        numbers.append(f"ahead in {exact(point.superiority * point.n)} of {point.n}")
    text = ", ".join(numbers)
    if point.point:
        text += f" at {describe_point(point.point, axes)}"
    if target := claim.within or claim.near:
        by, relative = target.by, target.relative
        text += f", wanted {exact(claim.within.of if claim.within else 0)} +- "
        text += exact(by) if by is not None else f"{exact(round(100 * (relative or 0), 12))} %"
    parts = [text, point.reason]
    if len(points) > 1:
        supported = sum(point.verdict == "supported" for point in points)
        required = f", {needed} needed" if needed < len(points) else ""
        parts.append(f"holds at {supported} of {len(points)} points{required}")
    if seeds := claim_seeds_needed(points, needed):
        number = f"about {seeds:.0f}" if seeds <= MOST_SEEDS else f"more than {MOST_SEEDS:,}"
        parts.append(f"{number} seeds would decide, if mean and spread stay")
    return "; ".join(part for part in parts if part)
