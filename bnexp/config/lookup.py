"""What one can ask about, a key, a kind or a dialect, and finding it by what a user calls it."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace

from bnexp.config import shipped
from bnexp.config.keys import FREE, Key, Shape, catalogue
from bnexp.config.messages import UNKNOWN_KIND, choice
from bnexp.config.words import listed
from bnexp.errors import ConfigError


@dataclass(frozen=True)
class Variant:
    """A key as some of the mappings around it have it: `owners`, or all of `among`."""

    key: Key
    owners: tuple[str, ...]
    among: tuple[str, ...]

    @property
    def common(self) -> bool:
        return set(self.owners) == set(self.among)

    @property
    def of(self) -> tuple[str, ...]:
        """The kinds to name: none where all have it so, or where the key itself is the label."""
        return () if self.common or self.owners == (self.key.last,) else self.owners


@dataclass(frozen=True)
class Topic:
    """A key with its variants; or one of its kinds, `shape`; or a dialect of that kind."""

    name: str  # as `model.norm.eps`, `model.norm=batch`, `model.norm=batch dialect=keras`
    called: tuple[str, ...]  # what stands for it, in dots alone
    variants: tuple[Variant, ...] = ()
    shape: Shape | None = None
    dialect: str = ""

    @property
    def inside(self) -> str:
        """The key that it is in, empty at the top."""
        return self.name.partition("=")[0] if self.shape else self.name.rpartition(".")[0]

    @property
    def free(self) -> bool:
        """Whether a part of its name stands for any."""
        return any(part in FREE for part in self.called[0].split("."))

    def answers(self, asked: str) -> bool:
        return asked in self.called or (
            self.free and any(_pattern(name).fullmatch(asked) for name in self.called)
        )

    def ends(self, asked: str) -> bool:
        """Whether `asked` is the last parts of what it is called."""
        return any(name.endswith(f".{asked}") for name in self.called)


def _pattern(name: str) -> re.Pattern[str]:
    return re.compile(r"\.".join(FREE.get(p, re.escape(p)) for p in name.split(".")))


def topics() -> list[Topic]:
    """All there is to ask about, each once, in the order of the catalogue."""
    merged: dict[str, Topic] = {}
    for topic in _walk(catalogue(), (), (), ()):
        old = merged.get(topic.name, topic)
        called = tuple(dict.fromkeys((*old.called, *topic.called)))
        variants = _merged((*old.variants, *topic.variants))
        merged[topic.name] = replace(old, called=called, variants=variants)
    return list(merged.values())


def _merged(variants: Iterable[Variant]) -> tuple[Variant, ...]:
    """Variants that say the same as one."""
    by_text: dict[tuple[str, ...], Variant] = {}
    for variant in variants:
        old = by_text.get(variant.key.said(), variant)
        owners = tuple(dict.fromkeys((*old.owners, *variant.owners)))
        by_text[variant.key.said()] = replace(old, owners=owners)
    return tuple(by_text.values())


def _walk(
    keys: Sequence[Key], owners: tuple[str, ...], among: tuple[str, ...], around: tuple[str, ...]
) -> Iterator[Topic]:
    for key in keys:
        called = tuple(f"{name}.{key.last}" for name in around) or (key.last,)
        kinds = _labels(key.shapes)
        also = tuple(f"{name}.kind" for name in called) if any(s.kinds for s in key.shapes) else ()
        yield Topic(key.name, called + also, (Variant(key, owners, among),))
        for shape in key.shapes:
            for kind in shape.kinds:
                yield from _kind(key, shape, kind, called + also)
            within = tuple(f"{name}.{kind}" for name in called for kind in shape.kinds)
            yield from _walk(shape.keys, _labels([shape]), kinds, called + within)


def _labels(shapes: Iterable[Shape]) -> tuple[str, ...]:
    return tuple(label for shape in shapes for label in shape.kinds or (shape.label,))


def _kind(key: Key, shape: Shape, kind: str, around: tuple[str, ...]) -> Iterator[Topic]:
    name, called = f"{key.name}={kind}", tuple(f"{a}.{kind}" for a in around)
    yield Topic(name, called, shape=shape)
    for dialect in shape.dialects:
        within = (*called, *(f"{a}.dialect" for a in (*called, *around)), *around)
        spoken = tuple(f"{a}.{dialect}" for a in within)
        yield Topic(f"{name} dialect={dialect}", spoken, shape=shape, dialect=dialect)


def find(asked: str, every: list[Topic] | None = None) -> list[Topic]:
    """What is called so, in full or by its last parts; ConfigError with near names if nothing is.

    `model.norm=batch` asks for a kind; any other value after `=` is left out, as is the number in
    `figures[0]`.
    """
    every = every or topics()
    key, _, value = (part.strip() for part in asked.partition("="))
    name = re.sub(r"\[\d*\]", "", key)
    found = _called(every, f"{name}.{value}" if value else name)
    if value and not found:
        found = _called(every, name)
        _refuse_kind(found, value, asked)
    if not found:
        raise ConfigError(f"{asked}: unknown key, expected {_expected(every, name)}")
    return found


def _called(every: list[Topic], name: str) -> list[Topic]:
    swept = re.fullmatch(r"sweep\.(?:zip\.)?(.+)", name)
    if swept and (inner := [topic for topic in every if topic.answers(swept[1])]):
        return inner
    exact = [topic for topic in every if name in topic.called]
    exact = exact or [topic for topic in every if topic.answers(name)]
    ending = exact or [topic for topic in every if topic.ends(name)]
    return [topic for topic in ending if not topic.free] or ending


def _refuse_kind(found: list[Topic], value: str, asked: str) -> None:
    """An unknown kind of the one key that is asked about."""
    kinds = [kind for topic in found for kind in inner_kinds(topic)]
    if kinds and len(found) == 1 and value not in (*kinds, "none"):
        raise ConfigError(f"{asked}: {UNKNOWN_KIND}, expected {choice(value, kinds)}")


def inner_kinds(topic: Topic) -> list[str]:
    """The kinds that a key's value can have."""
    shapes = [shape for variant in topic.variants for shape in variant.key.shapes]
    return list(dict.fromkeys(kind for shape in shapes for kind in shape.kinds))


def _expected(every: list[Topic], name: str) -> str:
    """The keys of the innermost mapping that there is, what came instead, and names like it."""
    around, dot, last = name.rpartition(".")
    inside = [topic for topic in every if topic.answers(around)] if dot else []
    names = [key.last for topic in inside for key in inner_keys(topic)]
    if names:
        return choice(last, list(dict.fromkeys(names)))
    longest_first = sorted(every, key=lambda topic: -topic.called[0].count("."))
    lasts = {topic.called[0].rpartition(".")[2]: topic.called[0] for topic in longest_first}
    near = [lasts[one] for one in difflib.get_close_matches(last, list(lasts), 3, 0.7)]
    hint = f"did you mean {listed([repr(one) for one in near], 'or')}?" if near else ""
    if name in shipped.names():
        hint = f"that is an experiment: `bnexp list --verbose {name}`"
    top = ", ".join(topic.called[0] for topic in every if not topic.inside)
    return f"one of {top}, or one inside them, got {name!r}; {hint or '`bnexp explain` lists them'}"


def inner_keys(topic: Topic) -> Iterator[Key]:
    """The keys inside a key's value, or of a kind."""
    shapes = [shape for variant in topic.variants for shape in variant.key.shapes]
    for shape in [topic.shape] if topic.shape else shapes:
        yield from shape.keys
