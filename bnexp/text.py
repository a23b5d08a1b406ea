"""Numbers, lists and columns as text, for messages, tables, pages and figures.

Everything that bnexp prints for people is put together from these few functions:

    safety     `printable` (no control characters: for terminals, figures and pages alike)
    numbers    `short` (few digits, of what was measured), `distinct` and `value_text` (of what was
               set, told from the others), `exact` (all digits), `counted` (a number and its noun)
    lists      `listed` (`a, b or c`), `equations` (`key = value`), `omitted` (`... and 5 more`)
    lines      `cut` (to a length), `paragraph` (wrapped to the page, with a hanging indent)
    columns    `aligned` (rows in columns), `labeled` (a label, and text that starts at a column)
    documents  `json_value` (plain values for JSON), `templates` (HTML)
"""

from __future__ import annotations

import difflib
import math
import os
import re
import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from textwrap import wrap
from typing import TYPE_CHECKING, Any, TypeAlias

from bnexp.typography import look_alike_hint

if TYPE_CHECKING:
    import jinja2

SPACES = "\u00a0\u202f\u3000\u200d"  # no-break and wide spaces, and what joins emoji
PAGE_WIDTH = 80  # characters in a line of what commands print
MAX_NAME = 200  # characters of a wrong name in a message
NARROWEST = 24  # a wrapped last column is at least this wide, whatever stands before it


def short(value: object, digits: int = 4) -> str:
    """A number with that many significant digits; whole numbers and texts as they are.

    >>> short(0.0251188643), short(12345.6), short(1e20), short("batch")
    ('0.02512', '12346', '1e+20', 'batch')
    """
    if not isinstance(value, float):
        return printable(str(value))
    text = f"{value + 0.0:.{digits}g}"  # and -0.0 is 0
    return f"{value:.0f}" if "e+" in text and abs(value) < 1e6 else text


def printable(text: str, lines: bool = False) -> str:
    r"""The text with every character that is not for reading as its code, such as `\x1b`.

    These are control characters, which a terminal obeys and no XML may hold, characters that turn
    the direction of the text, halves of surrogates, and code points without a character.

    lines: whether line feeds stay.

    >>> print(printable("red: \x1b[31m"), printable("one\ntwo"), printable("a b, é"))
    red: \x1b[31m one\ntwo a b, é
    """
    if text.isprintable():
        return text
    return "".join(
        letter
        if letter.isprintable() or letter in SPACES or (lines and letter == "\n")
        else letter.encode("unicode_escape").decode()
        for letter in text
    )


def distinct(values: Iterable[object], digits: int = 4) -> list[str]:
    """Values of a config as texts: different ones for different values, and each as it is.

    Numbers have that many significant digits, or more if some would look alike, or if one would
    look like a rounder number, as 0.99996 like 1. All that shows values of swept keys or of options
    calls this function or `value_text`.

    >>> distinct([0.0251188643, 1]), distinct([0.01, 0.0100001, "none"])
    (['0.02512', '1'], ['0.01', '0.0100001', 'none'])
    >>> distinct([0.9, 0.99996]), distinct([0.012345, 0.012346])
    (['0.9', '0.99996'], ['0.012345', '0.012346'])
    """
    values = list(values)
    different = {*values}
    enough = (
        n
        for n in range(digits, EXACT)
        if len({short(value, n) for value in different}) == len(different)
    )
    shown = next(enough, EXACT)
    return [_unrounded(value, shown) for value in values]


EXACT = 17  # significant digits that tell any two numbers apart


def _unrounded(value: object, digits: int) -> str:
    """The value with so many digits, or with more if it would look like a rounder number.

    It does where only one or two digits are left when zeros are cut off: of 0.9999, 1.00 is 1.
    """
    if not isinstance(value, float) or not math.isfinite(value):
        return printable(str(value))
    for n in range(digits, EXACT):
        rounded = f"{value:.{n}g}"
        shown = rounded.partition("e")[0].replace(".", "").strip("-0")
        # A sum such as 0.1 + 0.2 differs from 0.3 by less than this.
        is_equal = math.isclose(float(rounded), value, rel_tol=1e-14)
        if is_equal or (len(shown) > min(n - 2, 2) and math.isfinite(float(rounded))):
            return short(value, n)
    return repr(float(value))


def value_text(value: object, among: Iterable[object] = (), digits: int = 4) -> str:
    """A value of a config as a text that tells it from others, such as those of its axis.

    >>> value_text(0.9999, digits=3), value_text(0.012345, [0.012345, 0.012346])
    ('0.9999', '0.012345')
    """
    return distinct([value, *among], digits)[0]


