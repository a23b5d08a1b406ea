"""Other projects' libraries: asked for by their extra, and quiet while they work."""

from __future__ import annotations

import logging
import os
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib import import_module

from bnexp.errors import BnexpError


def require(extra: str, *libraries: str) -> None:
    """Import the libraries; BnexpError, which names the extra, where that cannot be done."""
    try:
        for library in libraries:
            import_module(library)
    except ImportError as error:
        raise BnexpError(
            f"export to {extra}: needs {', '.join(libraries)}, got {error}; "
            f"pip install 'bnexp[{extra}]'"
        ) from None


@contextmanager
def environment(values: Mapping[str, str]) -> Iterator[None]:
    """These hold within, where the user has not set them otherwise."""
    added = {name: value for name, value in values.items() if name not in os.environ}
    os.environ.update(added)
    try:
        yield
    finally:
        for name in added:
            os.environ.pop(name, None)


@contextmanager
def quiet() -> Iterator[None]:
    """Without Python's warnings, and without what is logged below a warning."""
    before = logging.root.manager.disable
    logging.disable(max(before, logging.INFO))  # not by logger: libraries set theirs as they go
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # theirs, about each other: no user can act on them
            yield
    finally:
        logging.disable(before)
