"""Registries: one form of table for every kind of thing that a user can choose by name, or add.

Layers, dialects, initializers, optimizers, schedules, probes, metrics, data sets, figure kinds,
executors and exports each have a `Registry`; `option` declares what can be set on an entry.
"""

from __future__ import annotations

import inspect
import re
import textwrap
import warnings
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import MISSING, field, fields, is_dataclass
from functools import cache, partial, wraps
from importlib import import_module
from math import isfinite
from operator import ge, gt, le, lt
from pathlib import Path
from threading import get_ident
from traceback import walk_tb
from typing import (
    Any,
    Generic,
    Literal,
    NamedTuple,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
    overload,
)

from bnexp.errors import ConfigError

Entry = TypeVar("Entry")
Registered = TypeVar("Registered")
Built = TypeVar("Built")
Target = TypeVar("Target", bound=Callable[..., Any])

BOUNDS = {"gt": ">", "ge": ">=", "lt": "<", "le": "<="}

# Groups of entry points under which packages for version 0.1 were installed.
FORMER_NOUNS = {
    "initializer": "initialiser",
    "normalizer": "normaliser",
    "optimizer": "optimiser",
}


class FormerName:
    """An attribute's name in version 0.1: reads the attribute that is called `name` now."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, instance: object, owner: type) -> Any:
        return getattr(owner if instance is None else instance, self.name)


def former_keywords(**names: str) -> Callable[[Target], Target]:
    """Decorator of a function or class that still takes keywords by their names in version 0.1.

    Arguments:
        names: former name = present name. The fields of a dataclass can also be read by their
            former names.

    `inspect.signature` and type checkers know the present names only. TypeError if a call gives one
    argument by both names; only `dataclasses.replace`, which passes all fields by their present
    names, may give a former one too, and that counts.

    >>> @former_keywords(colour="color")
    ... def paint(color):
    ...     return f"painted {color}"
    >>> paint(colour="red")
    'painted red'
    """

    def accept(function: Callable[..., Any], options: Collection[str] = ()) -> Callable[..., Any]:
        @wraps(function)
        def wrapper(*args: Any, **keywords: Any) -> Any:
            is_copy = bool(options) and keywords.keys() >= set(options)
            for former in names.keys() & keywords.keys():
                if names[former] in keywords and not is_copy:
                    raise TypeError(
                        f"{function.__qualname__}: {former} is the former name of "
                        f"{names[former]}, expected one of them, got both"
                    )
                keywords[names[former]] = keywords.pop(former)
            return function(*args, **keywords)

        return wrapper

    def decorate(target: Any) -> Any:
        if not isinstance(target, type):
            return accept(target)
        options = [each.name for each in fields(target)] if is_dataclass(target) else []
        target.__init__ = accept(target.__init__, options)  # type: ignore[misc]
        for former, name in names.items() if options else ():
            setattr(target, former, FormerName(name))
        return target

    return decorate


def option(default: Any = MISSING, *, doc: str, added_later: bool = False, **bounds: float) -> Any:
    """A hyper-parameter's field: its default, its meaning, and its bounds (`gt`, `ge`, `lt`, `le`).

    The configuration, `bnexp explain` and the class's `help` read all three: a registered class
    needs nothing else to be used from YAML. An option without a default is required.

    An option that is `added_later` than the class is no part of networks' ids while it has its
    default: the ids of networks that do not use it stay as they were. It is given by keyword, so
    that the order of the others stays, too.

    TypeError for another bound.

    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Shrink:
    ...     factor: float = option(0.5, doc="what the input is multiplied by", gt=0, le=1)
    >>> Shrink()
    Shrink(factor=0.5)
    """
    if unknown := set(bounds) - set(BOUNDS):
        raise TypeError(
            f"option: expected bounds gt, ge, lt or le, got {', '.join(sorted(unknown))}"
        )
    metadata = {"doc": doc, "bounds": bounds, "added_later": added_later}
    if isinstance(default, dict):  # of which each instance gets a copy
        return field(
            default_factory=default.copy, metadata=metadata, kw_only=added_later or MISSING
        )
    return field(default=default, metadata=metadata, kw_only=added_later or MISSING)


@former_keywords(classes="entries")
class Registry(Mapping[str, Entry], Generic[Entry]):
    """A table from names to entries that users and installed packages can extend.

    Arguments:
        noun: what one entry is called, in messages and in the entry points' group `bnexp.<noun>`
            (with underscores for spaces).
        entries: the built-in entries by name, in the order in which they are listed. An entry is
            the object itself, or a string "package.module:attribute" that is imported when the
            entry is first looked up. Listing the names, and `in`, import nothing.
        methods: the methods that an entry must have.
        options: the options or properties that an entry must have.
        or_method: a method that, alone, does instead of them.
        tables: more tables of built-in entries, "package.module:NAME", which follow `entries`. They
            are imported when the registry is first read, so that entries which need heavy imports
            can have their line beside their code.
        instance_of: the class that entries are instances of, `Callable` for functions. Without it,
            entries are frozen dataclasses whose fields are options.

    A table of classes, each a frozen dataclass with the methods that are named:

        OPTIMIZERS: Registry[type] = Registry(
            "optimizer", {"sgd": SGD, "adam": Adam}, methods=("init", "update")
        )

        @OPTIMIZERS.register("sign")
        @dataclass(frozen=True)
        class SignDescent: ...

    A table of functions, imported on first use, and a table of values:

        EXPORTS: Registry[Callable] = Registry(
            "export", {"parquet": "bnexp.exports.parquet:write_parquet"}, instance_of=Callable
        )

        @EXPORTS.register("my_format")
        def write_my_format(run, target, progress): ...

        DIALECTS: Registry[Mapping] = Registry("dialect", {...}, instance_of=Mapping)
        DIALECTS.register("mine", {"eps": 1e-3})

    Built-in names cannot be replaced; a user's own names can. `builtin` is the set of built-in
    names. Classes have their options listed in their `help` when they are entered.

    >>> from bnexp.nn import NORMALIZERS
    >>> NORMALIZERS["layer"](eps=1e-3)
    LayerNorm(eps=0.001, affine=True, initial_gamma=1.0)
    >>> NORMALIZERS.register("layer")
    Traceback (most recent call last):
    ValueError: normalizer 'layer' is built in; choose another name
    """

    def __init__(
        self,
        noun: str,
        entries: Mapping[str, Entry | str],
        methods: Sequence[str] = (),
        or_method: str | None = None,
        instance_of: Any = None,
        tables: Sequence[str] = (),
        options: Sequence[str] = (),
    ) -> None:
        self.noun, self.methods, self.or_method = noun, tuple(methods), or_method
        self.instance_of, self.options = instance_of, tuple(options)
        self._builtin: frozenset[str] = frozenset()
        self._entries: dict[str, Any] = {}
        self._tables = tuple(tables)
        self._discovered = False
        self._loading: set[int] = set()  # threads that add the entries of tables
        self._owner: type | None = None
        self._add_builtin(entries)
        _registries.append(self)

    def __set_name__(self, owner: type, name: str) -> None:
        """Python tells a table of dialects, a class's attribute, whose options the dialects set."""
        self._owner = owner

    @property
    def builtin(self) -> frozenset[str]:
        """The names of the built-in entries."""
        self._load_tables()
        return self._builtin

    def _load_tables(self) -> None:
        """Add the entries of tables. Threads may do so side by side: each returns with all of them.

        A call by what a table's module does while it is imported returns with those there are.
        """
        thread = get_ident()
        if not self._tables or thread in self._loading:
            return
        self._loading.add(thread)
        try:
            for place in self._tables:
                self._add_builtin(_import(place))
        finally:
            self._loading.discard(thread)
        self._tables = ()

    def _add_builtin(self, entries: Mapping[str, Entry | str]) -> None:
        self._builtin |= frozenset(entries)
        for name, entry in entries.items():
            self._entries[name] = (
                _Unloaded(partial(_import, entry))
                if isinstance(entry, str)
                else self._checked(name, entry)
            )

    @overload
    def register(self, name: str) -> Callable[[Registered], Registered]: ...

    @overload
    def register(self, name: str, entry: Registered) -> Registered: ...

    def register(self, name: str, entry: Any = MISSING) -> Any:
        """Enter an object under `name`: as a decorator of a class or function, or with `entry`.

        Returns the decorator, or the entry. ValueError if a built-in entry has the name or the name
        is "none"; TypeError if the entry is not what this registry has. RuntimeWarning if another
        module has registered the name: the last entry counts.
        """
        if not isinstance(name, str) or not name:
            raise TypeError(f"{self.noun} {name!r}: expected a text as its name")
        if name in self.builtin or name == "none":
            raise ValueError(f"{self.noun} {name!r} is built in; choose another name")

        def enter(entry: Registered) -> Registered:
            earlier = self._entries.get(name)
            self._entries[name] = self._checked(name, entry)
            if callable(earlier) and callable(entry) and earlier.__module__ != entry.__module__:
                modules = f"of {earlier.__module__} is replaced by that of {entry.__module__}"
                warnings.warn(f"{self.noun} {name!r} {modules}", RuntimeWarning, stacklevel=3)
            return entry

        return enter if entry is MISSING else enter(entry)

    def __getitem__(self, name: str) -> Entry:
        entry: Any = self._all()[name]
        if isinstance(entry, _Unloaded):
            try:
                entry = self._entries[name] = self._checked(name, entry.load())
            except Exception as error:
                if name in self.builtin:
                    raise
                raise ConfigError(
                    f"{self.noun} {name!r} of an installed package cannot be used: "
                    f"{type(error).__name__}: {error}; mend or uninstall that package"
                ) from error
        return entry  # type: ignore[no-any-return]

    def __contains__(self, name: object) -> bool:
        return name in self._all()

    def __iter__(self) -> Iterator[str]:
        return iter(self._all())

    def __len__(self) -> int:
        return len(self._all())

    def _all(self) -> dict[str, Any]:
        """All entries; on the first call those of tables and of installed packages are added."""
        if not self._discovered:
            self._load_tables()
            noun = self.noun.replace(" ", "_")
            for group in (noun, FORMER_NOUNS.get(noun)):
                for point in entry_points(group=f"bnexp.{group}") if group else ():
                    self._entries.setdefault(point.name, _Unloaded(point.load))
            self._discovered = not self._tables
        return self._entries

    def _checked(self, name: str, entry: Any) -> Any:
        """The entry, its options listed in its help; TypeError if it is not what belongs here."""
        label = getattr(entry, "__name__", type(entry).__name__)
        if self.instance_of is not None:
            if not isinstance(entry, self.instance_of):
                expected = _EXPECTED.get(self.instance_of, self.instance_of.__name__)
                raise TypeError(f"{self.noun} {name!r}: expected {expected}, got {label}")
        elif not (isinstance(entry, type) and is_dataclass(entry)):
            raise TypeError(
                f"{self.noun} {name!r}: expected a dataclass, got {label}; put "
                "@dataclass(frozen=True) under the line that registers it"
            )
        missing = [method for method in self.methods if not callable(getattr(entry, method, None))]
        if missing and not (self.or_method and callable(getattr(entry, self.or_method, None))):
            raise TypeError(
                f"{self.noun} {name!r}: expected the methods {', '.join(self.methods)}, got "
                f"{label} without {', '.join(missing)}"
            )
        names = {each.name for each in fields(entry)} if is_dataclass(entry) else set()
        for option_name in self.options:
            if option_name not in names and not hasattr(entry, option_name):
                raise TypeError(
                    f"{self.noun} {name!r}: expected an option or a property {option_name}, got "
                    f"{label} without"
                )
        if isinstance(entry, type) and is_dataclass(entry):
            reserved = {"kind", "dialect"} if hasattr(entry, "DIALECTS") else {"kind"}
            if taken := reserved & names:
                raise TypeError(
                    f"{self.noun} {name!r}: {min(taken)!r} chooses the {self.noun} or its dialect "
                    "in YAML, expected another name of the option"
                )
            for dialect, values in getattr(entry, "DIALECTS", {}).items():
                _check_values(f"{self.noun} {name!r}, dialect {dialect!r}", entry, values)
            _list_options(entry)
        elif isinstance(entry, Mapping) and self._owner:
            _check_values(f"{self.noun} {name!r}", self._owner, entry)
        return entry


