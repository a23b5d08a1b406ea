"""The experiments that come with bnexp. Imports nothing heavy: `bnexp list` reads it."""

from __future__ import annotations

from pathlib import Path

from bnexp.errors import ConfigError
from bnexp.text import nearest_name

PACKAGE = Path(__file__).resolve().parents[1]


def experiments_folder() -> Path:
    """Inside the installed package, or beside it in a checkout."""
    inside = PACKAGE / "configs"
    return inside if inside.is_dir() else PACKAGE.parent / "configs"


def experiment_names() -> list[str]:
    """The names of the shipped experiments, sorted."""
    return sorted(path.stem for path in experiments_folder().glob("*.yaml"))


def find_experiment(experiment: str) -> Path:
    """The file of an experiment: a path, the name of a shipped one, or a run directory.

    ConfigError, with what was probably meant, if there is none.
    """
    path = Path(experiment)
    is_path = path.suffix in (".yaml", ".yml") or len(path.parts) > 1
    if is_path and file_exists(path):
        return path
    if not is_path and experiment in experiment_names():
        return experiments_folder() / f"{experiment}.yaml"
    if file_exists(path / "config.yaml"):  # a run directory: its resolved experiment
        return path / "config.yaml"
    endings = (".yaml", ".yml") if path.name else ()
    siblings = [path.parent / (path.name + ending) for ending in endings]
    meant = [str(sibling) for sibling in siblings if file_exists(sibling)]
    meant += [path.stem] if path.stem in experiment_names() else []
    problem = "no such file" if is_path else "no experiment of that name"
    nearest = meant[0] if meant else nearest_name(path.stem, experiment_names())
    hint = f"did you mean {nearest!r}?" if nearest else "`bnexp list` shows those"
    raise ConfigError(
        f"{experiment}: {problem}, expected a shipped experiment or the path of a YAML file; {hint}"
    )


def file_exists(path: Path) -> bool:
    """False also for what the system refuses to look up, such as too long a name."""
    try:
        return path.is_file()
    except OSError:
        return False
