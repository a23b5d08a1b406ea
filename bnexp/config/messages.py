"""Validation errors as `file:line:column: key: what, expected, got`."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bnexp.config.yaml import Document, KeyPath, Position, flow
from bnexp.text import choices, cut, nearest_name


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong, and the path of the key it is about."""

    path: KeyPath
    text: str
    at_key: bool = False  # point at the key, not at its value


def lines(problems: Iterable[Problem], document: Document) -> list[str]:
    """The problems in the order of their places, each once."""
    placed = sorted(
        ((_place(problem, document), problem) for problem in problems),
        key=lambda pair: (pair[0].source, pair[0].line, pair[0].column),
    )
    return list(dict.fromkeys(f"{at}: {dotted(p.path)}: {p.text}" for at, p in placed))


def _place(problem: Problem, document: Document) -> Position:
    """Where the problem's key or value stands, or the nearest mapping around it."""
    path = problem.path
    at = document.keys.get(path) if problem.at_key else None
    while at is None:
        at = document.values.get(path)
        path = path[:-1]
    return at


def dotted(path: KeyPath) -> str:
    name = ".".join(str(part) for part in path)
    return re.sub(r"\.(\d+)(?=\.|$)", r"[\1]", name) or "the experiment"


NO_KIND, UNKNOWN_KIND = "no kind given", "unknown kind"
# What an experiment may be called, in words.
NAME = "letters, digits, '-', '_' and '.', a letter or digit first, at most 64"

_BOUNDS = {
    "greater_than": "a number > {gt}",
    "greater_than_equal": "a number >= {ge}",
    "less_than": "a number < {lt}",
    "less_than_equal": "a number <= {le}",
    "too_short": "a list of at least {min_length}",
    "too_long": "a list of at most {max_length}",
    "string_too_short": "a text",
    "string_too_long": "at most {max_length} characters",
    "literal_error": "{expected}",
    "either": "{expected}",
    "finite_number": "a finite number",
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "a text",
    "bool_type": "true or false",
    "dict_type": "a mapping",
    "tuple_type": "a list",
    "model_type": "a mapping",
    "model_attributes_type": "a mapping",
    "string_pattern_mismatch": NAME,
    "too_many": "fewer",
}


def problem(
    error: Mapping[str, Any],
    path: KeyPath,
    names: Sequence[str] = (),
    elsewhere: Sequence[str] = (),
) -> Problem:
    """One of pydantic's errors in our words.

    For an unknown key `names` are those that are allowed there, and `elsewhere` are the dotted keys
    that end in it.
    """
    got = _in_full(error["input"]) if error["type"] == "either" else briefly(error["input"])
    context = error.get("ctx", {})
    if error["type"] == "missing":
        return Problem(path, "required key is missing, expected a value, got nothing; add it")
    if error["type"] == "extra_forbidden":
        others = [name for name in elsewhere if name != dotted(path)]
        text = f"unknown key, expected {choices(str(path[-1]), names, others)}"
        return Problem(path, text, at_key=True)
    if error["type"] in ("union_tag_invalid", "union_tag_not_found"):
        return _kind(path, context, error["input"], got)
    numbers = {name: f"{v:g}" if isinstance(v, float) else v for name, v in context.items()}
    expected = _BOUNDS.get(error["type"], error["msg"]).format(**numbers)
    hint = _remedy(error["type"], error["input"], path, expected)
    return Problem(path, f"not a valid value, expected {expected}, got {got}{hint}")


def _remedy(kind: str, value: Any, path: KeyPath, expected: str) -> str:
    """What to write instead, where that is plain."""
    if kind in ("literal_error", "either") and isinstance(value, str):
        near = nearest_name(value, re.findall(r"\w{3,}", expected))
        return f"; did you mean {near!r}?" if near else ""
    single = isinstance(value, int | float | str) and not isinstance(value, bool)
    if kind == "tuple_type" and single:
        if path[-1] == "seeds":
            return "; [0, 1, 2] are three seeds, [3] is seed 3 alone"
        return f"; a list of one is [{flow(value)}]"
    if kind in ("int_type", "float_type") and isinstance(value, str) and _is_number(value):
        return "; leave out the quotes"
    if kind.startswith("model") and path and single and path[-1] == "dropout":
        return "; write {ratio: 0.5}, or none"
    return ""


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _kind(path: KeyPath, context: Mapping[str, Any], value: Any, got: str) -> Problem:
    kinds = re.findall(r"'([^']+)'", context.get("expected_tags", ""))
    kinds += ["none"] if path[-1] == "norm" else []
    if "tag" not in context:
        return Problem(path, f"{NO_KIND}, expected a name or {{kind: NAME, ...}}, got {got}")
    inner = (*path, "kind") if isinstance(value, Mapping) else path
    return Problem(inner, f"{UNKNOWN_KIND}, expected {choices(context['tag'], kinds)}")


def real_path(location: tuple[int | str, ...], data: Any, kind: str) -> KeyPath:
    """pydantic's location without the union members that it names on the way."""
    path: list[int | str] = []
    tagged = False  # whether the kind of the mapping that we are in has been named
    for i, part in enumerate(location):
        last_missing = kind == "missing" and i == len(location) - 1
        if not tagged and isinstance(data, Mapping) and data.get("kind") == part:
            tagged = True
        elif last_missing or _inside(data, part):
            path.append(part)
            data, tagged = None if last_missing else data[part], False
    return tuple(path)


def _inside(data: Any, part: int | str) -> bool:
    if isinstance(data, Mapping):
        return part in data
    return isinstance(data, list | tuple) and isinstance(part, int) and part < len(data)


def _in_full(value: Any) -> str:
    """As `briefly`, but a short mapping or list as it is written: the mistake is inside."""
    structure = isinstance(value, Mapping | list | tuple) and value
    text = flow(value) if structure else ""
    return text if 0 < len(text) <= 60 else briefly(value)


def briefly(value: Any) -> str:
    """What was got: a single value as it is, a structure by its size."""
    if isinstance(value, Mapping):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if value is None or isinstance(value, bool):
        return {None: "null", True: "true", False: "false"}[value]
    return cut(repr(value), 60)
