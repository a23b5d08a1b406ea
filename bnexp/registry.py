"""Tables from a name to a class, and the fields of such a class."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import MISSING, field, is_dataclass
from importlib.metadata import entry_points
from typing import Any, TypeVar

Class = TypeVar("Class", bound=type)


def option(default: Any = MISSING, *, doc: str, **bounds: float) -> Any:
    """A hyper-parameter's field: its default, its meaning, and its bounds (`gt`, `ge`, `lt`, `le`).

    The configuration reads all three: a registered class needs nothing else to be used from YAML.
    TypeError for another bound.
    """
    if unknown := set(bounds) - {"gt", "ge", "lt", "le"}:
        raise TypeError(f"knob: expected bounds gt, ge, lt or le, got {', '.join(sorted(unknown))}")
    return field(default=default, metadata={"doc": doc, "bounds": bounds})


class Registry(Mapping[str, type]):
    """Names that a configuration may use as `kind`, in the order of the literature.

    `noun` is what one entry is called in messages, `methods` are those that it must have. Installed
    packages add entries of their own through the entry-point group `bnexp.<noun>`.

    >>> from bnexp.nn import NORMALIZERS
    >>> NORMALIZERS["layer"](eps=1e-3)
    LayerNorm(eps=0.001, affine=True)
    >>> NORMALIZERS.register("layer")
    Traceback (most recent call last):
    ValueError: normalizer 'layer' is built in; choose another name
    """

    def __init__(self, noun: str, classes: dict[str, type], methods: Sequence[str] = ()) -> None:
        self.noun, self.methods = noun, tuple(methods)
        self.builtin = frozenset(classes)
        self._classes = dict(classes)
        self._discovered = False

    def register(self, name: str) -> Callable[[Class], Class]:
        """Class decorator: make a frozen dataclass available as `kind: name`.

        ValueError where a built-in class has the name, TypeError for a class that is no dataclass
        or lacks a method.
        """
        if name in self.builtin or name == "none":
            raise ValueError(f"{self.noun} {name!r} is built in; choose another name")

        def add(cls: Class) -> Class:
            self._check(name, cls)
            self._classes[name] = cls
            return cls

        return add

    def _check(self, name: str, cls: type) -> None:
        if not is_dataclass(cls):
            raise TypeError(
                f"{self.noun} {name!r}: expected a dataclass, got {cls.__name__}; put "
                "@dataclass(frozen=True) under the line that registers it"
            )
        missing = [method for method in self.methods if not callable(getattr(cls, method, None))]
        if missing:
            raise TypeError(
                f"{self.noun} {name!r}: expected the methods {', '.join(self.methods)}, got "
                f"{cls.__name__} without {', '.join(missing)}"
            )

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
