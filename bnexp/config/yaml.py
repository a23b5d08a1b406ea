"""YAML text to plain values, each with its place in the text, and plain values to YAML text.

Reading (`parse_file`, `parse`, `parse_value`) accepts a strict subset of YAML 1.1: one document of
mappings with text keys, lists, texts, decimal numbers, true, false and null. It refuses what
surprises (`no` read as false, `017` read as 15, a key given twice) and what a configuration does
not need (anchors, tags, directives). Characters that only look like YAML's, such as a full-width
colon, are named where they are no part of a text (bnexp.typography). Every error is a ConfigError
that reads "source:line:column: what, expected ..., got ..., what to do".

Writing (`flow` on one line, `block_style` as indented lines) yields text that every reader of YAML
takes for the same values.

Limits keep a hostile or mistaken file from costing memory or time: MAX_BYTES of text, MAX_NODES
keys and values, MAX_DEPTH levels, MAX_DIGITS digits of a whole number. Without anchors and aliases
a text cannot be larger when it is read than when it is written.

The flow: PyYAML's scanner and parser make events, `_Builder` makes values of the events and notes
the place of each, and `_scalar` decides what an unquoted word is.
"""

from __future__ import annotations

import pathlib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import yaml
from yaml.reader import ReaderError

from bnexp.errors import ConfigError, StoreError
from bnexp.files import is_pipe, open_file, read_pipe
from bnexp.text import printable
from bnexp.typography import ascii_form, in_ascii, instead, is_unseen, named

MAX_BYTES = 256 * 1024
MAX_NODES = 20_000
MAX_DEPTH = 32
MAX_DIGITS = 18

# The keys, and the positions in lists, on the way from the root of a document to a value.
KeyPath = tuple[str | int, ...]


class PythonValues(str):
    """The source of values that Python code passes: they stand in no text that a user could open.

    Messages about them begin with the key instead of a line and a column.
    """


@dataclass(frozen=True)
class Position:
    """A place in a text; lines and columns count from 1.

    source: a path as the user wrote it, or the name of an argument, such as "--set train.epochs".
    """

    source: str
    line: int
    column: int

    def __str__(self) -> str:
        if isinstance(self.source, PythonValues):
            return printable(self.source)
        return f"{printable(self.source)}:{self.line}:{self.column}"

    @property
    def prefix(self) -> str:
        """What a message about a key begins with: "file:line:column: ", or nothing without text."""
        return "" if isinstance(self.source, PythonValues) else f"{self}: "


@dataclass(frozen=True)
class Document:
    """A plain value, and where each of its keys and values stands.

    value: mappings, lists, texts, numbers, truth values and None.
    keys: the places of keys, by their paths.
    values: the places of values, by their paths; the root's path is ().
    extends: the nearest shipped experiment that it extends, empty if there is none.
    """

    value: Any
    keys: Mapping[KeyPath, Position]
    values: Mapping[KeyPath, Position]
    extends: str = ""


# Reading


def parse_file(path: pathlib.Path) -> Document:
    """Parse a UTF-8 file; ConfigError if it cannot be read, is too large or is not valid.

    At most MAX_BYTES are read. A byte order mark at the start is skipped.
    """
    return parse(read_text(path), str(path))


def read_text(path: pathlib.Path, pipes: bool = False) -> str:
    """The text of a UTF-8 file; ConfigError if it cannot be read, is too large or is not UTF-8.

    At most MAX_BYTES are read. pipes: whether a pipe is read, too, until its writer closes it.
    """
    source = str(path)
    try:
        if pipes and is_pipe(path):
            data = read_pipe(path, MAX_BYTES)
        else:
            with open_file(path) as file:
                data = file.read(MAX_BYTES + 1)
    except StoreError as error:
        raise ConfigError(str(error)) from None
    except PermissionError as error:
        raise ConfigError(f"{source}: no permission to read") from error
    except (OSError, ValueError) as error:  # ValueError: a path that no system has
        got = f"got: {getattr(error, 'strerror', None) or error}, check the path"
        raise ConfigError(f"{source}: unreadable, expected a readable file, {got}") from error
    return decode(data, source)


def decode(data: bytes, source: str) -> str:
    """The text of these bytes; ConfigError if they are more than MAX_BYTES or no UTF-8.

    source: what they are of, for messages.
    """
    _check_size(data, source)
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        position = _end(data[: error.start].decode("utf-8"), source)
        got = f"byte 0x{data[error.start]:02x}"
        raise _error(position, "not UTF-8", "UTF-8 text", got, "save the file as UTF-8") from None


