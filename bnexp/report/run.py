"""What a page is made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bnexp.claims import Verdict
from bnexp.config import Config
from bnexp.tables import Results
from bnexp.tables.results import Value


@dataclass(frozen=True)
class Missing:
    """A network of the plan that has no result, and why."""

    point: Mapping[str, Value]
    seed: int
    reason: str


@dataclass(frozen=True)
class Run:
    """A run directory's content. `manifest` is empty where there is none.

    parent: the shipped experiment that this one extends; shipped: the one of its own name. None
    where it is not known.
    """

    config: Config
    tables: Results
    verdicts: Sequence[Verdict]
    missing: Sequence[Missing]
    manifest: Mapping[str, Any]
    parent: Config | None = None
    shipped: Config | None = None