def _check_values(label: str, cls: type, values: Mapping[str, Any]) -> None:
    """TypeError, which begins with `label`, for a value that no option of the dataclass can have.

    Values of other types than numbers, texts, truth values and Literals are not checked.
    """
    options, hints = {each.name: each for each in fields(cls)}, get_type_hints(cls)
    for name, value in values.items():
        if name not in options:
            raise TypeError(
                f"{label}: no option of {cls.__name__}, expected one of {', '.join(options)}, got "
                f"{name!r}"
            )
        hint, bounds = hints[name], options[name].metadata.get("bounds", {})
        expected, number = "", type(value) in (int, float) and isfinite(value)
        if get_origin(hint) is Literal:
            allowed = [(type(each), each) for each in get_args(hint)]
            if (type(value), value) not in allowed:
                expected = f"one of {', '.join(str(each) for _, each in allowed)}"
        elif hint in (bool, int, str) and type(value) is not hint:
            expected = {bool: "true or false", int: "a whole number", str: "a text"}[hint]
        elif hint is float and not number:
            expected = "a number"
        if not expected and number:
            broken = [f"{BOUNDS[k]} {v}" for k, v in bounds.items() if not _MEETS[k](value, v)]
            expected = " and ".join(broken)
        if expected:
            raise TypeError(f"{label}: {name}: expected {expected}, got {value!r}")