def parse(text: str, source: str) -> Document:
    """Parse a text, which must be one mapping; `source` names it in positions and errors.

    ConfigError if the text is not valid or its top is not a mapping. Keys are texts: a key that is
    written as a whole number is the text of its digits.
    """
    document = parse_value(text, source)
    if isinstance(document.value, dict):
        return document
    if isinstance(document.value, str) and (refusal := _look_alike_error(text, source)):
        raise refusal
    kinds = {type(None): ("empty document", "nothing"), list: ("list at the top", "a list")}
    problem, got = kinds.get(
        type(document.value), ("single value at the top", "a value without key")
    )
    raise _error(document.values[()], problem, "a mapping", got, "write KEY: VALUE lines")


def parse_value(text: str, source: str) -> Document:
    """Parse one value of any type, as in `--set KEY=VALUE`; an empty text is null.

    ConfigError if the text is not valid, holds a second document or exceeds a limit.
    """
    _check_size(text.encode("utf-8", "surrogatepass"), source)
    return _Builder(_events(text.removeprefix("\ufeff"), source), source).document()


def _error(position: Position, problem: str, expected: str, got: str, advice: str) -> ConfigError:
    return ConfigError(f"{position}: {problem}, expected {expected}, got {got}, {advice}")


def _quoted(text: str) -> str:
    """The text in quotes, cut after 40 characters."""
    return repr(text if len(text) <= 40 else text[:40] + "...")


def _check_size(data: bytes, source: str) -> None:
    """Raise ConfigError for more than MAX_BYTES."""
    if len(data) > MAX_BYTES:
        advice = "check that this is the text you mean"
        limit = f"at most {MAX_BYTES} bytes"
        raise _error(Position(source, 1, 1), "too large", limit, "more", advice)


def _end(text: str, source: str) -> Position:
    """The place behind the last character of a text."""
    lines = f"{text}|".removeprefix("\ufeff").splitlines()
    return Position(source, len(lines), len(lines[-1]))


def _position(mark: Any, source: str) -> Position:
    """PyYAML's mark, which counts from 0."""
    return Position(source, mark.line + 1, mark.column + 1)


def _position_of(letter: str, event: yaml.ScalarEvent, source: str, last: bool = False) -> Position:
    """Where a letter first stands in the text of a scalar; the last place, if `last`.

    It is counted in the text: PyYAML's columns skip byte order marks, and a scalar may have lines.
    """
    start: Any = event.start_mark
    end: Any = event.end_mark
    find = start.buffer.rfind if last else start.buffer.find
    return _end(start.buffer[: find(letter, start.pointer, end.pointer)], source)


_REFUSED_TOKENS = {"&": "anchor", "*": "alias", "!": "tag", "%": "directive"}


_BREAKS = "\r\n\x85\u2028\u2029"


class _Loader(yaml.SafeLoader):
    """PyYAML's own scanner, not libyaml's: its positions are the same on every machine.

    Unlike PyYAML's it takes tabs where YAML does: everywhere between words and values, in front of
    comments and on blank lines, but not in the indentation of a block.
    """

    def __init__(self, text: str, source: str) -> None:
        super().__init__(text)
        self.source = source

    def _refuse_token(self) -> None:
        """Raise ConfigError for what this subset of YAML does not have."""
        problem = _REFUSED_TOKENS[self.prefix()]
        raise self._error(problem, "plain values", "leave it out, or quote it if it is text")

    fetch_anchor = fetch_alias = fetch_tag = fetch_directive = _refuse_token

    def _white(self) -> str:
        """The spaces and tabs from here on."""
        length = 0
        while self.peek(length) in (" ", "\t"):
            length += 1
        return str(self.prefix(length))

    def scan_to_next_token(self) -> None:
        super().scan_to_next_token()
        while self.peek() == "\t":
            before = self.buffer[self.pointer - self.column : self.pointer]
            white = self._white()
            has_token = self.peek(len(white)) not in f"#\0{_BREAKS}"
            if not self.flow_level and has_token:
                if not before.strip(" \t"):
                    position = _position(self.get_mark(), self.source)
                    advice = "indent with spaces"
                    raise _error(position, "tab in the indentation", "spaces", "a tab", advice)
                self.allow_simple_key = False  # what follows cannot be indented by a tab
            self.forward(len(white))
            super().scan_to_next_token()

    def scan_plain_spaces(self, indent: int, start_mark: Any) -> list[str] | None:
        if "\t" in (white := self._white()):
            self.forward(len(white))
            if self.peek() not in _BREAKS:
                return [white]
        return super().scan_plain_spaces(indent, start_mark)

    def scan_flow_scalar_non_spaces(self, double: Any, start_mark: Any) -> list[Any]:
        try:
            return super().scan_flow_scalar_non_spaces(double, start_mark)
        except (ValueError, OverflowError):  # chr() of a number above the last code point
            problem, advice = "escape beyond Unicode", "write the character itself"
            raise self._error(problem, "at most 0010FFFF", advice) from None

    def _error(self, problem: str, expected: str, advice: str) -> ConfigError:
        got = _quoted(re.split(r"[\s\0\",\]}]", self.prefix(41))[0])
        return _error(_position(self.get_mark(), self.source), problem, expected, got, advice)


