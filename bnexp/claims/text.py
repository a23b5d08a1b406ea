"""claims.json: the verdicts with the numbers that they rest on."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import fields
from typing import Any

from bnexp.claims.judge import PointVerdict, Verdict
from bnexp.config.claims import WORDS
from bnexp.runs.stats import LEVEL
from bnexp.text import json_value, labeled

COLUMN = max(map(len, WORDS)) + 4  # at which sentences begin


def verdict_lines(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """For each claim its verdict and sentence, then the numbers; a last line counts."""
    yield "claims (95 % intervals over seeds, each point by itself)"
    for verdict in verdicts:
        yield ""
        yield from _claim(verdict)
    words = Counter(verdict.verdict for verdict in verdicts)
    counted = [f"{words[word]} {word}" for word in WORDS]
    yield ""
    yield ", ".join(counted)


def _claim(verdict: Verdict) -> Iterator[str]:
    expectation = ""
    if verdict.surprising:
        expectation = f"expected: {verdict.expected}"
    elif verdict.expected != "supported":
        expectation = "as the experiment expects"
    remarks = [text for text in (verdict.reason, expectation) if text]
    yield from labeled(verdict.verdict, [verdict.says, *remarks], COLUMN)


FORMAT = 1
NUMBERS = ("estimate", "low", "high", "margin")
ABOUT = (
    "A point is supported or refuted by the t-interval of its mean over seeds at this confidence; "
    "intervals are not corrected for the number of points. A loss that is not finite is inf."
)


def claims_text(verdicts: Sequence[Verdict]) -> str:
    """The same text for the same verdicts; NaN is null, infinities are texts."""
    whole = {
        "bnexp_claims": FORMAT,
        "confidence": LEVEL,
        "about": ABOUT,
        "claims": [_claim_writing(verdict) for verdict in verdicts],
    }
    return json.dumps(whole, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def _claim_writing(verdict: Verdict) -> Mapping[str, Any]:
    return {**_fields(verdict), "points": [_point(point) for point in verdict.points]}


def _point(point: PointVerdict) -> Mapping[str, Any]:
    """Without what is not there: another side, a reason."""
    shown = {key: value for key, value in _fields(point).items() if value is not None}
    numbers = {
        key: json_value(getattr(point, key)) for key in ("estimate", "low", "high", "margin")
    }
    return {**{key: value for key, value in shown.items() if value != ""}, **numbers}


def _fields(part: Verdict | PointVerdict) -> dict[str, Any]:
    return {field.name: json_value(getattr(part, field.name)) for field in fields(part)}
