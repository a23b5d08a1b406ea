"""The results that come with bnexp, and which of them a name means.

Commands that read a run directory also take the name of a shipped experiment: where there is no
folder of that name, its shipped result is meant. It is read in

    results/reference                   beside the package, in a checkout
    the package `bnexp_references`      where it is installed: its files, nothing of it is imported
    results/reference                   in the current folder

and never written to: what a command makes of it goes to results/NAME-shipped in the current folder.
The path results/reference/NAME means the same where there is no such folder.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from os.path import expanduser, lexists
from pathlib import Path

from bnexp.config.document import PACKAGE, experiment_names
from bnexp.errors import ConfigError
from bnexp.files import is_file

FOLDER = Path("results", "reference")
DISTRIBUTION = "bnexp-references"


@dataclass(frozen=True)
class RunPlace:
    """Where a run is read, and where what is made of it goes.

    The two are the same folder, unless the run is a shipped result.
    """

    directory: Path
    output: Path

    @property
    def is_shipped(self) -> bool:
        """Whether this is a result that comes with bnexp."""
        return self.directory != self.output


def find_run(name: str | Path) -> RunPlace:
    """The run directory of this path, or the shipped result of this name.

    A folder of that name comes first. If results/NAME is a run directory, the name is ambiguous: it
    is then taken as a path, and reading it raises a ConfigError that names both.

    ConfigError, with how to get it, if the shipped result is not on this machine.
    """
    path = Path(expanduser(name))
    is_name = path.parent in (Path(), FOLDER) and path.name in experiment_names()
    if lexists(path) or not is_name or (path.parent == Path() and is_run("results" / path)):
        return RunPlace(path, path)
    directory = find_shipped(path.name)
    if directory is None:
        raise ConfigError(
            f"{name}: not a run directory, and the shipped results are not installed; they are the "
            f"package {DISTRIBUTION}, which `pip install ./results` installs in a checkout of "
            f"bnexp, and `pip install bnexp_references-VERSION-py3-none-any.whl` elsewhere; "
            f"`bnexp run {path.name}` trains the experiment here"
        )
    return RunPlace(directory, Path("results", f"{path.name}-shipped"))


def find_shipped(name: str) -> Path | None:
    """Where the shipped result of an experiment lies; None if it is not on this machine."""
    return next(filter(is_run, (folder / name for folder in reference_folders())), None)


def reference_folders() -> Iterator[Path]:
    """The folders that may hold shipped results, those that belong to this bnexp first."""
    if not (PACKAGE / "configs").is_dir():  # a checkout
        yield PACKAGE.parent / FOLDER
    spec = find_spec(DISTRIBUTION.replace("-", "_"))
    yield from map(Path, (spec.submodule_search_locations or []) if spec else [])
    yield FOLDER


def is_run(folder: Path) -> bool:
    """Whether a folder has the config.yaml of a run directory."""
    return is_file(folder / "config.yaml")
