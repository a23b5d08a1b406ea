"""Plain values as YAML text that the strict reader reads back as the same values."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

if TYPE_CHECKING:
    from bnexp.config.loading import Config

# Read as text by every YAML reader; everything else is quoted.
_PLAIN = re.compile(r"(?!(?i:true|false|yes|no|on|off|null|y|n)$)[A-Za-z][A-Za-z0-9_.-]*")
_ESCAPES = {'"': r"\"", "\\": r"\\", "\n": r"\n", "\t": r"\t", "\r": r"\r"}


def flow(value: Any) -> str:
    """A value on one line; NumPy's numbers and arrays as Python's."""
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_text(str(k))}: {flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple | range):
        return "[" + ", ".join(flow(v) for v in value) + "]"
    if value is None or isinstance(value, bool):
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, float):
        return _number(float(value))
    return str(int(value)) if isinstance(value, int) else _text(str(value))


def _number(value: float) -> str:
    """A float that every YAML reader takes for one: to those of YAML 1.1, 1e-9 is a text."""
    text = repr(value).replace("inf", ".inf").replace("nan", ".nan")
    digits, e, exponent = text.partition("e")
    return f"{digits}.0e{exponent}" if e and "." not in digits else text


def block(mapping: Mapping[str, Any]) -> str:
    """A mapping as indented lines, lists and short mappings on one line each."""
    return "".join(f"{line}\n" for line in _lines(mapping, ""))


def _lines(mapping: Mapping[str, Any], indent: str) -> Iterator[str]:
    for key, value in mapping.items():
        line = f"{indent}{_text(key)}: {flow(value)}"
        if isinstance(value, Mapping) and value and len(line) > 80:
            yield f"{indent}{_text(key)}:"
            yield from _lines(value, f"{indent}  ")
        elif isinstance(value, list) and len(line) > 80 and isinstance(value[0], Mapping):
            yield f"{indent}{_text(key)}:"
            yield from (f"{indent}  - {flow(inner)}" for inner in value)
        else:
            yield line


def _text(text: str) -> str:
    if _PLAIN.fullmatch(text):
        return text
    escaped = "".join(
        _ESCAPES.get(c, c) if c.isprintable() or c in _ESCAPES else f"\\U{ord(c):08X}" for c in text
    )
    return f'"{escaped}"'


def plain(value: Any) -> Any:
    """A validated part of an experiment as plain values, without what is not set."""
    if isinstance(value, BaseModel):
        fields = {name: plain(inner) for name, inner in value}
        return {name: inner for name, inner in fields.items() if inner not in (None, {}, "")}
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list | tuple) else value


def said(part: BaseModel) -> dict[str, Any]:
    """An experiment, or one network's setting, as `plain`, and that there is no norm."""
    values: dict[str, Any] = plain(part)
    values["model"].setdefault("norm", "none")
    return values


def flat(
    mapping: Mapping[str, Any], whole: Callable[[str], bool] = lambda key: False, around: str = ""
) -> Iterator[tuple[str, Any]]:
    """The values within by their dotted keys; a mapping of a key that is `whole` is one value."""
    for name, value in mapping.items():
        key = f"{around}.{name}" if around else str(name)
        if isinstance(value, Mapping) and not whole(key):
            yield from flat(value, whole, key)
        else:
            yield key, value


def bare(value: Any) -> str:
    """A text as it is, any other value as `flow` writes it."""
    return value if isinstance(value, str) else flow(value)


def resolved(config: Config) -> str:
    """The whole experiment as one text that extends nothing and says every default."""
    values = said(config.experiment)
    values.pop("seconds", None)  # of the shipped experiment, not of this run
    order = sorted(values, key=lambda key: key in ("data", "model", "train", "random", "sweep"))
    order.sort(key=lambda key: (key == "claims", key == "figures"))
    return block({key: values[key] for key in order})
