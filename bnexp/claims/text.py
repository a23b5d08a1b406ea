"""Verdicts as text: what the commands print, and the file claims.json."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import fields
from math import isnan
from typing import Any

from bnexp.claims.judge import PointVerdict, Verdict
from bnexp.config.claims import KINDS, Kind, VerdictWord
from bnexp.runs.stats import CONFIDENCE
from bnexp.text import aligned, json_value, labeled

# What people read: a claim of a source that is refuted here may hold where the source made it.
VERDICT_TEXTS: Mapping[VerdictWord, str] = {
    "supported": "supported",
    "refuted": "does not hold",
    "undecided": "undecided",
}
COLUMN = max(map(len, VERDICT_TEXTS.values())) + 4  # where the sentences begin
HEADINGS: Mapping[Kind, str] = {
    "published": "published: the source states it, with its number",
    "direction": "direction: the source states the direction",
    "theory": "theory: a law",
    "measured": "measured: the author's own observation",
}

FORMAT = 1
ABOUT = (
    "A point is supported or refuted by the interval of its mean over seeds at this confidence; "
    "intervals are not corrected for the number of points, the p-values of claims are; q is "
    "Benjamini and Hochberg's over these claims. A loss that is not finite is inf."
)


def by_kind(verdicts: Iterable[Verdict]) -> dict[Kind, list[Verdict]]:
    """The verdicts of each kind of claim that there is, in the order of KINDS."""
    verdicts = list(verdicts)
    groups = {kind: [v for v in verdicts if v.kind == kind] for kind in KINDS}
    return {kind: group for kind, group in groups.items() if group}


def counts_text(words: Iterable[VerdictWord]) -> str:
    """How many of the verdicts are which, for people.

    >>> counts_text(["supported", "refuted", "supported"])
    '2 supported, 1 does not hold in this setting, 0 undecided'
    """
    counts = Counter(words)
    refuted = "does not hold" if counts["refuted"] == 1 else "do not hold"
    refuted = (
        f"{counts['refuted']} {refuted} in this setting" if counts["refuted"] else "0 do not hold"
    )
    return f"{counts['supported']} supported, {refuted}, {counts['undecided']} undecided"


def verdict_lines(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """By kind, for each claim its verdict, sentence and numbers; last a line of counts a kind.

    claims (95 % intervals over seeds, each point by itself; q over all claims)

    direction: the source states the direction

      supported      Batch norm learns at a scale of 0.3.
                     mean 0.955 [0.93, 0.98], n = 5 at model.norm = batch; q < 0.001
                     the source states the direction; at_least is the author's

    direction  1 supported, 0 do not hold, 0 undecided
    """
    yield "claims (95 % intervals over seeds, each point by itself; q over all claims)"
    groups = by_kind(verdicts)
    for kind, group in groups.items():
        yield from ["", HEADINGS[kind]]
        for verdict in group:
            yield ""
            yield from labeled(
                VERDICT_TEXTS[verdict.verdict], [verdict.says, *remarks(verdict)], COLUMN
            )
    yield ""
    yield from aligned([[k, counts_text(v.verdict for v in group)] for k, group in groups.items()])


def q_text(q: float) -> str:
    """'q = 0.003', 'q < 0.001', or nothing where nothing was tested."""
    if isnan(q):
        return ""
    return f"q = {q:.2g}" if q >= 0.001 else "q < 0.001"


def remarks(verdict: Verdict, expected: bool = True) -> list[str]:
    """The numbers behind a verdict, what else is to be said of it, and whether it is expected.

    expected: whether that is said, too.
    """
    expectation = ""
    if not expected:
        pass
    elif verdict.surprising:
        expectation = f"expected: {VERDICT_TEXTS[verdict.expected]}"
    elif verdict.expected != "supported":
        expectation = "as the experiment expects"
    reason = "; ".join(filter(None, (verdict.reason, q_text(verdict.q))))
    return [text for text in (reason, *verdict.remarks, expectation) if text]


def claims_text(
    verdicts: Sequence[Verdict], seeds: Sequence[int] = (), design_seeds: Sequence[int] = ()
) -> str:
    """The text of claims.json: strict JSON, where NaN is null and infinities are texts.

    The same verdicts always give the same text.

    seeds, design_seeds: those that claims are judged on, and those on which they were chosen; they
    are stated if there are design seeds.
    """
    purposes = {"seeds": {"judged": [*seeds], "design": [*design_seeds]}} if design_seeds else {}
    content = {
        "bnexp_claims": FORMAT,
        "confidence": CONFIDENCE,
        "about": ABOUT,
        **purposes,
        "claims": [_verdict_content(verdict) for verdict in verdicts],
    }
    return json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def _verdict_content(verdict: Verdict) -> Mapping[str, Any]:
    """A verdict's fields; without its kind if that is the default, and without empty lists."""
    values = _json_fields(verdict)
    if verdict.kind == "measured":
        del values["kind"]
    for name in ("design_seeds", "remarks"):
        if not values[name]:
            del values[name]
    return {**values, "points": [_point_content(point) for point in verdict.points]}


def _point_content(point: PointVerdict) -> Mapping[str, Any]:
    """A point's fields without an empty `than` and `reason`, and without a `failed` of 0.

    Its numbers are there even if null.
    """
    numbers = ("estimate", "low", "high", "margin")
    values = _json_fields(point)
    if not point.failed:
        del values["failed"]
    content = {key: value for key, value in values.items() if value is not None and value != ""}
    return {**content, **{key: values[key] for key in numbers}}


def _json_fields(part: Verdict | PointVerdict) -> dict[str, Any]:
    return {field.name: json_value(getattr(part, field.name)) for field in fields(part)}