# Part of the parser's problem -> what to do about it; the first that fits.
_ADVICE = {
    "mapping values": "check the indentation, or quote a value that contains ': '",
    "cannot start any token": "quote the text that begins with it",
    "'<stream end>'": "close the bracket",
    "end of stream": "close the quote",
    "escape character": r"write \\ for a backslash, or use single quotes",
    "": "check the indentation, brackets and quotes",
}


def _events(text: str, source: str) -> Iterator[Any]:
    """The parser's events; its errors become ConfigErrors."""
    try:
        loader = _Loader(text, source)
        while loader.check_event():
            yield loader.get_event()  # type: ignore[no-untyped-call]
    except ReaderError as error:
        position, got = _end(text[: error.position], source), _quoted(text[error.position])
        raise _error(position, "control character", "printable text", got, "remove it") from None
    except yaml.MarkedYAMLError as error:
        problem, mark = error.problem or "", error.context_mark
        last = error.problem_mark.line if error.problem_mark else 0
        if refusal := _look_alike_error(text, source, last if mark is None else mark.line, last):
            raise refusal from None
        advice = next(advice for part, advice in _ADVICE.items() if part in problem)
        line = "".join(text.splitlines()[last : last + 1])
        if re.match(r"\s*[-?]\s*\t", line):
            advice = "separate with spaces, not with a tab"
        got = f"{problem} ({error.context} at {_position(mark, source)})" if mark else problem
        position = _position(error.problem_mark, source)
        raise _error(position, "not valid", "valid YAML", f"an error: {got}", advice) from None


# What is no YAML between words: quoted texts and comments.
_QUOTED_OR_COMMENT = re.compile(r"\"(?:[^\"\\]|\\.)*\"|'[^']*'|(?:^|(?<=\s))#.*")


def _look_alike_error(
    text: str, source: str, first: int = 0, last: int | None = None
) -> ConfigError | None:
    """An error about the first character in some lines that looks like one of YAML's; or None.

    first, last: the lines where YAML broke off, from 0; the line before them is included. Default:
    all lines. Apostrophes, dashes, letters and digits that belong to a text do not count, nor do
    spaces if the text is no better with others.
    """
    lines = text.splitlines()
    are_spaces = _is_valid("".join(c if not is_unseen(c) else ascii_form(c) or "" for c in text))
    for number, line in enumerate(lines):
        if number < first - 1 or (last is not None and number > last):
            continue
        plain = _QUOTED_OR_COMMENT.sub(lambda match: " " * len(match[0]), line)
        for column, letter in enumerate(plain):
            form = ascii_form(letter)
            if form is None or form == "'" or form.isalnum():
                continue
            is_dash = form == "-" and plain[:column].strip()
            if not is_dash and (are_spaces or not is_unseen(letter)):
                position = Position(source, number + 1, column + 1)
                return _look_alike(position, letter)
    return None


def _is_valid(text: str) -> bool:
    """Whether a text is YAML, of whatever."""
    try:
        loader = _Loader(text, "")
        while loader.check_event():
            loader.get_event()  # type: ignore[no-untyped-call]
    except yaml.YAMLError:
        return False
    return True


def _look_alike(position: Position, letter: str) -> ConfigError:
    """The error about a character that looks like one of YAML's."""
    form = ascii_form(letter)
    expected = "a space" if form == " " else repr(form) if form else "no such character"
    return _error(position, "look-alike character", expected, named(letter), instead(letter))


