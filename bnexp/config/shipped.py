"""The experiments that come with bnexp. Imports nothing heavy: `bnexp list` reads it."""

from __future__ import annotations

import difflib
from pathlib import Path

from bnexp.errors import ConfigError

PACKAGE = Path(__file__).resolve().parents[1]


def folder() -> Path:
    """Inside the installed package, or beside it in a checkout."""
    inside = PACKAGE / "configs"
    return inside if inside.is_dir() else PACKAGE.parent / "configs"


def names() -> list[str]:
    return sorted(path.stem for path in folder().glob("*.yaml"))


def find(experiment: str) -> Path:
    """The file of an experiment given by path or by name; ConfigError if there is none."""
    path = Path(experiment)
    if path.suffix in (".yaml", ".yml") or len(path.parts) > 1:
        if path.is_file():
            return path
        raise ConfigError(
            f"{experiment}: no such file, expected a YAML file; `bnexp list` shows "
            "the experiments that need none"
        )
    if experiment in names():
        return folder() / f"{experiment}.yaml"
    near = difflib.get_close_matches(experiment, names(), 1)
    hint = f"did you mean {near[0]!r}?" if near else "`bnexp list` shows them"
    raise ConfigError(
        f"{experiment}: no experiment of that name, expected a shipped experiment "
        f"or the path of a YAML file; {hint}"
    )
