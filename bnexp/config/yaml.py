"""YAML text to plain values, each with its place in the text: a strict subset of YAML 1.1.

One document of mappings with text keys, lists, strings, decimal numbers, true, false and null. Left
out is what surprises (`no` read as false, `017` read as 15, a key given twice) and what a
configuration does not need (anchors, tags, directives). Every refusal is a ConfigError that reads
"source:line:column: what, expected ..., got ..., what to do".
"""

from __future__ import annotations

import pathlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from yaml.reader import ReaderError

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


def parse_scalar(event: yaml.ScalarEvent, at: Position) -> Any:
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


def block_style(mapping: Mapping[str, Any]) -> str:
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


def flatten(
    mapping: Mapping[str, Any], whole: Callable[[str], bool] = lambda key: False, around: str = ""
) -> Iterator[tuple[str, Any]]:
    """The values within by their dotted keys; a mapping of a key that is `whole` is one value."""
    for name, value in mapping.items():
        key = f"{around}.{name}" if around else str(name)
        if isinstance(value, Mapping) and not whole(key):
            yield from flatten(value, whole, key)
        else:
            yield key, value


def unquoted(value: Any) -> str:
    """A text as it is, any other value as `flow` writes it."""
    return value if isinstance(value, str) else flow(value)


MAX_BYTES = 256 * 1024
MAX_NODES = 20_000
MAX_DEPTH = 32

KeyPath = tuple[str | int, ...]


@dataclass(frozen=True)
class Document:
    """A plain value, and where each of its keys and values stands; the root's path is ().

    extends: the nearest shipped experiment that it is made from, empty where there is none.
    """

    value: Any
    keys: Mapping[KeyPath, Position]
    values: Mapping[KeyPath, Position]
    extends: str = ""


def parse_file(path: pathlib.Path) -> Document:
    """Parse a UTF-8 file; ConfigError if it cannot be read, is too large or is not valid."""
    source = str(path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        got = f"got: {error.strerror or error}, check the path"
        raise ConfigError(f"{source}: unreadable, expected a readable file, {got}") from error
    _check_size(data, source)
    return parse(_decode(data, source), source)


def parse(text: str, source: str) -> Document:
    """Parse a whole text, which must be one mapping; `source` names it in positions and errors."""
    document = parse_value(text, source)
    if isinstance(document.value, dict):
        return document
    kinds = {type(None): ("empty document", "nothing"), list: ("list at the top", "a list")}
    what, got = kinds.get(type(document.value), ("single value at the top", "a value without key"))
    raise refusal(document.values[()], what, "a mapping", got, "write KEY: VALUE lines")


def parse_value(text: str, source: str) -> Document:
    """Parse one value of any type, as in `--set KEY=VALUE`; an empty text is null."""
    _check_size(text.encode("utf-8", "surrogatepass"), source)
    return _Builder(_events(text.removeprefix("\ufeff"), source), source).document()


def _check_size(data: bytes, source: str) -> None:
    if len(data) > MAX_BYTES:
        at, limit = Position(source, 1, 1), f"at most {MAX_BYTES} bytes"
        raise refusal(at, "too large", limit, "more", "check that this is the text you mean")


def _decode(data: bytes, source: str) -> str:
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        at = _end_of(data[: error.start].decode("utf-8"), source)
        got = f"byte 0x{data[error.start]:02x}"
        raise refusal(at, "not UTF-8", "UTF-8 text", got, "save the file as UTF-8") from None


def _end_of(text: str, source: str) -> Position:
    lines = f"{text}|".removeprefix("\ufeff").splitlines()
    return Position(source, len(lines), len(lines[-1]))


_REFUSED_TOKENS = {"&": "anchor", "*": "alias", "!": "tag", "%": "directive"}


class _Loader(yaml.SafeLoader):
    """The pure Python scanner (its positions are the same everywhere), without what we refuse."""

    def __init__(self, text: str, source: str) -> None:
        super().__init__(text)
        self.source = source

    def _refuse_token(self) -> None:
        what = _REFUSED_TOKENS[self.prefix()]
        raise self._error(what, "plain values", "leave it out, or quote it if it is text")

    fetch_anchor = fetch_alias = fetch_tag = fetch_directive = _refuse_token

    def scan_flow_scalar_non_spaces(self, double: Any, start_mark: Any) -> list[Any]:
        try:
            return super().scan_flow_scalar_non_spaces(double, start_mark)
        except (ValueError, OverflowError):  # chr() of a number above the last code point
            what, advice = "escape beyond Unicode", "write the character itself"
            raise self._error(what, "at most 0010FFFF", advice) from None

    def _error(self, what: str, expected: str, advice: str) -> ConfigError:
        got = quoted(re.split(r"[\s\0\",\]}]", self.prefix(41))[0])
        return refusal(_position(self.get_mark(), self.source), what, expected, got, advice)


def _events(text: str, source: str) -> Iterator[Any]:
    """The parser's events, its errors turned into ours."""
    try:
        loader = _Loader(text, source)
        while loader.check_event():
            yield loader.get_event()  # type: ignore[no-untyped-call]
    except ReaderError as error:
        at, got = _end_of(text[: error.position], source), quoted(text[error.position])
        raise refusal(at, "control character", "printable text", got, "remove it") from None
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, source) from None


