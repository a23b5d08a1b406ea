"""Figures in a configuration: the registry of kinds, the types of their options, and validation.

The kinds themselves are the modules of bnexp.figures.kinds. Each is imported when an experiment
first names it: they import the tables of runs, which import the configuration.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    BaseModel,
    Field,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    TypeAdapter,
    ValidationError,
    create_model,
)
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, core_schema

from bnexp.config.descriptions import allowed_keys
from bnexp.config.messages import dotted, lines_error, real_path, schema_problem
from bnexp.config.options import Either, Name, Strict, docstring, model_fields, tagged_union
from bnexp.metrics import GAP, METRICS, evaluation_columns, summary_columns
from bnexp.registry import Registry

# The order in which kinds are listed; those that are not named here follow, by name.
ORDER = (
    "panels", "scale", "curves", "percentiles", "histograms", "heatmap", "landscape", "depth",
    "confusion", "filters", "trajectory",
)  # fmt: skip


_MODULES = {p.stem for p in (Path(__file__).parents[1] / "figures" / "kinds").glob("[!_]*.py")}
_KINDS = [*ORDER, *sorted(_MODULES - {*ORDER})]
# A class of options for each kind of figure; bnexp.figures.kinds says what it has to have.
FIGURES: Registry[type] = Registry(
    "figure",
    {kind: f"bnexp.figures.kinds.{kind}:{kind.title().replace('_', '')}" for kind in _KINDS},
    methods=("choose", "draw"),
)


LARGEST, FINEST = 1e100, 1e-9


def has_ticks(low: float, high: float, number: int = 1) -> bool:
    """Whether so many equal parts from `low` to `high` have ends that can be told apart.

    Beyond LARGEST numbers overflow; parts that are finer than FINEST of the numbers are rounded.
    """
    size = max(abs(low), abs(high))
    return 1 / LARGEST <= size <= LARGEST and (high - low) / number >= FINEST * size


def _drawable(pair: tuple[float, float]) -> tuple[float, float]:
    """The pair if the first number is the lower one and ticks between the two can be drawn."""
    if pair[0] < pair[1] and has_ticks(*pair):
        return pair
    raise ValueError(pair)


# Types of options.
FigureName = Annotated[
    str,
    Field(pattern=r"^([a-z0-9][a-z0-9_-]{0,63})?$"),
    Either("small letters, digits, - and _, a letter or digit first, at most 64"),
]
Metric = Annotated[str, Name(lambda: evaluation_columns(METRICS))]
MetricOrGap = Annotated[str, Name(lambda: (*evaluation_columns(METRICS), GAP))]
SummaryMetric = Annotated[str, Name(lambda: summary_columns(METRICS))]
Limits = Annotated[
    Annotated[tuple[float, float], Field(strict=False)],
    AfterValidator(_drawable),
    Either("[low, high], the lower first, up to 1e100 and not too close to each other"),
]
Layer = Annotated[int, Field(ge=0)]
Layers = Annotated[
    Layer | Annotated[tuple[Layer, ...], Field(strict=False, min_length=1)],
    Either("a layer's number, or a list of numbers"),
]
LayerSpan = Annotated[tuple[Layer, Layer], Field(strict=False)]
Numbers = Annotated[tuple[float, ...], Field(strict=False, min_length=1)]
Places = Annotated[float | Numbers, Either("a number, or a list of numbers")]
Step = Annotated[
    Annotated[int, Field(ge=0)] | Literal["first", "last"], Either("a step, first or last")
]


class _ByKind:
    """Annotation: the options of a kind in FIGURES. Its name alone stands for {kind: NAME}."""

    def __get_pydantic_core_schema__(self, _: Any, handler: GetCoreSchemaHandler) -> CoreSchema:
        return core_schema.no_info_plain_validator_function(self._validate)

    def _validate(self, value: Any) -> Any:
        value = {"kind": value} if isinstance(value, str) else value
        kind = value.get("kind") if isinstance(value, dict) else None
        is_kind = isinstance(kind, str) and kind in FIGURES
        return _options(self._union([kind] if is_kind else [*FIGURES]).validate_python(value))

    def _union(self, names: Iterable[Any]) -> TypeAdapter[Any]:
        return tagged_union(tuple((name, _model(name, FIGURES[name])) for name in names))

    def __get_pydantic_json_schema__(
        self, _: CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        by_kind = handler(self._union(FIGURES).core_schema)
        kinds = [handler.resolve_ref_schema(kind) for kind in by_kind["oneOf"]]
        names = [
            {
                "const": kind["properties"]["kind"]["const"],
                "description": kind.get("description", ""),  # none by python -OO
            }
            for kind in kinds
            if set(kind["required"]) == {"kind"}  # a name is enough where nothing else is needed
        ]
        return {"anyOf": [*names, by_kind]}


# What a configuration's `figures` are a list of: instances of the classes in FIGURES.
Figure = Annotated[Any, _ByKind()]


@cache
def _model(name: str, cls: type) -> type[BaseModel]:
    """The options of a kind while they are validated."""
    fields: dict[str, Any] = {"kind": (Literal[name], ...), **dict(model_fields(cls))}
    return create_model(cls.__name__, __base__=Strict, __doc__=docstring(cls), **fields)


def _options(model: Any) -> Any:
    """The instance of the kind's class that has these validated options."""
    cls = FIGURES[model.kind]
    return cls(**{field.name: getattr(model, field.name) for field in dataclasses.fields(cls)})


def option_values(options: Any) -> list[tuple[str, Any]]:
    """The kind of a figure and its options by name.

    options: an instance of a class in FIGURES. Returns pairs in the order of the class's fields.
    """
    names = ["kind", *(field.name for field in dataclasses.fields(options))]
    return [(name, getattr(options, name)) for name in names]


def figure_options(kind: str, **options: Any) -> Any:
    """The validated options of one figure; ConfigError says all that is wrong with them.

    Arguments:
        kind: a name in FIGURES.
        options: by key, as plain values; they are validated as in YAML.

    Returns an instance of the kind's class. The message has a line for each wrong key.
    """
    adapter = _adapter(tuple(FIGURES.items()))
    data = {"figure": {"kind": kind, **options}}
    try:
        return adapter.validate_python(data)["figure"]
    except ValidationError as error:
        lines = []
        for entry in error.errors():
            path = real_path(entry["loc"], data, entry["type"])
            names = allowed_keys(adapter.json_schema(), data, path[:-1])
            problem = schema_problem(entry, path, names)
            lines.append(f"{dotted(problem.path)}: {problem.text}")
        raise lines_error(lines) from None


@cache
def _adapter(kinds: tuple[tuple[str, type], ...]) -> TypeAdapter[dict[str, Any]]:
    """A validator of named figures, made anew when kinds are registered."""
    return TypeAdapter(dict[str, Figure])