class _Builder:
    """Builds the value of one document from its events, and notes where its parts stand."""

    def __init__(self, events: Iterator[Any], source: str) -> None:
        self.events = events
        self.source = source
        self.keys: dict[KeyPath, Position] = {}
        self.values: dict[KeyPath, Position] = {(): Position(source, 1, 1)}

    def document(self) -> Document:
        """The whole document; ConfigError if there is a second one.

        A text without any value, such as an empty one, is null.
        """
        value = None
        next(self.events)  # the start of the stream
        if isinstance(next(self.events), yaml.DocumentStartEvent):
            value = self._value(next(self.events), ())
            next(self.events)  # the end of the document
            event = next(self.events)
            if not isinstance(event, yaml.StreamEndEvent):
                position, advice = self._position(event), "write one file for each"
                raise _error(position, "second document", "one document", "another '---'", advice)
        return Document(value, self.keys, self.values)

    def _position(self, event: Any) -> Position:
        return _position(event.start_mark, self.source)

    def _value(self, event: Any, path: KeyPath) -> Any:
        """The value that begins with this event.

        Raises ConfigError beyond MAX_NODES keys and values, or MAX_DEPTH levels.
        """
        self.values[path] = position = self._position(event)
        if len(self.keys) + len(self.values) > MAX_NODES:
            limit = f"at most {MAX_NODES} keys and values"
            raise _error(position, "too many values", limit, "more", "make the text smaller")
        if isinstance(event, yaml.ScalarEvent):
            return _scalar(event, position)
        if len(path) >= MAX_DEPTH:
            limit = f"at most {MAX_DEPTH} levels"
            raise _error(position, "nested too deep", limit, "more", "flatten it")
        if not isinstance(event, yaml.SequenceStartEvent):
            return self._dict(path)
        items: list[Any] = []
        while not isinstance(event := next(self.events), yaml.SequenceEndEvent):
            items.append(self._value(event, (*path, len(items))))
        return items

    def _dict(self, path: KeyPath) -> dict[str, Any]:
        """The mapping at this path; ConfigError for a key that is given twice."""
        result: dict[str, Any] = {}
        while not isinstance(event := next(self.events), yaml.MappingEndEvent):
            key, position = self._key(event), self._position(event)
            if first := self.keys.get((*path, key)):
                problem, got = (
                    f"duplicate key {_quoted(key)}",
                    f"it first at {first} and again here",
                )
                raise _error(position, problem, "each key once", got, "remove one")
            self.keys[(*path, key)] = position
            result[key] = self._value(next(self.events), (*path, key))
        return result

    def _key(self, event: Any) -> str:
        """The text of a key; ConfigError for any other type of value but a whole number."""
        position, got = self._position(event), "a list or mapping"
        if isinstance(event, yaml.ScalarEvent):
            for letter in event.value if event.style is None else "":
                if ascii_form(letter) is not None:
                    raise _look_alike(_position_of(letter, event, self.source), letter)
            if type(_scalar(event, position)) in (str, int):
                return event.value
            got = _quoted(event.value)
        raise _error(position, "key is not text", "a name", got, "write a name, or quote it")


_WORDS = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL"), None),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}
_INTEGER = re.compile(r"[-+]?(0|[1-9][0-9]*)")
_FLOAT = re.compile(
    r"[-+]?([0-9]+\.[0-9]*|\.[0-9]+|[0-9]+(?=[eE]))([eE][-+]?[0-9]+)?"
    r"|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)"
)
# What YAML's versions and readers disagree on -> what to write instead; the first that fits.
_AMBIGUOUS = {
    r"yes|Yes|YES|on|On|ON": "true or false",
    r"no|No|NO|off|Off|OFF": "true, false or none",
    r"[-+]\.(nan|NaN|NAN)": ".nan",
    r"(?i:[-+]?(0o?[0-9_]+|0x[0-9a-f_]+|0b[01_]+))": "a decimal number without leading zero",
    r"[-+]?(?=\.?[0-9])[0-9_]*(\.[0-9_]*)?([eE][-+]?[0-9_]+)?": "a number without underscores",
    r"[-+]?[0-9][0-9_]*(:[0-5]?[0-9])+(\.[0-9_]*)?": "a decimal number without colons",
}


def _scalar(event: yaml.ScalarEvent, position: Position) -> Any:
    """Text, number, truth value or null; ConfigError where readers of YAML would disagree."""
    text = event.value
    if bad := re.search(r"[\0\uD800-\uDFFF]", text):
        advice = "write the character itself, or leave it out"
        raise _error(position, "escape of no character", "text", _quoted(bad[0]), advice)
    if event.style is not None:  # quoted, or a block of text
        return text
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        if (digits := len(text.lstrip("+-"))) > MAX_DIGITS:
            limit, advice = f"at most {MAX_DIGITS} digits", "write a smaller number (or quote it)"
            raise _error(position, "integer too long", limit, f"{digits} digits", advice)
        return int(text)
    if _FLOAT.fullmatch(text):
        return float(re.sub(r"\.(?=[a-zA-Z])", "", text))
    for pattern, form in _AMBIGUOUS.items():
        if re.fullmatch(pattern, text):
            advice = f"write {form} (or quote it: {_quoted(text)})"
            raise _error(position, "ambiguous text", form, _quoted(text), advice)
    _check_look_alikes(event, position)
    return text