_MEETS = {"gt": gt, "ge": ge, "lt": lt, "le": le}


_registries: list[Registry[Any]] = []


def raised_in(error: BaseException) -> str:
    """The registered entry, not one of bnexp's own, in whose code the error was raised; else "".

    The form is "normalizer 'mine', my_norms.py:17, in Mine.init".
    """
    for frame, line in reversed(list(walk_tb(error.__traceback__))):
        code, module = frame.f_code, frame.f_globals.get("__name__", "")
        if module.partition(".")[0] == "bnexp":
            continue
        cls = type(frame.f_locals.get("self"))
        for registry in _registries:
            for name, entry in registry._entries.items():
                named = (getattr(entry, "__module__", ""), getattr(entry, "__qualname__", None))
                if entry is cls or named == (module, code.co_qualname):
                    file = Path(code.co_filename).name
                    return f"{registry.noun} {name!r}, {file}:{line}, in {code.co_qualname}"
    return ""


def until_registered(function: Callable[[], Built]) -> Callable[[], Built]:
    """Decorator of a function without arguments: its value is kept until something is registered.

    It is for what is made from all entries of registries and takes long. The value is shared:
    nobody may change it.
    """
    kept: list[Any] = []

    @wraps(function)
    def wrapper() -> Built:
        if not kept or kept[0] != [registry._entries for registry in _registries]:
            value = function()  # which may look entries up, and so import them
            kept[:] = [[dict(registry._entries) for registry in _registries], value]
        return kept[1]  # type: ignore[no-any-return]

    return wrapper


