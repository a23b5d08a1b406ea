"""How a run was set up: its config, what that changes, its environment, how to repeat it."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from bnexp.comparison.differences import Difference, differences
from bnexp.comparison.settings import config_differences
from bnexp.config import Config
from bnexp.store.facts import facts

# What describes an experiment or draws it; a difference there changes no number.
WORDS = ("name", "title", "description", "source", "seconds", "claims", "figures", "extends")
RUN_FACTS = ("started", "seconds", "jobs", "trained")


def changes(base: Config | None, config: Config) -> Sequence[Difference]:
    """The keys that differ from another experiment, those that only describe it apart."""
    if base is None:
        return ()
    found = config_differences(base, config)
    return tuple(one for one in found if one.key.partition(".")[0] not in WORDS)


def environment(manifest: Mapping[str, Any]) -> Mapping[str, str]:
    """What the numbers were made with, as dotted keys; times are those of the training."""
    made = {key: str(manifest[key]) for key in RUN_FACTS if key in manifest}
    return {**made, **facts(manifest)}


def command(manifest: Mapping[str, Any]) -> str:
    """The command that made the run, as a shell reads it; empty if it is not known."""
    words = manifest.get("command")
    return shlex.join(map(str, words)) if isinstance(words, list) else ""


def surroundings(first: Mapping[str, Any], second: Mapping[str, Any]) -> Sequence[Difference]:
    """What two runs were made with that is not the same."""
    return differences(facts(first), facts(second))
