"""Claims: from an experiment's sentences and its tables to a verdict on each.

A claim's points are judged one by one, each by the 95 % interval of its mean over seeds. A point is
supported if the whole interval is within the claim's bounds, refuted if no part of it is, and
undecided otherwise. The intervals are not corrected for the number of points: the more points a
claim is about, the likelier it is that the interval of one of them misses its mean. The p-value of
a claim is corrected for its points, and its q-value for the number of claims.
"""

from bnexp.claims.judge import PointVerdict, Times, Verdict, claim_problems, judge_claims, judge_run
from bnexp.claims.select import SweepPoints, plan_points
from bnexp.claims.statements import statement_problems
from bnexp.claims.text import (
    HEADINGS,
    VERDICT_TEXTS,
    by_kind,
    claims_text,
    counts_text,
    q_text,
    remarks,
    verdict_lines,
)

__all__ = [
    "HEADINGS",
    "VERDICT_TEXTS",
    "PointVerdict",
    "SweepPoints",
    "Times",
    "Verdict",
    "by_kind",
    "claim_problems",
    "claims_text",
    "counts_text",
    "judge_claims",
    "judge_run",
    "plan_points",
    "q_text",
    "remarks",
    "statement_problems",
    "verdict_lines",
]