_EXPECTED = {Callable: "a function", Mapping: "a mapping"}


class _Unloaded(NamedTuple):
    """An entry that is imported when it is first looked up."""

    load: Callable[[], Any]


def _import(place: str) -> Any:
    module, _, attribute = place.partition(":")
    return getattr(import_module(module), attribute)


def entry_points(group: str) -> Iterable[Any]:
    """The entry points of a group."""
    points: Iterable[Any] = _all_entry_points().select(group=group)
    return points


@cache
def _all_entry_points() -> Any:
    """Those of all installed packages; reading them takes long."""
    from importlib import metadata  # slow to import

    return metadata.entry_points()


class _Help:
    """The docstring of a registered class: its text, and a section that lists its options.

    The section is written whenever somebody reads the docstring, which few programs do.
    """

    def __init__(self, text: str) -> None:
        self.text = text

    def __get__(self, instance: object, owner: type) -> str:
        return "\n".join([self.text, "", "Options:", *_option_lines(owner)])


def _list_options(cls: type) -> None:
    """Have the class's docstring list each option with default, bounds and meaning."""
    if fields(cls) and not isinstance(vars(cls)["__doc__"], _Help):
        cls.__doc__ = _Help(inspect.cleandoc(cls.__doc__ or ""))  # type: ignore[assignment]


def _option_lines(cls: Any) -> Iterator[str]:
    for each in fields(cls):
        hint = each.type if isinstance(each.type, str) else inspect.formatannotation(each.type)
        factory: Any = each.default_factory
        value = each.default if factory is MISSING else factory()
        default = "" if value is MISSING else f" = {value!r}"
        bounds = [f"{BOUNDS[k]} {v}" for k, v in each.metadata.get("bounds", {}).items()]
        yield f"    {each.name}: {hint}{default}{', ' if bounds else ''}{', '.join(bounds)}"
        meaning = each.metadata.get("doc", "")
        yield from textwrap.wrap(meaning, 92, initial_indent=" " * 8, subsequent_indent=" " * 8)


def description(cls: type) -> str:
    """The text of a registered class up to its first example or section ("Options:", "State:")."""
    doc: Any = vars(cls).get("__doc__")
    text = doc.text if isinstance(doc, _Help) else inspect.cleandoc(doc or "")
    return re.split(r"\n\n(?:>>> |[A-Z][a-z]+:\n)", text, maxsplit=1)[0]
