"""From registries to the schema: what a key of an experiment can be, and the identity of a setting.

Every part of an experiment's schema is a pydantic model derived from `Strict`. A key whose value is
an entry of a registry, `{kind: NAME, options...}` or the bare NAME, is annotated with `OneOf`: for
each entry a model derived from `Options` is made from the fields of its class, so that a registered
class has its keys, defaults, bounds and texts in YAML without further code. `instantiate` makes the
entry's object from validated options. `identity` says which settings have equal numbers.

The way of a registered class to YAML and back:

    class with fields   `@INITIALIZERS.register("mine")` on a frozen dataclass
    options_class       a pydantic model with a key for each field, made once and cached
    OneOf               the annotation that chooses among the models by `kind`
    instantiate         validated options -> an object of the class, dialect and defaults filled in

`identity` is the other end: the ids of networks are hashes of it, so a changed default, dialect or
text of a user's class gives new ids, and the networks are trained again.
"""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from functools import cache
from types import CodeType
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Tag,
    TypeAdapter,
    ValidationError,
    ValidatorFunctionWrapHandler,
    WrapValidator,
    create_model,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from bnexp.config.descriptions import first_paragraph
from bnexp.registry import Registry, description


class Strict(BaseModel):
    """What every part of a configuration is: frozen, without unknown keys, conversions or NaN."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        frozen=True,
        allow_inf_nan=False,
        defer_build=True,  # until the first validation: most parts are validated within others
    )


def key(default: Any, description: str, **constraints: Any) -> Any:
    """A key of a `Strict` with its default and meaning.

    The default is written as in YAML: it is validated like a value that is given.

    constraints: arguments of pydantic's Field, such as ge=1 or max_length=64.
    """
    return Field(default, description=description, validate_default=True, **constraints)


def _error(kind: str, expected: str) -> PydanticCustomError:
    """An error that bnexp.config.messages words: "not a valid value, expected ..."."""
    return PydanticCustomError(kind, "{expected}", {"expected": expected})


def Either(expected: str) -> WrapValidator:
    """Annotation of a union: one message for all its members, instead of one for each."""

    def validate(value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        try:
            return handler(value)
        except ValidationError:
            raise _error("either", expected) from None

    return WrapValidator(validate)


class OrNone:
    """Annotation of an optional key, the last one: `none` is taken as null, as for `model.norm`."""

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_before_validator_function(
            lambda value: None if isinstance(value, str) and value == "none" else value,
            handler(source),
        )

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"anyOf": [{"const": "none"}, *handler(schema)["anyOf"]]}


class Name:
    """Annotation of a text: one of the names that `names` returns when it is validated.

    Unlike a Literal it knows names that were registered after the schema was made. `alternative`
    is what messages say can stand instead of a name.
    """

    def __init__(self, names: Callable[[], Sequence[str]], alternative: str = "") -> None:
        self.names, self.alternative = names, alternative

    def __get_pydantic_core_schema__(self, _: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._validate)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"enum": list(self.names()), "type": "string"}

    def _validate(self, value: Any) -> Any:
        names = self.names()
        if isinstance(value, str) and value in names:
            return value
        if self.alternative:
            raise _error("either", f"one of {', '.join(names)}, {self.alternative}")
        *quoted, last = map(repr, names)
        raise _error("literal_error", f"{', '.join(quoted)} or {last}" if quoted else last)


class Options(Strict):
    """The options of one entry of a registry; a bare name stands for {kind: NAME}.

    registry_noun: what an entry of the registry is called.
    target: the entry, a class.
    """

    registry_noun: ClassVar[str]
    target: ClassVar[type]
    kind: str

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        """Take a bare name for the mapping with that `kind`."""
        return {"kind": value} if isinstance(value, str) else value

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by way of the entry's class: the class of the options is made on the fly."""
        values = {name: getattr(self, name) for name in self.model_fields_set}
        dialect = _dialects(self.target).get(values.get("dialect", ""))
        return _restore, (self.registry_noun, self.target, values, dialect)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        mapping = handler(schema)
        node = handler.resolve_ref_schema(mapping)
        if set(node["required"]) > {"kind"}:
            return mapping
        name = {"const": node["properties"]["kind"]["const"]}
        if "description" in node:
            name["description"] = first_paragraph(node["description"])
        return {"anyOf": [name, mapping]}


def _restore(
    noun: str, target: type, values: dict[str, Any], dialect: Mapping[str, Any] | None
) -> Options:
    """Pickled options; a dialect that only the sending process knows is registered here too."""
    dialects: Any = _dialects(target)
    if dialect is not None and values["dialect"] not in dialects:
        dialects.register(values["dialect"], dialect)
    return options_class(noun, values["kind"], target).model_validate(values)


def instantiate(options: Options) -> Any:
    """The registry's object: its dialect's values, overridden by the options that are set.

    Options that are not set take the dialect's value or else the default of the class. The class
    may refuse the values with an error of its own.
    """
    values = {name: v for name, v in options if name not in ("kind", "dialect") and v is not None}
    preset = _dialects(options.target).get(getattr(options, "dialect", ""), {})
    return options.target(**{**preset, **values})


