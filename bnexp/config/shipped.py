"""The experiments that come with bnexp. Imports nothing heavy: `bnexp list` reads it."""

from __future__ import annotations

import difflib
from pathlib import Path

from bnexp.errors import ConfigError

PACKAGE = Path(__file__).resolve().parents[1]


def experiments_folder() -> Path:
    """Inside the installed package, or beside it in a checkout."""
    inside = PACKAGE / "configs"
    return inside if inside.is_dir() else PACKAGE.parent / "configs"


def experiment_names() -> list[str]:
    return sorted(path.stem for path in experiments_folder().glob("*.yaml"))


def find_experiment(experiment: str) -> Path:
    """The file of an experiment given by path or by name; ConfigError if there is none."""
    path, by_path = Path(experiment), _is_path(experiment)
    if by_path and file_exists(path):
        return path
    if not by_path and experiment in experiment_names():
        return experiments_folder() / f"{experiment}.yaml"
    if file_exists(path / "config.yaml"):  # a run directory: its resolved experiment
        return path / "config.yaml"
    what = "no such file, expected" if by_path else "no experiment of that name, expected"
    raise ConfigError(
        f"{experiment}: {what} a shipped experiment or the path of a YAML file; {_hint(path)}"
    )


def _is_path(experiment: str) -> bool:
    path = Path(experiment)
    return path.suffix in (".yaml", ".yml") or len(path.parts) > 1


def file_exists(path: Path) -> bool:
    """False too for what the system refuses to look up, such as too long a name."""
    try:
        return path.is_file()
    except OSError:
        return False


def _hint(path: Path) -> str:
    beside = [path.parent / (path.name + end) for end in (".yaml", ".yml")] if path.name else []
    found = [str(name) for name in beside if file_exists(name)]
    found += [path.stem] if path.stem in experiment_names() else []
    near = found or difflib.get_close_matches(path.stem, experiment_names(), 1)
    return f"did you mean {near[0]!r}?" if near else "`bnexp list` shows those"
