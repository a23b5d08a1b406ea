"""YAML text to plain values, each with its place in the text: a strict subset of YAML 1.1.

One document of mappings with text keys, lists, strings, decimal numbers, `true`, `false` and `null`.
Left out is what surprises (`no` read as false, `017` read as 15, a key given twice) or what a
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

MAX_BYTES = 256 * 1024
MAX_NODES = 20_000
MAX_DEPTH = 32
MAX_DIGITS = 18

Path = tuple[str | int, ...]


@dataclass(frozen=True)
class Position:
    """A place in a text; lines and columns count from 1."""

    source: str
    line: int
    column: int

    def __str__(self) -> str:
        return f"{self.source}:{self.line}:{self.column}"


@dataclass(frozen=True)
class Document:
    """A plain value, and where each of its keys and values stands; the root's path is ()."""

    value: Any
    keys: Mapping[Path, Position]
    values: Mapping[Path, Position]


def read_file(path: pathlib.Path) -> Document:
    """Parse a UTF-8 file; ConfigError if it cannot be read, is too large or is not valid."""
    source = str(path)
    try:
        with path.open("rb") as file:
            data = file.read(MAX_BYTES + 1)
    except OSError as error:
        reason = error.strerror or error
        raise ConfigError(
            f"{source}: cannot be read, expected a readable file, got: {reason}, check the path"
        ) from error
    _check_size(data, source)
    return parse(_decode(data, source), source)


def parse(text: str, source: str) -> Document:
    """Parse a whole text, which must be one mapping; `source` names it in positions and errors."""
    document = parse_value(text, source)
    if isinstance(document.value, dict):
        return document
    what, got = _not_a_mapping(document.value)
    advice = "write KEY: VALUE lines"
    raise _error(document.values[()], what, "a mapping of keys to values", got, advice)


def parse_value(text: str, source: str) -> Document:
    """Parse one value of any type, as in `--set KEY=VALUE`; an empty text is null."""
    _check_size(text.encode("utf-8", "surrogatepass"), source)
    return _Builder(_events(text.removeprefix("\ufeff"), source), source).document()


def _error(at: Position, what: str, expected: str, got: str, advice: str) -> ConfigError:
    return ConfigError(f"{at}: {what}, expected {expected}, got {got}, {advice}")


def _shown(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:40] + "...")


def _quote_it(text: str) -> str:
    return f'quote it: "{text}"' if len(text) <= 40 else "quote it"


def _not_a_mapping(value: Any) -> tuple[str, str]:
    if value is None:
        return "empty document", "nothing"
    if isinstance(value, list):
        return "list at the top", "a list"
    return "single value at the top", _shown(str(value))


def _check_size(data: bytes, source: str) -> None:
    if len(data) > MAX_BYTES:
        at, limit = Position(source, 1, 1), f"at most {MAX_BYTES} bytes"
        raise _error(at, "too large", limit, "more", "check that this is the file you mean")


def _decode(data: bytes, source: str) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        # The decoder counts from behind a byte order mark.
        body = data.removeprefix(b"\xef\xbb\xbf")
        at = _position_of_end(body[: error.start].decode("utf-8"), source)
        byte = f"byte 0x{body[error.start]:02x}"
        raise _error(at, "not UTF-8", "UTF-8 text", byte, "save the file as UTF-8") from None


def _position_of_end(text: str, source: str) -> Position:
    lines = f"{text}|".splitlines()
    return Position(source, len(lines), len(lines[-1]))


# From text to events ---------------------------------------------------------------------------

# What the parser's problem contains -> what to do about it.
_ADVICE = {
    r"'\t'": "indent and separate with spaces",
    "mapping values are not allowed": "check the indentation, or quote a value that contains ': '",
    "cannot start any token": "quote the text that begins with it",
    "'<stream end>'": "close the bracket",
    "end of stream": "close the quote",
    "escape character": r"write \\ for a backslash, or use single quotes",
}


