"""One word of YAML to a plain value, and how a place in a text is named in an error."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

import yaml

from bnexp.errors import ConfigError

MAX_DIGITS = 18


@dataclass(frozen=True)
class Position:
    """A place in a text; lines and columns count from 1."""

    source: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}"


def refusal(at: Position, what: str, expected: str, got: str, advice: str) -> ConfigError:
    return ConfigError(f"{at}: {what}, expected {expected}, got {got}, {advice}")


def quoted(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "...")


_WORDS = {"": None, "~": None, "null": None, "true": True, "false": False}
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(
    r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?|[-+]?\.inf|\.nan"
)
# What YAML's versions and readers disagree on -> what to write instead; the first that fits.
_AMBIGUOUS = {
    r"True|TRUE|False|FALSE|yes|Yes|YES|no|No|NO|on|On|ON|off|Off|OFF": "true or false",
    r"Null|NULL": "null",
    r"[-+]?\.(Inf|INF|nan|NaN|NAN)": ".inf, -.inf or .nan",
    r"(?i:[-+]?(0o?[0-9_]+|0x[0-9a-f_]+|0b[01_]+))": "a decimal number without leading zero",
    r"[-+]?(?=\.?[0-9])[0-9_]*(\.[0-9_]*)?([eE][-+]?[0-9_]+)?": "a number without underscores",
    r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?": "a decimal number without colons",
}


def scalar(event: yaml.ScalarEvent, at: Position) -> Any:
    """Text, number, truth value or null; ConfigError where readers of YAML would disagree."""
    if bad := re.search(r"[\0\uD800-\uDFFF]", event.value):
        advice = "write the character itself, or leave it out"
        raise refusal(at, "escape of no character", "text", quoted(bad[0]), advice)
    return _plain(event.value, at) if event.style is None else event.value


def _plain(text: str, at: Position) -> Any:
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        return _integer(text, at)
    if _FLOAT.fullmatch(text):
        return float(text.replace(".inf", "inf").replace(".nan", "nan"))
    return _unambiguous(text, at)


def _integer(text: str, at: Position) -> int:
    digits = len(text.lstrip("+-"))
    if digits > MAX_DIGITS:
        limit, got = f"at most {MAX_DIGITS} digits", f"{digits} digits"
        raise refusal(at, "integer too long", limit, got, "write a smaller number (or quote it)")
    return int(text)


def _unambiguous(text: str, at: Position) -> str:
    for pattern, form in _AMBIGUOUS.items():
        if re.fullmatch(pattern, text):
            got, advice = quoted(text), f"write {form} (or quote it: {quoted(text)})"
            raise refusal(at, "ambiguous text", form, got, advice)
    return text
