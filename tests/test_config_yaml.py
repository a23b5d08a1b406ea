"""The strict YAML subset: what is accepted with which type and place, what is refused and where."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from config_cases import SMALLEST, errors
from hypothesis import example, given, settings
from hypothesis import strategies as st

from bnexp.config import load_config
from bnexp.config.yaml import (
    MAX_BYTES,
    MAX_DEPTH,
    MAX_NODES,
    Document,
    Position,
    block_style,
    flow,
    parse,
    parse_file,
    parse_value,
)
from bnexp.errors import ConfigError


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", ":1:1: empty document, expected a mapping"),
        (b"- a\n- b\n", ":1:1: list at the top, expected a mapping"),
        (b"name:\tgood\n\tmodel: 1\n", ":2:1: tab in the indentation, expected spaces"),
        (b"name: a\0b\n", ":1:8: control character"),
        (b"a: &x [1]\nb: [*x, *x]\n", ":1:4: anchor"),
        (b"name: !!python/object/apply:os.system [true]\n", ":1:7: tag"),
        (b"a: " + b"[" * 10_000 + b"]" * 10_000, "nested too deep, expected at most 32 levels"),
        (b"name: a\nname: b\n", ":2:1: duplicate key 'name'"),
        (b"name: no\n", ":1:7: ambiguous text, expected true, false or none, got 'no'"),
        (b"name: a\n---\nname: b\n", "second document"),
        (b"\xff\xfe", "not UTF-8"),
        (b"#" * 300_000, "too large, expected at most 262144 bytes"),
    ],
)
def test_texts_that_are_no_experiment(tmp_path, content, expected):
    path = tmp_path / "bad.yaml"
    path.write_bytes(content)
    assert expected in errors(path)


def test_numpys_numbers_and_ranges_are_written_as_pythons(config_file):
    assert flow([np.float64(0.5), np.int64(3), np.bool_(True), np.arange(3)]) == (
        "[0.5, 3, true, [0, 1, 2]]"
    )
    overrides = {
        "random.seeds": range(3),
        "model.hidden": np.array([5, 6]),
        "train.l2": np.float32(1),
    }
    experiment = load_config(config_file(SMALLEST), overrides).experiment
    assert (experiment.random.seeds, experiment.model.hidden) == ((0, 1, 2), (5, 6))
    assert experiment.train.l2 == 1


TEXTS = st.text(st.characters(blacklist_categories=["Cs", "Cc"]), max_size=12)


PLAIN = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**15), 10**15) | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=8,
)


@given(PLAIN)
def test_written_values_read_back(value):
    assert repr(parse_value(flow(value), "here").value) == repr(value)


@pytest.mark.slow
@given(st.dictionaries(TEXTS, PLAIN, min_size=1, max_size=4))
def test_written_mappings_read_back(mapping):
    assert repr(parse(block_style(mapping), "here").value) == repr(mapping)


def refusal(text: str) -> str:
    with pytest.raises(ConfigError) as caught:
        parse(text, "f.yaml")
    return str(caught.value)


def test_document_holds_plain_values_of_each_type() -> None:
    text = (
        "s: text\ni: -12\nf: 0.5\nt: true\nn: null\nempty:\ntilde: ~\nfalse_: false\n"
        "l: [1, {a: b}]\nday: 2001-12-14\nq: '1'\nd: \"yes\"\nb: |\n  1\nw: >\n  x\n  y\n"
    )
    assert parse(text, "f.yaml").value == {
        "s": "text",
        "i": -12,
        "f": 0.5,
        "t": True,
        "n": None,
        "empty": None,
        "tilde": None,
        "false_": False,
        "l": [1, {"a": "b"}],
        "day": "2001-12-14",
        "q": "1",
        "d": "yes",
        "b": "1\n",
        "w": "x y\n",
    }


def test_keys_and_values_know_their_places() -> None:
    document = parse("a: 1\nb:\n  - x\n  - {c: [y]}\nd:\n", "f.yaml")
    keys = {path: (at.line, at.column) for path, at in document.keys.items()}
    values = {path: (at.line, at.column) for path, at in document.values.items()}
    assert keys == {("a",): (1, 1), ("b",): (2, 1), ("b", 1, "c"): (4, 6), ("d",): (5, 1)}
    assert values == {
        (): (1, 1),
        ("a",): (1, 4),
        ("b",): (3, 3),
        ("b", 0): (3, 5),
        ("b", 1): (4, 5),
        ("b", 1, "c"): (4, 9),
        ("b", 1, "c", 0): (4, 10),
        ("d",): (5, 3),
    }


def test_position_reads_as_source_line_column() -> None:
    assert str(Position("f.yaml", 3, 7)) == "f.yaml:3:7"


def test_the_whole_message() -> None:
    assert refusal("a: yes") == (
        "f.yaml:1:4: ambiguous text, expected true or false, got 'yes', "
        "write true or false (or quote it: 'yes')"
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("0", 0),
        ("-0", 0),
        ("+7", 7),
        ("9" * 18, 10**18 - 1),
        ("1.0", 1.0),
        (".5", 0.5),
        ("-.5", -0.5),
        ("1e-3", 0.001),
        ("1E5", 100000.0),
        ("+1.5", 1.5),
        ("-2.", -2.0),
        ("2.e1", 20.0),
        (".inf", math.inf),
        ("-.inf", -math.inf),
        ("1e400", math.inf),
    ],
)
def test_numbers(text: str, value: float) -> None:
    parsed = parse(f"a: {text}", "f.yaml").value["a"]
    assert (type(parsed), parsed) == (type(value), value)


@pytest.mark.parametrize(
    ("texts", "value"),
    [
        ("true True TRUE", True),
        ("false False FALSE", False),
        ("null Null NULL ~", None),
        (".inf .Inf .INF", math.inf),
        ("-.inf -.Inf -.INF", -math.inf),
    ],
)
def test_words_that_all_readers_take_alike(texts, value):
    assert parse(f"a: [{', '.join(texts.split())}]", "f.yaml").value["a"] == [value] * len(
        texts.split()
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("a: 1\t", 1),
        ("a:\t1 \t # c", 1),
        ("a: x\t# c", "x"),
        ("a: x \t y", "x \t y"),
        ("a: 1\n\t\n  \t\n\t# c\n", 1),
        ("a: [1,\t2\t]", [1, 2]),
        ("a: [\n\t1,\n\t2\n\t]", [1, 2]),
        ("a: {b:\t1,\n\tc: 2}", {"b": 1, "c": 2}),
        ("a:\n  -\tx\n  - \ty", ["x", "y"]),
        ("a\t: 1", 1),
        ("a: 'x\ty'\t", "x\ty"),
        ("a: |\n  x\ty\n", "x\ty\n"),
    ],
)
def test_tabs_between_words_and_values_are_white_space(text, value):
    assert parse(text, "f.yaml").value == {"a": value}


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("a:\n\tb: 1", "2:1"),
        ("a:\n  \tb: 1", "2:3"),
        ("a:\n  b: 1\n\tc: 1", "3:1"),
        ("a:\n\t- 1", "2:1"),
        ("\ta: 1", "1:1"),
        ("a: x\n\ty", "2:1"),
    ],
)
def test_tabs_do_not_indent(text, place):
    assert refusal(text) == (
        f"f.yaml:{place}: tab in the indentation, expected spaces, got a tab, indent with spaces"
    )


LOOK_ALIKES = {
    "\u00a0": (" ", "no-break space (U+00A0), write a space"),
    "\u202f": (" ", "narrow no-break space (U+202F), write a space"),
    "\u2003": (" ", "em space (U+2003), write a space"),
    "\u3000": (" ", "ideographic space (U+3000), write a space"),
    "\u200b": ("", "zero width space (U+200B), remove it"),
    "\u2060": ("", "word joiner (U+2060), remove it"),
    "\ufeff": ("", "byte order mark (U+FEFF), remove it"),
    "\uff1a": (":", "fullwidth colon (U+FF1A), write ':' and a space"),
    "\uff0c": (",", "fullwidth comma (U+FF0C), write ','"),
    "\u3001": (",", "ideographic comma (U+3001), write ','"),
    "\uff5b": ("{", "fullwidth left curly bracket (U+FF5B), write '{'"),
    "\uff3d": ("]", "fullwidth right square bracket (U+FF3D), write ']'"),
    "\u201c": ('"', "left double quotation mark (U+201C), write '\"'"),
    "\u2019": ("'", 'right single quotation mark (U+2019), write "\'"'),
    "\u2013": ("-", "en dash (U+2013), write '-'"),
    "\u2212": ("-", "minus sign (U+2212), write '-'"),
}


@pytest.mark.parametrize("letter", LOOK_ALIKES)
def test_look_alikes_in_keys_are_named_with_their_place(letter):
    form, end = LOOK_ALIKES[letter]
    shown = {" ": "a space", "": "no such character"}.get(form, repr(form))
    message = f"look-alike character, expected {shown}, got {end}"
    assert refusal(f"a: 1\nbc{letter}d: 2") == f"f.yaml:2:3: {message}"
    assert refusal(f"a: {{b: 1, c{letter}d: 2}}") == f"f.yaml:1:12: {message}"
    assert parse(f"'c{letter}d': 2", "f.yaml").value == {f"c{letter}d": 2}


@pytest.mark.parametrize("letter", LOOK_ALIKES)
def test_look_alikes_within_texts_are_texts(letter):
    text = f"x{letter}y and z"
    assert parse(f"a: {text}\nb: '{letter}'\n# {letter}", "f.yaml").value["a"] == text


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("train\uff1a\n  epochs: 5", "1:6: look-alike character, expected ':'"),
        ("name\uff1ax", "1:5: look-alike character, expected ':'"),
        ("a: 1\nb\uff1a2", "2:2: look-alike character, expected ':'"),
        ("a: {b: 5\uff0cc: 1}", "1:9: look-alike character, expected ','"),
        ("a: \uff5bb: 1\uff5d", "1:4: look-alike character, expected '{'"),
        ("a:\n  b: 1\n\u00a0\u00a0c: 2", "3:1: look-alike character, expected a space"),
        ("a: 1\n\u3000b: 2", "2:1: look-alike character, expected a space"),
        ("a: \u3000x", "1:4: look-alike character, expected a space"),
        ("a: x y\u00a0  # c", "1:7: look-alike character, expected a space"),
        ("a:\u00a05", "1:3: look-alike character, expected a space"),
        ("a: 00\n \ufeff", "2:2: look-alike character, expected no such character"),
        ("a: b\n c\ufeff", "2:3: look-alike character, expected no such character"),
        ("a: \ufeff\ufeff\n", "1:4: look-alike character, expected no such character"),
        ("a: 1\u2028b: x\ufeff\u3000", "2:6: look-alike character, expected a space"),
        ("# \uff1a \u2013\na: '\uff1a'\nb: x\u2019s \u2013 y\nc\uff1a1", "4:2: look-alike"),
    ],
)
def test_look_alikes_of_structure_are_named_with_their_place(text, start):
    assert refusal(text).startswith(f"f.yaml:{start}")


@pytest.mark.parametrize("letter", ["\u00a0", "\u202f", "\u200b", "\u0661", "\uff21"])
@pytest.mark.parametrize(
    "text", ["a: Fig.{}1: x", "a: x : y{}z", "a: w{}x: y: z", "a: b{}c\n  d: e"]
)
def test_a_look_alike_that_is_not_the_reason_is_not_blamed(letter, text):
    assert refusal(text.format(letter)).endswith(
        "mapping values are not allowed here, check the indentation, or quote a value that "
        "contains ': '"
    )


@pytest.mark.parametrize(
    ("text", "column", "form", "name"),
    [
        ("\u22124", 1, "-4", "minus sign (U+2212)"),
        ("1e\u20135", 3, "1e-5", "en dash (U+2013)"),
        ("\uff11\uff12", 1, "12", "fullwidth digit one (U+FF11)"),
        ("0\uff0e5", 2, "0.5", "fullwidth full stop (U+FF0E)"),
        ("\u00a05", 1, "5", "no-break space (U+00A0)"),
        ("5\u200b", 2, "5", "zero width space (U+200B)"),
        ("\u0661\u0662", 1, "12", "arabic-indic digit one (U+0661)"),
        ("\u0660\u066b\u0665", 1, "0.5", "arabic-indic digit zero (U+0660)"),
        ("1\u096b", 2, "15", "devanagari digit five (U+096B)"),
    ],
)
def test_look_alikes_in_numbers_are_named(text, column, form, name):
    message = refusal(f"a: [1, {text}]")
    assert message.startswith(
        f"f.yaml:1:{7 + column}: look-alike character in a number, expected {form}, got {name}, "
        f"write {form} (or quote it: "
    )
    assert parse(f"a: '{text}'", "f.yaml").value == {"a": text}


def test_nan_is_a_float() -> None:
    assert math.isnan(parse("a: .nan", "f.yaml").value["a"])


@pytest.mark.parametrize(
    "text",
    ["1.2.3", "inf", "e5", "1e", "0xZ", "_1", "1:99", "+", ".", "y", "2001-1-1", "x\uff1ay"],
)
def test_other_plain_scalars_are_strings(text: str) -> None:
    assert parse(f"a: {text}", "f.yaml").value == {"a": text}


@pytest.mark.parametrize("part", ["0_", "1", "1:", "1:3", ".1", "0x", "e1"])
def test_a_long_almost_number_is_a_string(part: str) -> None:
    # A pattern that backtracks over 100,000 characters would not come to an end here.
    text = part * (100_000 // len(part)) + "x"
    assert parse(f"a: {text}", "f.yaml").value == {"a": text}


def test_integer_keys_become_text() -> None:
    assert parse("1: x\n'2': y", "f.yaml").value == {"1": "x", "2": "y"}


AMBIGUOUS = {
    "true or false": "yes Yes YES on On ON",
    "true, false or none": "no No NO off Off OFF",
    ".nan": "-.nan +.NaN",
    "a decimal number without leading zero": "017 -017 00 08 0o17 0x1F 0b11 0_1",
    "a number without underscores": "1_000 1_0.5 1.5_0 .5_0 1_0e3",
    "a decimal number without colons": "1:30 12:30:45 1:30.5 01:30",
}


@pytest.mark.parametrize(
    ("text", "form"), [(text, form) for form, texts in AMBIGUOUS.items() for text in texts.split()]
)
def test_ambiguous_plain_scalars_are_refused(text: str, form: str) -> None:
    message = refusal(f"a:\n  - {text}")
    assert message.startswith(f"f.yaml:2:5: ambiguous text, expected {form}, got '{text}'")
    assert message.endswith(f"write {form} (or quote it: '{text}')")
    assert parse(f"a: '{text}'", "f.yaml").value == {"a": text}


@pytest.mark.parametrize(
    ("text", "start"),
    [
        ("", "1:1: empty document, expected a mapping, got nothing, write KEY: VALUE"),
        ("# only\n", "1:1: empty document"),
        ("---\n", "2:1: empty document"),
        ("\n- a", "2:1: list at the top, expected a mapping, got a list"),
        ("text", "1:1: single value at the top, expected a mapping"),
        ("a: 1\nb: 2\na: 3", "3:1: duplicate key 'a', expected each key once, got it first at f.y"),
        ("x: {1: a, '1': b}", "1:11: duplicate key '1', expected each key once, got it first at f"),
        ("a: &x 1", "1:4: anchor, expected plain values, got '&x'"),
        ("a: [b, *x]", "1:8: alias, expected plain values, got '*x'"),
        ("a: !!python/object/apply:os.system [ls]", "1:4: tag, expected plain values, got '!!py"),
        ("a: !!str 1", "1:4: tag, expected plain values, got '!!str'"),
        ("a: ! 1", "1:4: tag, expected plain values, got '!'"),
        ("%YAML 1.1\n---\na: 1", "1:1: directive, expected plain values, got '%YAML'"),
        ("%TAG ! tag:x,2000:\n---\na: 1", "1:1: directive"),
        ("%YAML 1." + "9" * 5000, "1:1: directive"),
        ("a: 1\n---\nb: 2", "2:1: second document, expected one document, got another '---'"),
        ("a: 1\n---\n", "2:1: second document"),
        ("a: 1\n...\nb: 2", "3:1: not valid"),
        ("a: 1\nnull: 2", "2:1: key is not text, expected a name, got 'null'"),
        ("? \n: 2", "1:2: key is not text, expected a name, got ''"),
        ("{~: 2}", "1:2: key is not text, expected a name, got '~'"),
        ("true: 2", "1:1: key is not text, expected a name, got 'true'"),
        ("{1.5: 2}", "1:2: key is not text, expected a name, got '1.5'"),
        ("[a]: 2", "1:1: key is not text, expected a name, got a list or mapping"),
        ("? {a: b}\n: 2", "1:3: key is not text, expected a name, got a list or mapping"),
        ("on: 2", "1:1: ambiguous text"),
        ("a: " + "1" * 19, "1:4: integer too long, expected at most 18 digits, got 19 digits"),
        ("a: -" + "1" * 9999, "1:4: integer too long, expected at most 18 digits, got 9999"),
        ("a: 1\n\tb: 2", "2:1: tab in the indentation, expected spaces, got a tab, indent with"),
        ("a: 1\nb: x\0y", r"2:5: control character, expected printable text, got '\x00', remove"),
        ("a: \x1b[0m", r"1:4: control character, expected printable text, got '\x1b'"),
        ("a: \ud800", r"1:4: control character, expected printable text, got '\ud800'"),
        ('a: "\\0"', r"1:4: escape of no character, expected text, got '\x00'"),
        ('a: "\\ud83d"', r"1:4: escape of no character, expected text, got '\ud83d'"),
        ('a: "\\U00110000"', "1:7: escape beyond Unicode, expected at most 0010FFFF, got '0011"),
        ('a: "\\UFFFFFFFF"', "1:7: escape beyond Unicode, expected at most 0010FFFF, got 'FFFF"),
        ("a: b: c", "1:5: not valid, expected valid YAML, got an error: mapping values"),
    ],
)
def test_refused_with_place(text: str, start: str) -> None:
    assert refusal(text)[: len(start) + 7] == f"f.yaml:{start}"


@pytest.mark.parametrize(
    ("text", "line_column", "end"),
    [
        ("a:\n-\tb: 2", "2:4", "separate with spaces, not with a tab"),
        ("a:\n-\t- b", "2:3", "separate with spaces, not with a tab"),
        ("a: 1\n b: 2", "2:3", "or quote a value that contains ': '"),
        ("a: @x", "1:4", "quote the text that begins with it"),
        ("a: [1,\n", "2:1", "(while parsing a flow node at f.yaml:2:1), close the bracket"),
        ("a: [1\n", "2:1", "(while parsing a flow sequence at f.yaml:1:4), close the bracket"),
        ('a: "b', "1:6", "(while scanning a quoted scalar at f.yaml:1:4), close the quote"),
        ('a: "C:\\data"', "1:8", r"write \\ for a backslash, or use single quotes"),
        ("- a\nb: 1", "2:1", "check the indentation, brackets and quotes"),
    ],
)
def test_syntax_errors_say_where_and_what_to_do(text: str, line_column: str, end: str) -> None:
    message = refusal(text)
    assert message.startswith(f"f.yaml:{line_column}: not valid, expected valid YAML")
    assert message.endswith(end)


def test_alias_bomb_is_refused_at_its_first_anchor() -> None:
    bomb = "a: &a [x, x]\n" + "".join(f"b{i}: &b{i} [*a, *a]\n" for i in range(99))
    assert refusal(bomb).startswith("f.yaml:1:4: anchor")


def nested(depth: int) -> str:
    """A text whose deepest list or mapping is at `depth`; the top is 1."""
    return "a: " + "[" * (depth - 1) + "]" * (depth - 1)


def test_depth_limit() -> None:
    parse(nested(MAX_DEPTH), "f.yaml")
    assert refusal(nested(MAX_DEPTH + 1)) == (
        "f.yaml:1:35: nested too deep, expected at most 32 levels, got more, flatten it"
    )


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("[" * 10_000, "1:33"),
        ("[\n" * 10_000, "33:1"),
        ("{a: " * 10_000, "1:129"),
        ("- " * 10_000, "1:65"),
        ("".join(f"{' ' * i}a:\n" for i in range(700)), "33:33"),
    ],
)
def test_very_deep_nesting_gets_the_same_message(text: str, place: str) -> None:
    assert refusal(text).startswith(f"f.yaml:{place}: nested too deep")


@pytest.mark.slow
def test_node_limit() -> None:
    scalars = MAX_NODES - 3  # besides the mapping, its key and the list
    parse("a:\n" + "- 1\n" * scalars, "f.yaml")
    assert refusal("a:\n" + "- 1\n" * (scalars + 1)) == (
        f"f.yaml:{scalars + 2}:3: too many values, expected at most 20000 keys and values, "
        "got more, make the text smaller"
    )


def test_size_limit(tmp_path: Path) -> None:
    path = tmp_path / "large.yaml"
    path.write_bytes(b"a: 1 #" + b"x" * (MAX_BYTES - 6))
    assert parse_file(path).value == {"a": 1}
    path.write_bytes(b"a: 1 #" + b"x" * (MAX_BYTES - 5))
    with pytest.raises(ConfigError, match=r"large\.yaml:1:1: too large, expected at most 262144"):
        parse_file(path)
    assert refusal("é" * (MAX_BYTES // 2 + 1)).startswith("f.yaml:1:1: too large")


def test_read_file_names_the_path_as_given(tmp_path: Path) -> None:
    path = tmp_path / "e.yaml"
    path.write_bytes("\ufeffname: é\r\nb: 2\r\n".encode())
    document = parse_file(path)
    assert document.value == {"name": "é", "b": 2}
    assert document.keys[("name",)] == Position(str(path), 1, 1)
    assert document.values[("b",)] == Position(str(path), 2, 4)


def test_read_file_refuses_other_encodings(tmp_path: Path) -> None:
    path = tmp_path / "e.yaml"
    path.write_bytes(b"\xef\xbb\xbfa: 1\nb: \xc3\xa9\xe9\n")
    place = re.escape(f"{path}:2:5: not UTF-8, expected UTF-8 text, got byte 0xe9, save")
    with pytest.raises(ConfigError, match=place):
        parse_file(path)


@pytest.mark.parametrize(
    ("name", "reason"), [("", "Is a directory"), ("no.yaml", "No such file or directory")]
)
def test_read_file_unreadable(tmp_path: Path, name: str, reason: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_file(tmp_path / name)
    assert str(caught.value) == (
        f"{tmp_path / name}: unreadable, expected a readable file, got: {reason}, check the path"
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("  ", None),
        ("3", 3),
        ("1e-2", 0.01),
        ("mnist", "mnist"),
        ("[1, a]", [1, "a"]),
        ("{kind: batch, eps: 1e-5}", {"kind": "batch", "eps": 1e-5}),
        ("'no'", "no"),
    ],
)
def test_parse_value_takes_any_type(text: str, value: Any) -> None:
    document = parse_value(text, "--set a")
    assert document.value == value
    assert document.values[()] == Position("--set a", 1, 1)


def test_parse_value_refuses_as_parse_does() -> None:
    with pytest.raises(ConfigError, match=r"--set a:1:5: ambiguous text, expected true, false or"):
        parse_value("[1, off]", "--set a")


# yaml.safe_dump leaves unquoted some strings that are numbers to us ("1e-3", "08"): leave them out.
texts = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")).filter(
    lambda text: not re.match(r"[-+]?\.?[0-9]", text)
)


scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(10**18) + 1, 10**18 - 1)
    | st.floats(allow_nan=False)
    | texts
)


plain = st.recursive(
    scalars, lambda inner: st.lists(inner) | st.dictionaries(texts, inner), max_leaves=20
)


@pytest.mark.slow
@settings(deadline=None)
@given(st.dictionaries(texts, plain), st.sampled_from([True, False, None]))
def test_dumped_data_comes_back(data: dict[str, Any], flow: bool | None) -> None:
    document = parse(yaml.safe_dump(data, default_flow_style=flow), "f.yaml")
    assert document.value == data
    assert typed(document.value) == typed(data)


@pytest.mark.slow
@settings(deadline=None)
@given(plain)
def test_dumped_value_has_a_place_for_each_part(value: Any) -> None:
    document = parse_value(yaml.safe_dump([value]), "f.yaml")
    assert document.value == [value]
    assert set(document.values) == {()} | set(paths(value, (0,)))
    assert set(document.keys) == {path for path in paths(value, (0,)) if isinstance(path[-1], str)}


def typed(value: Any) -> Any:
    """The data with types in place of values: 1 == 1.0 == True would hide a wrong one."""
    if isinstance(value, dict):
        return {key: typed(part) for key, part in value.items()}
    return [typed(part) for part in value] if isinstance(value, list) else type(value)


def paths(value: Any, path: tuple[str | int, ...]) -> list[tuple[str | int, ...]]:
    items: list[tuple[str | int, Any]] = []
    if isinstance(value, dict):
        items = list(value.items())
    elif isinstance(value, list):
        items = list(enumerate(value))
    return [path, *(inner for key, part in items for inner in paths(part, (*path, key)))]


@pytest.mark.slow
@settings(deadline=None)
@given(st.text() | st.text("ab01:-?[]{},#&*!|>'\"%@`\\ \n\tx.eU~_=<\ufeff\x85\u2028\0"))
@example("\ufeff")
@example("00\n\ufeff")
@example('"\\U')
@example("%")
def test_any_text_is_parsed_or_refused_with_its_place(text: str) -> None:
    outcome = parsed_or_refused(text)
    if isinstance(outcome, ConfigError):
        pattern = r"f:[1-9]\d*:[1-9]\d*: .+, expected .+, got .+, .+"
        assert re.fullmatch(pattern, str(outcome)), str(outcome)
    else:
        assert set(outcome.values) == set(paths(outcome.value, ()))


def parsed_or_refused(text: str) -> Document | ConfigError:
    try:
        return parse_value(text, "f")
    except ConfigError as error:
        return error