class OneOf:
    """Annotation of a key: one of a registry's entries.

    or_none: whether it can also be `none`.
    without: names of entries that it cannot be.

    The model of an entry is made when a value names it: a run needs few of them, and starts sooner.
    """

    def __init__(
        self, registry: Registry[Any], or_none: bool = False, without: Collection[str] = ()
    ) -> None:
        self.registry, self.or_none, self.without = registry, or_none, without

    def __get_pydantic_core_schema__(self, _: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._validate)

    def _validate(self, value: Any) -> Any:
        if self.or_none and (value is None or value == "none"):
            return None
        names, kind = self._names(), _kind_of(value)
        return self._union([kind] if kind in names else names).validate_python(value)

    def _names(self) -> list[str]:
        return [name for name in self.registry if name not in self.without]

    def _union(self, names: Iterable[str]) -> TypeAdapter[Any]:
        """What validates an entry with one of these names."""
        noun = self.registry.noun
        models = tuple((n, options_class(noun, n, self.registry[n])) for n in names)
        return tagged_union(models, _kind_of)

    def __get_pydantic_json_schema__(
        self, _: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        union = handler(self._union(self._names()).core_schema)
        return {"anyOf": [{"const": "none"}, union, {"type": "null"}]} if self.or_none else union


@cache
def tagged_union(
    models: tuple[tuple[str, type[BaseModel]], ...], kind: Any = "kind"
) -> TypeAdapter[Any]:
    """What validates one of several models, by the kind that a value names.

    models: by kind. kind: the key of the kind, or a function that returns the kind of a value.
    """
    members = [Annotated[model, Tag(name)] for name, model in models]
    if len(members) == 1:  # of one, Union makes that one and forgets its tag
        members.append(Annotated[_Never, Tag("")])
    union: Any = Union[tuple(members)]  # noqa: UP007
    return TypeAdapter(Annotated[union, Discriminator(kind)])


class _Never(Strict):
    kind: Literal[""]


def _kind_of(value: Any) -> str | None:
    """The kind of a name, a mapping or validated options."""
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", value)
    return kind if isinstance(kind, str) and kind else None


def _dialects(cls: type) -> Mapping[str, Mapping[str, Any]]:
    """The table DIALECTS of a class: for each dialect the options that it sets.

    It is empty for a class without dialects.
    """
    return getattr(cls, "DIALECTS", {})


def _dialects_text(cls: type) -> str:
    """A class's dialects with their values: other ones may be registered at any time."""
    return repr({name: dict(options) for name, options in _dialects(cls).items()})


def options_class(noun: str, name: str, cls: type) -> type[Options]:
    """The schema of the entry `name` of a registry whose entries are called `noun`.

    Arguments:
        noun: such as "initializer"; part of the name of the model.
        name: under which the class is registered, the value of `kind`.
        cls: a dataclass; each field is a key. Its table DIALECTS, if any, adds the key `dialect`.

    Calls with the same arguments return the same class, until a dialect is registered.
    """
    return _make_options_class(noun, name, cls, _dialects_text(cls))


@cache
def _make_options_class(noun: str, name: str, cls: type, dialects: str) -> type[Options]:
    """The schema of a registry's entry; `dialects` is there for the cache to tell."""
    fields: dict[str, Any] = {"kind": (Literal[name], ...)}
    if presets := _dialects(cls):
        text = "a named set of conventions; the other keys override it"
        names = Literal[tuple(presets)]  # type: ignore[valid-type]
        fields["dialect"] = (names, Field(next(iter(presets)), description=text))
    options: type[Options] = create_model(
        re.sub(r"\W", "_", f"{noun}_{name}"),
        __base__=Options,
        __doc__=docstring(cls),
        **fields,
        **dict(model_fields(cls)),
    )
    options.registry_noun, options.target = noun, cls
    return options


def docstring(cls: type) -> str | None:
    """The class's description; None if it has none of its own, but the one that dataclass wrote."""
    text = description(cls)
    return None if text.startswith(f"{cls.__name__}(") else text or None


def model_fields(cls: type) -> Iterator[tuple[str, Any]]:
    """The options of a registered class: the name of each, with its type and pydantic's field.

    Types are those of the annotations. Meaning and bounds come from `bnexp.registry.option`. If the
    class has dialects, all keys are optional, as the dialect has a value for each.
    """
    hints = get_type_hints(cls, include_extras=True)
    presets = _dialects(cls).items()
    for field in dataclasses.fields(cls):
        hint = _exact_integers(hints[field.name])
        details = {"description": field.metadata.get("doc"), **field.metadata.get("bounds", {})}
        factory: Any = field.default_factory
        default = field.default if factory is dataclasses.MISSING else factory()
        if presets:  # what is not set is the dialect's
            values = [[dialect, preset.get(field.name, default)] for dialect, preset in presets]
            extra: Any = {"dialects": values}  # pairs: pydantic sorts mappings
            yield field.name, (hint | None, Field(None, **details, json_schema_extra=extra))
            continue
        if get_origin(hint) is tuple:  # YAML has lists
            details |= {"strict": False, "min_length": 1}
        default = ... if default is dataclasses.MISSING else default
        yield field.name, (hint, Field(default, **details))


def _exact_integers(hint: Any) -> Any:
    """The hint; if it is a Literal of whole numbers, neither true nor 1.0 is taken for 1."""
    allowed = get_args(hint) if get_origin(hint) is Literal else ()
    if not allowed or not all(type(value) is int for value in allowed):
        return hint

    def check(value: Any) -> Any:
        if isinstance(value, bool | float) and value in allowed:
            raise _error("either", " or ".join(map(str, allowed)))
        return value

    return Annotated[hint, BeforeValidator(check)]


# The identity of a setting


class AddedLater:
    """Annotation of a key that networks' ids are older than: no part of them while it is empty.

    The text of a resolved experiment leaves it out while it has its default, so that run
    directories that are older than the key repeat the same text.

    `bnexp.registry.option` has the same for options of classes: no part while they are the default.
    """


class AnyOrder:
    """Annotation of a list of options whose order changes no number: sorted by kind in ids."""


def identity(part: BaseModel, memo: dict[Any, Any] | None = None) -> dict[str, Any]:
    """A setting, or a part of it, as plain values with dialects written out.

    Equal for settings of equal numbers. The options of a class that is not bnexp's own have the
    class's fingerprint with them.

    memo: the values of options by their `id`, and fingerprints by class, for callers with many
        settings that share options; the caller keeps the settings alive.

    Returns mappings, lists, texts, numbers, truth values and None, which JSON can hold. Keys marked
    AddedLater are left out while they are empty, so ids did not change when they were introduced.
    """
    memo = {} if memo is None else memo
    added_later, any_order = _marked(type(part), AddedLater), _marked(type(part), AnyOrder)
    values = {name: _identity(v, memo) for name, v in part if v or name not in added_later}
    for name in any_order & values.keys():
        values[name] = sorted(values[name] or (), key=lambda options: str(options["kind"]))
    return values


@cache
def _marked(cls: type[BaseModel], mark: type) -> frozenset[str]:
    """The keys that are annotated with an instance of `mark`."""
    return frozenset(
        name
        for name, field in cls.model_fields.items()
        if any(isinstance(annotation, mark) for annotation in field.metadata)
    )


@cache
def added_later(cls: type[BaseModel]) -> Mapping[str, Any]:
    """The keys of a model that are marked AddedLater, with their defaults."""
    return {name: cls.model_fields[name].default for name in _marked(cls, AddedLater)}


def _identity(value: Any, memo: dict[Any, Any]) -> Any:
    """A value within a setting as plain values; see `identity`.

    Options become the values of the object that they configure, so that a dialect counts by what
    it sets and not by its name.
    """
    if isinstance(value, Options):
        if id(value) not in memo:
            entry = instantiate(value)
            values = {
                field.name: getattr(entry, field.name)
                for field in dataclasses.fields(entry)
                if not field.metadata.get("added_later")
                or getattr(entry, field.name) != field.default
            }
            if value.target not in memo:
                memo[value.target] = fingerprint(value.target)
            memo[id(value)] = {"kind": value.kind, "code": memo[value.target], **values}
        return memo[id(value)]
    if isinstance(value, BaseModel):
        return identity(value, memo)
    if isinstance(value, dict):
        return {key: _identity(inner, memo) for key, inner in value.items()}
    return [_identity(inner, memo) for inner in value] if isinstance(value, tuple) else value


def fingerprint(cls: type) -> str | None:
    """What tells two versions of a user's class apart: its name and a hash of its text.

    None for bnexp's own classes. A class without readable text, such as one typed at a prompt, is
    known by its bytecode.

    The form is "module.Class sha256". Only the text of the class itself counts, not that of
    functions that it calls or of its base classes.
    """
    if cls.__module__.partition(".")[0] == "bnexp":
        return None
    try:
        text = inspect.getsource(cls)
    except (OSError, TypeError):
        lines = []
        for name, member in sorted(vars(cls).items()):
            member = member.fget if isinstance(member, property) else member
            function: Any = getattr(member, "__func__", member)
            code = getattr(inspect.unwrap(function), "__code__", None)
            if isinstance(code, CodeType):
                lines.append(f"{name} {_constant(code)}")
        text = "\n".join(lines)
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"{cls.__module__}.{cls.__qualname__} {digest}"


def _constant(value: Any) -> str:
    """A constant of bytecode, as `repr` but the same in every process.

    The `repr` of code has its address, that of a set an order that varies.
    """
    if isinstance(value, CodeType):
        names = (value.co_names, value.co_varnames, value.co_freevars)
        constants = [_constant(inner) for inner in value.co_consts]
        return f"{value.co_code.hex()} {names} {constants}"
    if isinstance(value, frozenset):
        return f"{{{sorted(map(_constant, value))}}}"
    return f"({[_constant(inner) for inner in value]})" if isinstance(value, tuple) else repr(value)