def exact(number: float) -> str:
    """A number with all its digits, for messages that say what was expected and got.

    >>> exact(1e-05), exact(3.0), exact(0.9999999), exact(2)
    ('1e-05', '3', '0.9999999', '2')
    """
    return f"{number:g}" if float(f"{number:g}") == number else repr(float(number))


def counted(number: int, noun: str) -> str:
    """The number and its noun, in the plural unless the number is 1.

    >>> counted(1, "seed"), counted(5, "seed"), counted(1000, "seed")
    ('1 seed', '5 seeds', '1,000 seeds')
    """
    return f"{number:,} {noun}" if number == 1 else f"{number:,} {noun}s"


def listed(items: Sequence[str], conjunction: str) -> str:
    """The items as a list in a sentence.

    >>> listed(["a", "b", "c"], "or"), listed(["a", "b"], "and"), listed(["a"], "or")
    ('a, b or c', 'a and b', 'a')
    """
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} {conjunction} {items[-1]}"


# By key the text of each value of a swept key, which tells it from the others.
Texts: TypeAlias = Mapping[str, Mapping[Any, str]]


def integers(numbers: Iterable[int]) -> str:
    """Whole numbers as a list, of more than five that follow each other the first and the last.

    >>> integers([3, 1]), integers([*range(250), 300])
    ('3, 1', '0 to 249, 300')
    """
    runs: list[list[int]] = []
    for number in numbers:
        if runs and number == runs[-1][-1] + 1:
            runs[-1].append(number)
        else:
            runs.append([number])
    return ", ".join(
        f"{run[0]} to {run[-1]}" if len(run) > 5 else ", ".join(map(str, run)) for run in runs
    )


def distinct_by_key(values: Mapping[str, Iterable[Any]]) -> Texts:
    """The texts of all values of each key.

    >>> distinct_by_key({"train.l2": [0.012345, 0.012346]})
    {'train.l2': {0.012345: '0.012345', 0.012346: '0.012346'}}
    """
    lists = {key: list(each) for key, each in values.items()}
    return {key: dict(zip(each, distinct(each), strict=True)) for key, each in lists.items()}


def equations(values: Mapping[str, object], texts: Texts | None = None) -> str:
    """Keys with their values, as in the name of a point of a sweep; empty without values.

    texts: of the values, where they are known; default: as if there were no others.

    >>> equations({"model.norm": "batch", "model.init.std": 0.01})
    'model.norm = batch, model.init.std = 0.01'
    """
    texts = texts or {}
    named = {key: texts.get(key, {}).get(v) or value_text(v) for key, v in values.items()}
    return ", ".join(f"{key} = {text}" for key, text in named.items())


def shell_word(path: object) -> str:
    """A path as one word of a command line that people copy, for the shells of this system.

    >>> shell_word("results/quickstart")
    'results/quickstart'
    """
    if os.name == "nt":
        return f'"{path}"' if re.search(r"[^\w.:/\\-]", str(path)) else str(path)
    return shlex.quote(str(path))


def omitted(number: int, noun: str = "") -> list[str]:
    """The line that ends a shortened list; no line if nothing was left out (`number` <= 0).

    >>> omitted(3, "networks"), omitted(3), omitted(0, "networks")
    (['... and 3 more networks'], ['... and 3 more'], [])
    """
    return [f"... and {number} more {noun}".rstrip()] if number > 0 else []


def cut(text: str, length: int) -> str:
    """The text, or its beginning and three dots if it is longer than `length`.

    >>> cut("a long name", 8), cut("name", 8)
    ('a lon...', 'name')
    """
    return text if len(text) <= length else f"{text[: length - 3]}..."


def choices(name: str, names: Sequence[str], meant: Sequence[str] = (), explained: str = "") -> str:
    """What follows "expected" in an error about a name: the possible names, and a suggestion.

    meant: the names to suggest; default: the nearest of `names`, if one is near enough.
    explained: what to suggest instead, in words, if it is known.

    >>> choices("bacth", ["batch", "layer"])
    "one of batch, layer, got 'bacth'; did you mean 'batch'?"
    >>> choices("eps", ["kind"])
    "kind, got 'eps'"
    """
    nearest = nearest_name(name, names)
    suggestions = [other for other in meant if other != name] or ([nearest] if nearest else [])
    hint = f"; did you mean {' or '.join(map(repr, suggestions))}?" if suggestions else ""
    if explained:
        hint = f"; {explained}"
    elif ":" in name:
        hint = "; put a space behind ':'"
    elif look_alike := look_alike_hint(name):
        hint = f"; {look_alike}"
    allowed = ", ".join(names) or "no key here"
    got = cut(repr(name), MAX_NAME)
    return f"{'one of ' if len(names) > 1 else ''}{allowed}, got {got}{hint}"


