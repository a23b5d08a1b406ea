"""A run directory's claims.json, from its tables."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bnexp.claims import Verdict, claims_text, verdicts
from bnexp.files import remove
from bnexp.opening import finished
from bnexp.store import RunDirectory


def write_claims(judged: Sequence[Verdict], directory: RunDirectory) -> list[Path]:
    """Write claims.json; where nothing is claimed none is left, as it would be another's."""
    if judged:
        return [directory.write("claims.json", claims_text(judged))]
    remove(directory.path / "claims.json")
    return []


def judge_again(directory: Path) -> tuple[Verdict, ...]:
    """The verdicts of a run directory, from its own config and results; writes its claims.json."""
    made, store = finished(directory), RunDirectory(directory)
    judged = verdicts(made.config, made.plan, made.tables)
    with store.writing():
        write_claims(judged, store)
    return judged