# Part of the parser's problem -> what to do about it; the first that fits.
_ADVICE = {
    r"'\t'": "indent and separate with spaces",
    "mapping values": "check the indentation, or quote a value that contains ': '",
    "cannot start any token": "quote the text that begins with it",
    "'<stream end>'": "close the bracket",
    "end of stream": "close the quote",
    "escape character": r"write \\ for a backslash, or use single quotes",
    "": "check the indentation, brackets and quotes",
}


def _syntax_error(error: yaml.MarkedYAMLError, source: str) -> ConfigError:
    problem, mark = error.problem or "", error.context_mark
    advice = next(advice for part, advice in _ADVICE.items() if part in problem)
    got = f"{problem} ({error.context} at {_position(mark, source)})" if mark else problem
    return refusal(
        _position(error.problem_mark, source), "not valid", "valid YAML", f"an error: {got}", advice
    )


def _position(mark: Any, source: str) -> Position:
    return Position(source, mark.line + 1, mark.column + 1)


class _Builder:
    """Builds the value of one document from its events, and notes where its parts stand."""

    def __init__(self, events: Iterator[Any], source: str) -> None:
        self.events = events
        self.source = source
        self.keys: dict[KeyPath, Position] = {}
        self.values: dict[KeyPath, Position] = {(): Position(source, 1, 1)}

    def document(self) -> Document:
        value = None
        next(self.events)  # the start of the stream
        if isinstance(next(self.events), yaml.DocumentStartEvent):
            value = self._value(next(self.events), ())
            next(self.events)  # the end of the document
            _check_last(next(self.events), self.source)
        return Document(value, self.keys, self.values)

    def _value(self, event: Any, path: KeyPath) -> Any:
        self.values[path] = at = _position(event.start_mark, self.source)
        if len(self.keys) + len(self.values) > MAX_NODES:
            limit = f"at most {MAX_NODES} keys and values"
            raise refusal(at, "too many values", limit, "more", "make the text smaller")
        if isinstance(event, yaml.ScalarEvent):
            return parse_scalar(event, at)
        if len(path) >= MAX_DEPTH:
            raise refusal(
                at, "nested too deep", f"at most {MAX_DEPTH} levels", "more", "flatten it"
            )
        return (self._list if isinstance(event, yaml.SequenceStartEvent) else self._dict)(path)

    def _list(self, path: KeyPath) -> list[Any]:
        result: list[Any] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            result.append(self._value(event, (*path, len(result))))
        return result

    def _dict(self, path: KeyPath) -> dict[str, Any]:
        result: dict[str, Any] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self._key(event, path)
            result[key] = self._value(next(self.events), (*path, key))
        return result

    def _key(self, event: Any, path: KeyPath) -> str:
        at = _position(event.start_mark, self.source)
        key = _key_text(event, at)
        if first := self.keys.get((*path, key)):
            what, got = f"duplicate key {quoted(key)}", f"it first at {first} and again here"
            raise refusal(at, what, "each key once", got, "remove one")
        self.keys[(*path, key)] = at
        return key


def _check_last(event: Any, source: str) -> None:
    if not isinstance(event, yaml.StreamEndEvent):
        at, got = _position(event.start_mark, source), "another '---'"
        raise refusal(at, "second document", "one document", got, "write one file for each")


def _key_text(event: Any, at: Position) -> str:
    if isinstance(event, yaml.ScalarEvent) and type(parse_scalar(event, at)) in (str, int):
        return event.value
    got = quoted(event.value) if isinstance(event, yaml.ScalarEvent) else "a list or mapping"
    raise refusal(at, "key is not text", "a name", got, "write a name, or quote it")
