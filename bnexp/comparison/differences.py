"""What differs between two sides, and which of it can change a number."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from bnexp.store.facts import ABSENT

# What can change a number, the likeliest first, in the user's words.
CAUSES = {
    "data": "data",
    "numerics": "bnexp's numerics",
    "packages.bnexp": "bnexp",
    "blas": "BLAS",
    "packages.numpy": "numpy",
    "cpu.model": "processor",
    "python": "python",
    "platform": "platform",
    "git_commit": "bnexp's commit",
}


@dataclass(frozen=True)
class Difference:
    """A key, and what each of two sides has there, as text."""

    key: str
    first: str
    second: str


def differences(first: Mapping[str, str], second: Mapping[str, str]) -> tuple[Difference, ...]:
    """What differs, in the order of the keys; what only one side has is absent in the other."""
    keys = dict.fromkeys([*first, *second])
    both = (Difference(key, first.get(key, ABSENT), second.get(key, ABSENT)) for key in keys)
    return tuple(one for one in both if one.first != one.second)


def causes(stored: Mapping[str, str], here: Mapping[str, str]) -> tuple[Difference, ...]:
    """The differences that can change a number, the likeliest first, in words."""
    ranks = list(CAUSES)
    named = {rank: [d for d in differences(stored, here) if _rank(d.key) == rank] for rank in ranks}
    return tuple(
        Difference(
            d.key.replace(rank, CAUSES[rank], 1).replace("data.", "data "), d.first, d.second
        )
        for rank in ranks
        for d in named[rank]
    )


def _rank(key: str) -> str:
    return "data" if key.startswith("data.") else key
