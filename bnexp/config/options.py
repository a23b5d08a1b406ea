"""From a registry of classes to the schema of {kind: NAME, options...}."""

from __future__ import annotations

import dataclasses
import hashlib
import inspect
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cache
from types import CodeType
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import (
    BaseModel,
    ConfigDict,
    Discriminator,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    Tag,
    ValidationError,
    ValidatorFunctionWrapHandler,
    create_model,
    model_validator,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, PydanticCustomError, core_schema

from bnexp.config.descriptions import first_paragraph
from bnexp.registry import Registry, description


@cache
def fingerprint(cls: type) -> str | None:
    """None for bnexp's own classes; any other is known by its text, or else by its bytecode."""
    if cls.__module__.partition(".")[0] == "bnexp":
        return None
    try:
        text = inspect.getsource(cls)
    except (OSError, TypeError):
        text = "\n".join(_compiled(cls))
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"{cls.__module__}.{cls.__qualname__} {digest}"


def _compiled(cls: type) -> Iterator[str]:
    for name, member in sorted(vars(cls).items()):
        member = member.fget if isinstance(member, property) else member
        function: Any = getattr(member, "__func__", member)
        code = getattr(inspect.unwrap(function), "__code__", None)
        if isinstance(code, CodeType):
            yield f"{name} {_code(code)}"


def _code(code: CodeType) -> str:
    names = (code.co_names, code.co_varnames, code.co_freevars)
    return f"{code.co_code.hex()} {names} {[_constant(value) for value in code.co_consts]}"


def _constant(value: Any) -> str:
    """As repr, but for code, which has its address there, and sets, whose order varies."""
    if isinstance(value, CodeType):
        return _code(value)
    if isinstance(value, frozenset):
        return f"{{{sorted(map(_constant, value))}}}"
    return f"({[_constant(inner) for inner in value]})" if isinstance(value, tuple) else repr(value)


class Strict(BaseModel):
    """What every part of a configuration is: frozen, without unknown keys, conversions or NaN."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, allow_inf_nan=False)


class Either:
    """Annotation of a union: one message for all its members, instead of one for each."""

    def __init__(self, expected: str) -> None:
        self.expected = expected

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_wrap_validator_function(self._validate, handler(source))

    def _validate(self, value: Any, handler: ValidatorFunctionWrapHandler) -> Any:
        try:
            return handler(value)
        except ValidationError:
            raise PydanticCustomError("either", "{expected}", {"expected": self.expected}) from None


class Name:
    """Annotation of a text: one of the names that `names` returns when it is validated.

    Unlike a Literal it knows names that were registered after the schema was made. `alternative`
    is what messages say can stand instead of a name.
    """

    def __init__(self, names: Callable[[], Sequence[str]], alternative: str = "") -> None:
        self.names, self.alternative = names, alternative

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._validate)

    def _validate(self, value: Any) -> Any:
        names = self.names()
        if isinstance(value, str) and value in names:
            return value
        if self.alternative:
            expected = f"one of {', '.join(names)}, {self.alternative}"
            raise PydanticCustomError("either", "{expected}", {"expected": expected})
        *quoted, last = map(repr, names)
        expected = f"{', '.join(quoted)} or {last}" if quoted else last
        raise PydanticCustomError("literal_error", "{expected}", {"expected": expected})

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        return {"enum": list(self.names()), "type": "string"}


class AddedLater:
    """Annotation of a key that networks' ids are older than: no part of them while it is empty."""


class Options(Strict):
    """One entry of a registry with its options; a bare name stands for {kind: name}."""

    target: ClassVar[type]
    kind: str

    @model_validator(mode="before")
    @classmethod
    def _from_name(cls, value: Any) -> Any:
        return {"kind": value} if isinstance(value, str) else value

    def __reduce__(self) -> tuple[Any, ...]:
        """By way of the class that the options are for: this one is made on the fly."""
        values = {name: getattr(self, name) for name in self.model_fields_set}
        preset = _dialects(self.target).get(values.get("dialect", ""))
        return _restored, (self.target, values, preset)

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        full = handler(schema)
        resolved = handler.resolve_ref_schema(full)
        if set(resolved["required"]) > {"kind"}:
            return full
        about = resolved.get("description")
        about = {"description": first_paragraph(about)} if about else {}
        return {"anyOf": [{"const": resolved["properties"]["kind"]["const"], **about}, full]}


def instantiate(options: Options) -> Any:
    """The registry's object: its dialect's values, overridden by the options that are given."""
    given = {name: v for name, v in options if name not in ("kind", "dialect") and v is not None}
    preset = _dialects(options.target).get(getattr(options, "dialect", ""), {})
    return options.target(**{**preset, **given})


def _restored(target: type, values: dict[str, Any], dialect: Mapping[str, Any] | None) -> Options:
    """The options; a dialect that only the sending process knows is registered here too."""
    dialects: Any = _dialects(target)
    if dialect is not None and values["dialect"] not in dialects:
        dialects.register(values["dialect"], dialect)
    return _options_of(target, values["kind"]).model_validate(values)


class OneOf:
    """Annotation of a field: one of a registry's kinds except `without`, or also none."""

    def __init__(
        self, registry: Registry[Any], or_none: bool = False, without: Collection[str] = ()
    ) -> None:
        self.registry, self.or_none, self.without = registry, or_none, without

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        kinds = tuple(
            Annotated[_options_of(self.registry[name], name), Tag(name)]
            for name in self.registry
            if name not in self.without
        )
        # Two members at the least, or Union collapses and forgets its tags.
        members: Any = Union[(*kinds, Annotated[_Never, Tag("")])]
        schema = handler.generate_schema(Annotated[members, Discriminator(_kind)])
        if not self.or_none:
            return schema
        nullable = core_schema.nullable_schema(schema)
        return core_schema.no_info_before_validator_function(_none, nullable)

    def __get_pydantic_json_schema__(
        self, schema: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        made = handler(schema)
        kinds = made["anyOf"][0] if self.or_none else made
        kinds["oneOf"] = [kind for kind in kinds["oneOf"] if "_Never" not in str(kind)]
        return {"anyOf": [{"const": "none"}, *made["anyOf"]]} if self.or_none else made


class _Never(Options):
    kind: Literal[""]


def _none(value: Any) -> Any:
    return None if value == "none" else value


def _kind(value: Any) -> str | None:
    kind = value.get("kind") if isinstance(value, dict) else getattr(value, "kind", value)
    return kind if isinstance(kind, str) and kind else None


def _dialects(cls: type) -> Mapping[str, Mapping[str, Any]]:
    return getattr(cls, "DIALECTS", {})


def entries(registry: Registry[type]) -> dict[str, tuple[type, str]]:
    """A registry's classes and their dialects: equal as long as the same can be configured."""
    return {name: (cls, _written(_dialects(cls))) for name, cls in registry.items()}


def _written(dialects: Mapping[str, Mapping[str, Any]]) -> str:
    return repr({name: dict(options) for name, options in dialects.items()})


def _options_of(cls: type, name: str) -> type[Options]:
    return _options(cls, name, _written(_dialects(cls)))


@cache
def _options(cls: type, name: str, dialects: str) -> type[Options]:
    fields: dict[str, Any] = {"kind": (Literal[name], ...)}
    if _dialects(cls):
        names = Literal[tuple(_dialects(cls))]  # type: ignore[valid-type]
        text = "a named set of conventions; the other keys override it"
        fields["dialect"] = (names, Field(next(iter(_dialects(cls))), description=text))
    fields.update(model_fields(cls))
    home = cls.__module__.rpartition(".")[2]
    made: type[Options] = create_model(
        f"{home}_{name}", __base__=Options, __doc__=docstring(cls), **fields
    )
    made.target = cls
    return made


def docstring(cls: type) -> str | None:
    """The class's description, None where dataclass wrote it."""
    text = description(cls)
    return None if text.startswith(f"{cls.__name__}(") else text or None


class _Exactly:
    """Annotation of a Literal of whole numbers: neither true nor 1.0 is 1."""

    def __init__(self, allowed: tuple[int, ...]) -> None:
        self.allowed = allowed

    def __get_pydantic_core_schema__(
        self, source: Any, handler: GetCoreSchemaHandler
    ) -> CoreSchema:
        return core_schema.no_info_before_validator_function(self._validate, handler(source))

    def _validate(self, value: Any) -> Any:
        if isinstance(value, bool | float) and value in self.allowed:
            expected = " or ".join(map(str, self.allowed))
            raise PydanticCustomError("either", "{expected}", {"expected": expected})
        return value


def _exact(hint: Any) -> Any:
    """The hint, its numbers compared with their types where it is a Literal of whole numbers."""
    allowed = get_args(hint) if get_origin(hint) is Literal else ()
    whole = allowed and all(type(value) is int for value in allowed)
    return Annotated[hint, _Exactly(allowed)] if whole else hint


def model_fields(cls: type) -> Iterator[tuple[str, Any]]:
    """The name of each option of a class with its type and pydantic's field."""
    hints = get_type_hints(cls, include_extras=True)
    for field in dataclasses.fields(cls):
        about = {"description": field.metadata.get("doc"), **field.metadata.get("bounds", {})}
        kind = _exact(hints[field.name])
        factory: Any = field.default_factory
        default = field.default if factory is dataclasses.MISSING else factory()
        if _dialects(cls):  # what is not given is the dialect's
            presets = _dialects(cls).items()
            values = [[name, preset.get(field.name, default)] for name, preset in presets]
            extra: Any = {"dialects": values}  # pairs: pydantic sorts mappings
            yield field.name, (kind | None, Field(None, **about, json_schema_extra=extra))
        elif default is dataclasses.MISSING:
            yield field.name, (kind, Field(**about, **_lax(kind)))
        else:
            yield field.name, (kind, Field(default, **about, **_lax(kind)))


def _lax(kind: Any) -> dict[str, Any]:
    """A tuple is written as a list."""
    return {"strict": False, "min_length": 1} if get_origin(kind) is tuple else {}


def identity(part: BaseModel, memo: dict[int, Any] | None = None) -> dict[str, Any]:
    """A setting, or a part of it, as plain values with dialects written out.

    Equal for settings of equal numbers. The options of a class that is not bnexp's own have the
    class's fingerprint with them. `memo` keeps the values of options by their `id`, for callers
    with many settings that share options; the caller keeps the settings.
    """
    memo = {} if memo is None else memo
    later = _added_later(type(part))
    return {name: _identity(v, memo) for name, v in part if v or name not in later}


@cache
def _added_later(cls: type[BaseModel]) -> frozenset[str]:
    """The keys that `AddedLater` marks."""
    return frozenset(
        name
        for name, field in cls.model_fields.items()
        if any(isinstance(mark, AddedLater) for mark in field.metadata)
    )


def _identity(value: Any, memo: dict[int, Any]) -> Any:
    if isinstance(value, Options):
        if id(value) not in memo:
            entry = instantiate(value)
            values = {field.name: getattr(entry, field.name) for field in dataclasses.fields(entry)}
            memo[id(value)] = {"kind": value.kind, "code": fingerprint(value.target), **values}
        return memo[id(value)]
    if isinstance(value, BaseModel):
        return identity(value, memo)
    if isinstance(value, dict):
        return {key: _identity(inner, memo) for key, inner in value.items()}
    return [_identity(inner, memo) for inner in value] if isinstance(value, tuple) else value


def text(default: Any, description: str, **rest: Any) -> Any:
    """A field with its meaning; the default goes through the same validation as a given value."""
    return Field(default, description=description, validate_default=True, **rest)
