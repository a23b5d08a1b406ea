"""Tables from a name to a class, and the fields of such a class."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, field
from importlib.metadata import entry_points
from typing import Any, TypeVar

Class = TypeVar("Class", bound=type)


def knob(default: Any = MISSING, *, doc: str, **bounds: float) -> Any:
    """A hyper-parameter's field: its default, its meaning, and its bounds (`gt`, `ge`, `lt`, `le`).

    The configuration reads all three: a registered class needs nothing else to be used from YAML.
    """
    return field(default=default, metadata={"doc": doc, "bounds": bounds})


class Registry(Mapping[str, type]):
    """Names that a configuration may use as `kind`, in the order of the literature.

    `noun` is what one entry is called in messages; installed packages add entries of their own
    through the entry-point group `bnexp.<noun>`.

    >>> from bnexp.nn import NORMALISERS
    >>> NORMALISERS["layer"](eps=1e-3)
    LayerNorm(eps=0.001, affine=True)
    >>> NORMALISERS.register("layer")
    Traceback (most recent call last):
    ValueError: normaliser 'layer' is built in; choose another name
    """

    def __init__(self, noun: str, classes: dict[str, type]) -> None:
        self.noun = noun
        self.builtin = frozenset(classes)
        self._classes = dict(classes)
        self._discovered = False

    def register(self, name: str) -> Callable[[Class], Class]:
        """Class decorator: make a frozen dataclass available as `kind: name`.

        ValueError where a built-in class has the name.
        """
        if name in self.builtin or name == "none":
            raise ValueError(f"{self.noun} {name!r} is built in; choose another name")

        def add(cls: Class) -> Class:
            self._classes[name] = cls
            return cls

        return add

    def __getitem__(self, name: str) -> type:
        return self._all()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def _all(self) -> dict[str, type]:
        if not self._discovered:
            self._discovered = True
            for point in entry_points(group=f"bnexp.{self.noun}"):
                if point.name not in self._classes:
                    self._classes[point.name] = point.load()
        return self._classes
