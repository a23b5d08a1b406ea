"""Problems of an experiment, and the ConfigError that lists them with their places in its text.

A `Problem` has the path of a key and a text "what, expected ..., got ...". `schema_problem` makes
one from an error of pydantic; the rules of bnexp.config.rules and the checks of sweeps, figures and
claims make their own. `problems_error` finds the place of each in the document that was read:
"file:line:column: key: what, expected ..., got ...".
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from bnexp.config.frameworks import may_be_meant, name_hint
from bnexp.config.yaml import Document, KeyPath, flow
from bnexp.errors import ConfigError
from bnexp.metrics import DEFAULT_METRICS
from bnexp.text import MAX_NAME, choices, cut, exact, nearest_name, omitted, printable
from bnexp.typography import look_alike_hint

MAX_PROBLEMS = 20  # how many of them one error lists
NO_KIND, UNKNOWN_KIND = "no kind given", "unknown kind"
# What an experiment may be called, in words.
NAME_PATTERN = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
NAME = "letters, digits, '-', '_' and '.', a letter or digit first, at most 64"
NOT_PORTABLE = (
    "a name that Windows does not allow, expected another than those of its devices, such as con, "
    "aux and nul, and no dot at the end"
)


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong with an experiment.

    path: the key that it is about.
    text: what is wrong, what is expected there, and what was found.
    at_key: whether its place is that of the key, not of the key's value.
    """

    path: KeyPath
    text: str
    at_key: bool = False


class SettingError(ConfigError):
    """A setting that does not fit its images or itself; `problem` has the key that is to blame.

    It is raised where no document is known. `bnexp.sweep.setting_error` adds the place in one.
    """

    def __init__(self, path: KeyPath, text: str) -> None:
        super().__init__(f"{dotted(path)}: {text}")
        self.problem = Problem(path, text)


def problems_error(problems: Iterable[Problem], document: Document) -> ConfigError:
    """All problems as one error, in the order of their places in the document, each once.

    At most MAX_PROBLEMS lines are listed. A key that is not in the text is placed at the mapping
    that should have it.
    """
    placed = []
    for problem in problems:
        path = problem.path
        position = document.keys.get(path) if problem.at_key else None
        while position is None:
            position, path = document.values.get(path), path[:-1]
        placed.append((position, problem))
    placed.sort(key=lambda pair: (pair[0].source, pair[0].line, pair[0].column))
    lines = list(dict.fromkeys(f"{place.prefix}{dotted(p.path)}: {p.text}" for place, p in placed))
    return lines_error([*lines[:MAX_PROBLEMS], *omitted(len(lines) - MAX_PROBLEMS)])


def lines_error(lines: Iterable[str]) -> ConfigError:
    """The lines as one error."""
    first, *others = map(printable, lines)
    return ConfigError(first, "\n".join(others))