def nearest_name(name: str, names: Iterable[str]) -> str | None:
    """The one of `names` that a misspelt name was probably meant to be; None if none is near.

    The same name in other capitals comes first, then a name with this one as its last part, then
    one with a few letters changed, and last the only one with this one somewhere inside. The
    name itself is no suggestion.

    >>> names = ["train_loss", "train_accuracy", "epochs"]
    >>> nearest_name("Epochs", names), nearest_name("loss", names), nearest_name("ephocs", names)
    ('epochs', 'train_loss', 'epochs')
    """
    lower = {other.lower(): other for other in reversed([*names]) if other != name}
    name = name.lower()
    if name in lower:
        return lower[name]
    ending = [other for other in lower if other.endswith(f"_{name}")]
    containing = [other for other in lower if len(name) > 2 and name in other]
    candidates = ending[-1:] or difflib.get_close_matches(name, list(lower), 1)
    candidates = candidates or (containing if len(containing) == 1 else [])
    return lower[candidates[0]] if candidates else None


def paragraph(
    text: str,
    width: int = PAGE_WIDTH,
    indent: int = 0,
    hanging: int | None = None,
    hyphens: bool = True,
) -> list[str]:
    """The text wrapped into lines of at most `width` characters; no line for an empty text.

    indent: spaces before the first line.
    hanging: spaces before the other lines; default: as many as before the first.
    hyphens: whether a line may end after a hyphen.

    >>> print("\\n".join(paragraph("seeds: 0, 1, 2, 3, 4", 14, indent=2, hanging=4)))
      seeds: 0, 1,
        2, 3, 4
    """
    return wrap(
        text,
        width,
        initial_indent=" " * indent,
        subsequent_indent=" " * (indent if hanging is None else hanging),
        break_on_hyphens=hyphens,
    )


def aligned(
    rows: Sequence[Sequence[str]],
    right: Collection[int] = (),
    wrap_last: bool = False,
    width: int = PAGE_WIDTH,
) -> Iterator[str]:
    """The rows as lines of columns, two spaces apart; a heading is a row like the others.

    right: numbers of the columns that are aligned to the right, counted from 0.
    wrap_last: whether the last column is wrapped so that lines are at most `width` long.

    >>> rows = [["stage", "epochs"], ["warmup", "5"], ["decay", "20"]]
    >>> print("\\n".join(aligned(rows, right={1})))
    stage   epochs
    warmup       5
    decay       20
    """
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    last_column = sum(widths[:-1]) + 2 * (len(widths) - 1)
    for row in rows:
        fields = [
            field.rjust(column_width) if i in right else field.ljust(column_width)
            for i, (field, column_width) in enumerate(zip(row, widths, strict=True))
        ]
        lines = fields[-1:]
        if wrap_last:
            room = max(width - last_column, NARROWEST)
            lines = wrap(row[-1], room, break_long_words=False, break_on_hyphens=False) or [""]
        yield "  ".join([*fields[:-1], lines[0]]).rstrip()
        yield from (" " * last_column + line for line in lines[1:])


def labeled(
    label: str, paragraphs: Iterable[str], column: int, width: int = PAGE_WIDTH
) -> Iterator[str]:
    """A label, indented by 2, and paragraphs that start at a column and are wrapped at `width`.

    A label that is too long for that stands on a line of its own. An empty paragraph is a line.

    >>> print("\\n".join(labeled("lr", ["learning rate", "default: 0.1"], 12)))
      lr        learning rate
                default: 0.1
    """
    margin = f"  {label}  "
    if len(margin) > column:
        yield margin.rstrip()
        margin = ""
    for text in paragraphs:
        for line in wrap(text, width - column) or [""]:
            yield f"{margin:<{column}}{line}".rstrip()
            margin = ""


def json_value(value: Any) -> Any:
    """The value with plain numbers and lists for NumPy's; NaN becomes null, infinities texts.

    >>> json_value({"loss": [0.5, float("nan"), float("inf")]})
    {'loss': [0.5, None, 'inf']}
    """
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    if isinstance(value, Mapping):
        return {key: json_value(inner) for key, inner in value.items()}
    return [json_value(inner) for inner in value] if isinstance(value, list | tuple) else value


TEMPLATES = Path(__file__).parent / "report" / "templates"


def notebook_html(template: str, **values: Any) -> str:
    """What a notebook shows of an object: one of the templates of reports with these values."""
    return templates(TEMPLATES).get_template(template).render(**values)


def _readable(value: Any) -> Any:
    """A text of a page without control characters; what is markup already stays."""
    return printable(value, lines=True) if type(value) is str else value


def templates(folder: Path) -> jinja2.Environment:
    """The HTML templates in a folder: values are escaped, an unknown name is an error."""
    import jinja2

    return jinja2.Environment(
        loader=jinja2.FileSystemLoader(folder, encoding="utf-8"),
        autoescape=True,
        finalize=_readable,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