def _check_look_alikes(event: yaml.ScalarEvent, position: Position) -> None:
    """ConfigError for a text that is to be a number, or that begins or ends with what is unseen."""
    text = event.value
    if text.isascii():
        return
    form = in_ascii(text).strip()
    if _INTEGER.fullmatch(form) or _FLOAT.fullmatch(form):
        letter = next(letter for letter in text if ascii_form(letter) is not None)
        place = _position_of(letter, event, position.source)
        advice = f"write {form} (or quote it: {_quoted(text)})"
        raise _error(place, "look-alike character in a number", form, named(letter), advice)
    if is_unseen(text[0]):
        raise _look_alike(position, text[0])
    if is_unseen(text[-1]):
        raise _look_alike(_position_of(text[-1], event, position.source, last=True), text[-1])


# Writing

# Read as text by every YAML reader; everything else is quoted.
_PLAIN = re.compile(r"(?!(?i:true|false|yes|no|on|off|null|y|n)$)[A-Za-z][A-Za-z0-9_.-]*")
_ESCAPES = {'"': r"\"", "\\": r"\\", "\n": r"\n", "\t": r"\t", "\r": r"\r"}


def flow(value: Any) -> str:
    """A value on one line; NumPy's numbers and arrays as Python's.

    >>> flow({"kind": "batch", "eps": 1e-9, "axes": (0, 1)}), flow("yes")
    ('{kind: batch, eps: 1.0e-09, axes: [0, 1]}', '"yes"')
    """
    value = value.tolist() if hasattr(value, "tolist") else value
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_text(str(k))}: {flow(v)}" for k, v in value.items()) + "}"
    if isinstance(value, list | tuple | range):
        return "[" + ", ".join(flow(v) for v in value) + "]"
    if value is None or isinstance(value, bool):
        return {True: "true", False: "false", None: "null"}[value]
    if isinstance(value, float):
        text = repr(float(value)).replace("inf", ".inf").replace("nan", ".nan")
        digits, e, exponent = text.partition("e")
        # To readers of YAML 1.1, 1e-9 is a text.
        return f"{digits}.0e{exponent}" if e and "." not in digits else text
    return str(int(value)) if isinstance(value, int) else _text(str(value))


def _text(text: str) -> str:
    """A text as YAML: bare where every reader takes it for text, else in double quotes.

    What is not printable is written as an escape sequence.
    """
    if _PLAIN.fullmatch(text):
        return text
    escaped = "".join(
        _ESCAPES.get(c, c) if c.isprintable() or c in _ESCAPES else f"\\U{ord(c):08X}" for c in text
    )
    return f'"{escaped}"'


def unquoted(value: Any) -> str:
    """A text as it is, any other value as `flow` writes it."""
    return value if isinstance(value, str) else flow(value)


def block_style(mapping: Mapping[str, Any]) -> str:
    """A mapping as indented lines; lists, and mappings that fit, on one line each.

    Lines may be longer than 80 characters where a list of plain values does not fit. Nested
    mappings are indented by two spaces. The order of keys is kept.
    """
    return "".join(f"{line}\n" for line in _lines(mapping, ""))


def _lines(mapping: Mapping[str, Any], indent: str) -> Iterator[str]:
    """The lines of a mapping in block style, each after this indentation."""
    for key, value in mapping.items():
        line = f"{indent}{_text(key)}: {flow(value)}"
        if isinstance(value, Mapping) and value and len(line) > 80:
            yield f"{indent}{_text(key)}:"
            yield from _lines(value, f"{indent}  ")
        elif isinstance(value, list) and value and len(line) > 80 and isinstance(value[0], Mapping):
            yield f"{indent}{_text(key)}:"
            yield from (f"{indent}  - {flow(inner)}" for inner in value)
        else:
            yield line


def flatten(
    mapping: Mapping[str, Any],
    is_value: Callable[[str], bool] = lambda key: False,
    prefix: str = "",
) -> Iterator[tuple[str, Any]]:
    """Dotted keys and the values at them; the mapping at a key that `is_value` is one value.

    >>> dict(flatten({"model": {"norm": {"eps": 0.1}, "bias": True}}))
    {'model.norm.eps': 0.1, 'model.bias': True}

    is_value: is asked with the dotted key of each mapping. An empty mapping yields nothing.
    """
    for name, value in mapping.items():
        key = f"{prefix}{name}"
        if isinstance(value, Mapping) and not is_value(key):
            yield from flatten(value, is_value, f"{key}.")
        else:
            yield key, value
