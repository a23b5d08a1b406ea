"""Whether worker processes can be given what a cell needs."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

from bnexp.config.kinds import Options
from bnexp.config.ownclass import fingerprint
from bnexp.config.schema import Setting
from bnexp.errors import ConfigError
from bnexp.plan import Cell


def check_workers(cells: Iterable[Cell]) -> None:
    """ConfigError where a cell needs a class that lives in a notebook or at a prompt.

    A worker imports the classes it is to use; what was typed into this process it cannot import.
    """
    file = getattr(sys.modules["__main__"], "__file__", None)
    if file is None or not Path(file).exists():
        refuse_typed(
            cells,
            "defined in a notebook or at a prompt, expected a class that worker processes can "
            "import; put it into a module, or use jobs=1",
        )


def refuse_typed(cells: Iterable[Cell], text: str) -> None:
    """ConfigError, with this text, where a cell needs a class that no module has."""
    for cell in cells:
        for options in _options(cell.setting):
            if options.target.__module__ == "__main__":
                raise ConfigError(f"{options.kind}: {text}")


def own_classes(cells: Iterable[Cell]) -> list[tuple[str, str]]:
    """Modules and names of the classes that cells need and that are not bnexp's own."""
    targets = {options.target for cell in cells for options in _options(cell.setting)}
    return sorted((cls.__module__, cls.__qualname__) for cls in targets if fingerprint(cls))


def _options(setting: Setting) -> Iterator[Options]:
    model = setting.model
    yield from (model.activation, model.init, *model.layer_init.values())
    yield from (setting.train.optimizer, setting.train.schedule)
    if model.norm:
        yield model.norm
    if setting.probes:
        yield from setting.probes.read
