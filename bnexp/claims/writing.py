"""claims.json: the verdicts with the numbers that they rest on."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import fields
from typing import Any

from bnexp.claims.verdict import PointVerdict, Verdict
from bnexp.jsonvalues import plain
from bnexp.tables.interval import LEVEL

FORMAT = 1
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
        "claims": [_claim(verdict) for verdict in verdicts],
    }
    return json.dumps(whole, indent=1, allow_nan=False, ensure_ascii=False) + "\n"


def _claim(verdict: Verdict) -> Mapping[str, Any]:
    return {**_fields(verdict), "points": [_point(point) for point in verdict.points]}


def _point(point: PointVerdict) -> Mapping[str, Any]:
    """Without what is not there: another side, a reason."""
    shown = {key: value for key, value in _fields(point).items() if value is not None}
    numbers = {key: plain(getattr(point, key)) for key in ("estimate", "low", "high", "margin")}
    return {**{key: value for key, value in shown.items() if value != ""}, **numbers}


def _fields(part: Verdict | PointVerdict) -> dict[str, Any]:
    return {field.name: plain(getattr(part, field.name)) for field in fields(part)}
