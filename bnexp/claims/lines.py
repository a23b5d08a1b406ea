"""The table of verdicts that a run ends with, in 80 columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from textwrap import wrap

from bnexp.claims.verdict import Verdict
from bnexp.config.claims import WORDS

WIDTH = 80
INDENT = "  "
COLUMN = max(map(len, WORDS)) + 2


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
    said = _wrapped(verdict.says)
    yield f"{INDENT}{verdict.verdict:<{COLUMN}}{said[0]}"
    rest = [*said[1:], *_wrapped(verdict.reason)]
    known = "as the experiment expects" if verdict.expected != "supported" else ""
    rest += [f"expected: {verdict.expected}" if verdict.surprising else known]
    yield from (f"{INDENT}{'':<{COLUMN}}{line}" for line in rest if line)


def _wrapped(text: str) -> list[str]:
    return wrap(text, WIDTH - COLUMN - len(INDENT)) or [""]
