"""Verdicts as text: what the commands print, and the file claims.json."""

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

COLUMN = max(map(len, WORDS)) + 4  # where the sentences begin

FORMAT = 1
ABOUT = (
    "A point is supported or refuted by the t-interval of its mean over seeds at this confidence; "
    "intervals are not corrected for the number of points. A loss that is not finite is inf."
)


def verdict_lines(verdicts: Sequence[Verdict]) -> Iterator[str]:
    """A heading, for each claim its verdict, sentence and numbers, and a line with the counts.

    claims (95 % intervals over seeds, each point by itself)

      supported  Batch norm learns at a scale of 0.3.
                 mean 0.955 [0.93, 0.98], n = 5 at model.norm = batch

    1 supported, 0 refuted, 0 undecided
    """
    yield "claims (95 % intervals over seeds, each point by itself)"
    for verdict in verdicts:
        expectation = ""
        if verdict.surprising:
            expectation = f"expected: {verdict.expected}"
        elif verdict.expected != "supported":
            expectation = "as the experiment expects"
        remarks = [text for text in (verdict.reason, expectation) if text]
        yield ""
        yield from labeled(verdict.verdict, [verdict.says, *remarks], COLUMN)
    counts = Counter(verdict.verdict for verdict in verdicts)
    yield ""
    yield ", ".join(f"{counts[word]} {word}" for word in WORDS)


def claims_text(verdicts: Sequence[Verdict]) -> str:
    """The text of claims.json: strict JSON, where NaN is null and infinities are texts.

    The same verdicts always give the same text.
    """
    content = {
        "bnexp_claims": FORMAT,
        "confidence": LEVEL,
        "about": ABOUT,
        "claims": [
            {**_json_fields(verdict), "points": [_point_content(p) for p in verdict.points]}
            for verdict in verdicts
        ],
    }
    return json.dumps(content, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


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