class _Loader(yaml.SafeLoader):
    """The pure Python scanner (so that positions are the same everywhere), minus what we refuse."""

    def __init__(self, text: str, source: str) -> None:
        super().__init__(text)
        self.source = source

    def fetch_anchor(self) -> None:
        raise self._refused("anchor '&'", "plain values", "repeat the value, or quote the text")

    def fetch_alias(self) -> None:
        raise self._refused("alias '*'", "plain values", "repeat the value, or quote the text")

    def fetch_tag(self) -> None:
        raise self._refused("tag '!'", "no tags", "remove it, or quote the text")

    def fetch_directive(self) -> None:
        raise self._refused("directive '%'", "no directives", "remove the line")

    def scan_flow_scalar_non_spaces(self, double: Any, start_mark: Any) -> Any:
        try:
            return super().scan_flow_scalar_non_spaces(double, start_mark)  # type: ignore[no-untyped-call]
        except (ValueError, OverflowError):  # chr() of a number above the last code point
            expected, advice = r"\U00000000 to \U0010FFFF", "write the character itself"
            raise self._refused("escape beyond Unicode", expected, advice) from None

    def _refused(self, what: str, expected: str, advice: str) -> ConfigError:
        got = _shown(re.split(r"[\s\0]", self.prefix(41))[0])
        return _error(_position(self.get_mark(), self.source), what, expected, got, advice)


def _events(text: str, source: str) -> Iterator[Any]:
    """The parser's events, its errors turned into ours."""
    try:
        loader = _Loader(text, source)
        while loader.check_event():
            yield loader.get_event()  # type: ignore[no-untyped-call]
    except ReaderError as error:
        at, got = _position_of_end(text[: error.position], source), _shown(text[error.position])
        raise _error(at, "control character", "printable text", got, "remove it") from None
    except yaml.MarkedYAMLError as error:
        raise _syntax_error(error, source) from None


def _syntax_error(error: yaml.MarkedYAMLError, source: str) -> ConfigError:
    problem = error.problem or "unknown problem"
    hints = (advice for part, advice in _ADVICE.items() if part in problem)
    advice = next(hints, "check the indentation, brackets and quotes")
    context, mark = error.context, error.context_mark
    where = f" ({context} at {_position(mark, source)})" if context and mark else ""
    at = _position(error.problem_mark, source)
    return _error(at, "not valid YAML", "valid YAML", f"{problem}{where}", advice)


def _position(mark: Any, source: str) -> Position:
    return Position(source, mark.line + 1, mark.column + 1)


# From events to values -------------------------------------------------------------------------


class _Builder:
    """Builds the value of one document, and notes where its parts stand."""

    def __init__(self, events: Iterator[Any], source: str) -> None:
        self.events = events
        self.source = source
        self.keys: dict[Path, Position] = {}
        self.values: dict[Path, Position] = {}

    def document(self) -> Document:
        next(self.events)  # the start of the stream
        value = None
        self.values[()] = Position(self.source, 1, 1)
        if isinstance(next(self.events), yaml.DocumentStartEvent):
            value = self._value(next(self.events), ())
            next(self.events)  # the end of the document
            self._end(next(self.events))
        return Document(value, self.keys, self.values)

    def _end(self, event: Any) -> None:
        if not isinstance(event, yaml.StreamEndEvent):
            at, advice = self._at(event), "keep one, or write one file each"
            raise _error(at, "second document", "one document", "another '---'", advice)

    def _value(self, event: Any, path: Path) -> Any:
        self.values[path] = at = self._at(event)
        self._check_limits(event, path)
        if isinstance(event, yaml.ScalarEvent):
            return _scalar(event, at)
        return (self._list if isinstance(event, yaml.SequenceStartEvent) else self._dict)(path)

    def _list(self, path: Path) -> list[Any]:
        result: list[Any] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            result.append(self._value(event, (*path, len(result))))
        return result

    def _dict(self, path: Path) -> dict[str, Any]:
        result: dict[str, Any] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key = self._key(event, path)
            result[key] = self._value(next(self.events), (*path, key))
        return result

    def _key(self, event: Any, path: Path) -> str:
        at = self._at(event)
        key = _key_text(event, at)
        if first := self.keys.get((*path, key)):
            what, got = f"duplicate key {_shown(key)}", f"it first at {first}"
            raise _error(at, what, "each key once", f"{got} and again here", "remove one")
        self.keys[(*path, key)] = at
        return key

    def _check_limits(self, event: Any, path: Path) -> None:
        at = self._at(event)
        if len(self.keys) + len(self.values) > MAX_NODES:
            limit = f"at most {MAX_NODES} keys and values"
            raise _error(at, "too many values", limit, "more", "make the document smaller")
        if isinstance(event, yaml.CollectionStartEvent) and len(path) >= MAX_DEPTH:
            limit = f"at most {MAX_DEPTH} levels"
            raise _error(at, "nested too deeply", limit, "more", "flatten it")

    def _at(self, event: Any) -> Position:
        return _position(event.start_mark, self.source)
