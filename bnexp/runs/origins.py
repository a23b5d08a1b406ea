"""Which images a run was made with, in words, for figures, claims, the report and the terminal.

An experiment names its data set, but a folder that is given in its place (`--data-dir`) may hold
another one. `DataOrigin` says which one it is by its content. A run that has just been made takes
it from the loaded data set (`loaded_origin`); one that is read from its directory from the manifest
and from the digests in the cell files (`stored_origins`).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bnexp.data import DATASETS, Dataset, is_path
from bnexp.data.datasets import is_arrays, recognize_digest

SHOWN_DIGITS = 12  # of a SHA-256


@dataclass(frozen=True)
class DataOrigin:
    """The images that stand behind a name of an experiment.

    name: as `data.name` has it. text: what they are, in words. recognized: the name of the known
    data set that they are; empty if they are none. sha256: their digest, `Dataset.sha256`. place:
    the folder or file that they were loaded from, on this machine. classes: how many classes their
    labels have, 0 if that is not known.
    """

    name: str
    text: str
    recognized: str
    sha256: str
    place: str = field(default="", compare=False)
    classes: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return self.text if self.is_of(self.name) else f"{self.text} in place of {self.name}"

    def is_of(self, name: str) -> bool:
        """Whether these are the images of the data set of this name; a path may lead to any."""
        is_unnamed = is_path(name) or is_arrays(name)
        return name == self.recognized or (name == self.name and is_unnamed)

    def line(self) -> str:
        """What the terminal says of it before a run."""
        foreign = "" if self.is_of(self.name) else f"; claims about {self.name} are undecided"
        return f"data: {self}{foreign}"

    def content(self) -> dict[str, str | int]:
        """What a manifest says of it."""
        # Of a known data set the name says how many classes there are.
        known = {"recognized": self.recognized} if self.recognized else {"classes": self.classes}
        stated = {name: value for name, value in known.items() if value}
        return {"sha256": self.sha256, "origin": self.text, **stated}


def loaded_origin(name: str, images: Dataset) -> DataOrigin:
    """The origin of a data set that was loaded under this name, without the folder."""
    words, _, place = images.origin.partition(" from ")
    text = _text(words.rstrip(","), images.recognized)
    # A network has more outputs than classes where these are few.
    classes = _classes(images.recognized) or len(np.unique(images.train_labels))
    return DataOrigin(name, text, images.recognized, images.sha256, place, classes)


def stored_origins(manifest: Mapping[str, Any] | None) -> dict[str, DataOrigin]:
    """The origins by name that a manifest states; it may be old, or hold anything."""
    data = (manifest or {}).get("data")
    origins = {}
    for name, entry in data.items() if isinstance(data, Mapping) else ():
        if not (isinstance(entry, Mapping) and isinstance(entry.get("sha256"), str)):
            continue
        sha256, words, stated = (
            value if isinstance(value := entry.get(key, ""), str) else ""
            for key in ("sha256", "origin", "recognized")
        )
        recognized = recognize_digest(name, sha256) or stated
        text = _text(words, recognized) if recognized or "SHA-256" in words else ""
        counted = entry.get("classes")
        classes = _classes(recognized) or (counted if type(counted) is int and counted > 0 else 0)
        text = text or _unknown(sha256)
        origins[name] = DataOrigin(name, text, recognized, sha256, classes=classes)
    return origins


def used_origins(
    networks: Iterable[tuple[str, str]], origins: Mapping[str, DataOrigin]
) -> tuple[DataOrigin, ...]:
    """The origins of networks that were trained, each once.

    networks: of each network the name of its data set, and the digest of the images that it was
    trained on, empty if that is not known. origins: what is known of the names.

    A directory may hold networks of other images than its manifest: of a run that was stopped.
    """
    used = []
    for name, sha256 in dict.fromkeys(networks):
        origin = origins.get(name)
        if sha256 and (origin is None or origin.sha256 != sha256):
            recognized = recognize_digest(name, sha256)
            text = _text("", recognized) if recognized else _unknown(sha256)
            origin = DataOrigin(name, text, recognized, sha256, classes=_classes(recognized))
        if origin is not None and origin not in used:
            used.append(origin)
    return tuple(used)


def _classes(recognized: str) -> int:
    """How many classes the images of a known data set have; 0 if it is none."""
    if recognized not in DATASETS:
        return 0
    return DATASETS[recognized].classes - DATASETS[recognized].unused


def _unknown(sha256: str) -> str:
    return f"unknown files, SHA-256 {sha256[:SHOWN_DIGITS]}..."


def _text(words: str, recognized: str) -> str:
    """The title of a known data set, with what else the words say of it."""
    if not recognized:
        return words
    title = DATASETS[recognized].title if recognized in DATASETS else ""
    if words.startswith(title or recognized):
        return words
    return title or f"{recognized}, {words}".removesuffix(", ")