def dotted(path: KeyPath) -> str:
    """A path as messages show it.

    >>> dotted(("probes", "read", 0, "kind")), dotted(())
    ('probes.read[0].kind', 'the experiment')
    """
    parts = (f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
    return printable("".join(parts).removeprefix(".")) or "the experiment"


def place_of(path: KeyPath) -> str:
    """A path as `bnexp.config.frameworks` names places: without numbers of lists and layers.

    >>> place_of(("model", "blocks", 0)), place_of(("model", "layer_init", "output"))
    ('model.blocks', 'model.init')
    """
    if path[:2] == ("model", "layer_init") and len(path) > 2:
        path = ("model", "init", *path[3:])
    return ".".join(part for part in path if isinstance(part, str))


# pydantic's types of errors -> what is expected.
_EXPECTED = {
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


def schema_problem(
    error: Mapping[str, Any],
    path: KeyPath,
    names: Sequence[str] = (),
    elsewhere: Sequence[str] = (),
) -> Problem:
    """One of pydantic's errors as a problem.

    path: where the error is, without the union members that pydantic adds, see `real_path`.
    names: for an unknown key, the keys that are allowed there.
    elsewhere: for an unknown key, the dotted keys that end in it.
    """
    kind, value, context = error["type"], error["input"], error.get("ctx", {})
    if kind == "missing":
        return Problem(path, "required key is missing, expected a value, got nothing; add it")
    if kind == "extra_forbidden":
        place = place_of(path[:-1])
        meant = [n for n in elsewhere if n != dotted(path) and may_be_meant(n, place)]
        explained = name_hint(str(path[-1]), place)
        inside = [name for name in meant if name.startswith(f"{place}." * bool(place))]
        if explained and (ours := [name for name in inside if repr(name) not in explained]):
            explained += f"; or did you mean {' or '.join(map(repr, ours))}?"
        text = f"unknown key, expected {choices(str(path[-1]), names, meant, explained)}"
        outer, dot, key = str(path[-1]).partition(".")
        if dot and outer in names:
            text += f"; write it as {outer}: {{{cut(key, MAX_NAME)}: ...}}"
        return Problem(path, text, at_key=True)
    if kind == "union_tag_not_found":
        text = f"{NO_KIND}, expected a name or {{kind: NAME, ...}}, got {briefly(value)}"
        if written := _kind_as_key(value):
            return Problem(path, text + written)
        keys = value if isinstance(value, Mapping) else ()
        hints = (name_hint(str(key), place_of(path)) for key in keys)
        text = "; ".join([text, *filter(None, hints)])
        return Problem(path, text + _true_or_false(path, value))
    if kind == "union_tag_invalid":
        kinds = re.findall(r"'([^']+)'", context.get("expected_tags", ""))
        kinds += ["none"] if path[-1] == "norm" else []
        inner = (*path, "kind") if isinstance(value, Mapping) else path
        if context["tag"] in kinds:  # none is no mapping, though it is a choice
            got = flow(value) if isinstance(value, Mapping) else value
            text = f"no mapping has this kind, expected none alone, got {cut(str(got), 60)}"
            return Problem(path, f"{text}; write {path[-1]}: none")
        explained = name_hint(context["tag"], place_of(path), is_kind=True)
        explained = explained or _true_or_false(path, context["tag"]).removeprefix("; ")
        text = f"{UNKNOWN_KIND}, expected {choices(context['tag'], kinds, (), explained)}"
        is_default = path[:2] == ("train", "metrics") and context["tag"] in DEFAULT_METRICS
        return Problem(inner, f"{text}; it is always recorded" if is_default else text)
    numbers = {name: exact(v) if isinstance(v, float) else v for name, v in context.items()}
    expected = _EXPECTED.get(kind, error["msg"]).format(**numbers)
    got = briefly(value)
    if kind == "either" and value and isinstance(value, Mapping | list | tuple):
        text = flow(value)  # in full if it is short: the mistake is inside
        got = text if len(text) <= 60 else got
    text = f"not a valid value, expected {expected}, got {got}"
    return Problem(path, text + _remedy(kind, value, path, expected))


def _remedy(kind: str, value: Any, path: KeyPath, expected: str) -> str:
    """What to write instead, if that is plain; else an empty text.

    kind: pydantic's type of the error. expected: what the message says is expected there.
    """
    if isinstance(value, str) and (look_alike := look_alike_hint(value)):
        return f"; {look_alike}"
    if kind in ("literal_error", "either") and isinstance(value, str):
        nearest = nearest_name(value, re.findall(r"\w{3,}", expected))
        return f"; did you mean {nearest!r}?" if nearest else ""
    is_single = isinstance(value, int | float | str) and not isinstance(value, bool)
    if kind == "tuple_type" and is_single:
        if path[-1] in ("seeds", "design_seeds"):
            return "; [0, 1, 2] are three seeds, [3] is seed 3 alone"
        if value == "none":
            return "; leave out the key for its default"
        return f"; a list of one is [{cut(flow(value), 60)}]"
    if kind in ("int_type", "float_type") and isinstance(value, str) and _is_number(value):
        return "; leave out the quotes"
    if kind.startswith("model") and path:
        return _short_form(str(path[-1]), value)
    if path and path[-1] == "padding" and str(value).lower() in ("same", "valid"):
        return f"; write {'0' if str(value).lower() == 'valid' else 'half of size, rounded down'}"
    return ""


def _short_form(key: str, value: Any) -> str:
    """What to write for a single value where a mapping is expected; else an empty text."""
    options = {
        "dropout": {"ratio": 0.5},
        "early_stopping": {"patience": value if type(value) is int and value > 0 else 3},
        "residual": {"order": value if value in ("pre", "post") else "post"},
    }
    if value == "fixup":
        options["residual"] = {"init": value}
    if key not in options or isinstance(value, list):
        return ""
    return "; write none" if value is False else f"; write {flow(options[key])}, or none"


def _kind_as_key(value: Any) -> str:
    """What to write for `{NAME: {OPTIONS}}`; else an empty text."""
    if not isinstance(value, Mapping) or len(value) != 1:
        return ""
    ((kind, options),) = value.items()
    if not isinstance(options, Mapping):
        return ""
    return f"; write {cut(flow({'kind': kind, **options}), MAX_NAME)}"


def _true_or_false(path: KeyPath, value: Any) -> str:
    """What to write for `norm: true` and `norm: false`; else an empty text."""
    kinds = {"true": "batch", "false": "none"}
    kind = kinds.get(str(value).lower()) if path[-1] == "norm" else None
    return f"; write norm: {kind}" if kind else ""


def _is_number(text: str) -> bool:
    """Whether a text is a number in quotes."""
    try:
        float(text)
    except ValueError:
        return False
    return True


def real_path(location: tuple[int | str, ...], data: Any, kind: str) -> KeyPath:
    """pydantic's location of an error in `data`, without the union members that it names.

    kind: the error's type; of a missing key the last part is not in the data.

    For example, pydantic's ("model", "mlp", "init", "normal", "std") is ("model", "init", "std"): a
    union names the member that it tried.
    """
    path: list[int | str] = []
    is_kind_named = False  # whether the kind of the mapping that we are in has been passed
    for i, part in enumerate(location):
        is_missing = kind == "missing" and i == len(location) - 1
        if isinstance(data, Mapping):
            is_part = part in data
        else:
            is_list = isinstance(data, list | tuple)
            is_part = is_list and isinstance(part, int) and part < len(data)
        if not is_kind_named and isinstance(data, Mapping) and data.get("kind") == part:
            is_kind_named = True
        elif is_missing or is_part:
            path.append(part)
            data, is_kind_named = None if is_missing else data[part], False
    return tuple(path)


def briefly(value: Any) -> str:
    """What was got: a single value as it is, a mapping or list by its size.

    A text of more than 60 characters is cut.
    """
    if isinstance(value, Mapping):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list | tuple):
        return f"a list of {len(value)}"
    if value is None or isinstance(value, bool):
        return flow(value)
    return cut(repr(value), 60)
