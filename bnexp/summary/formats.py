"""The summary table as text: for a terminal, or to paste into Markdown, LaTeX or a spreadsheet.

Each format is a function of an `Overview` and of what is shown of several seeds, a word of SPREADS;
FORMATS has them by name. Names of experiments, keys and values are escaped as each format needs.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from math import floor, isfinite, log10
from textwrap import wrap
from typing import TypeAlias

from bnexp.runs.stats import Limits, interval
from bnexp.summary.overview import Entry, Overview
from bnexp.text import PAGE_WIDTH, aligned, counted, paragraph, printable, short

GAP = 2  # spaces between columns, as `aligned` sets them
DIGITS = 3  # decimals of a fraction, significant digits of other numbers
STAR = "*"  # marks an entry with networks that diverged
DIVERGED = "diverged: the loss or a statistic is no longer finite"
# What is shown of several seeds, in words.
SPREADS: Mapping[str, str] = {
    "std": "mean ± standard deviation",
    "range": "mean (lowest-highest)",
    "interval": "mean [95 % interval]",
    "none": "mean",
}


def caption(table: Overview, spread: str) -> str:
    """What the numbers of a table are: 'final test accuracy, mean ± ... of 10 seeds'."""
    fewest, most = table.seeds
    if most < 2:
        return table.label
    number = counted(most, "seed") if fewest == most else f"{fewest} to {most} seeds"
    return f"{table.label}, {SPREADS[spread]} of {number}"


TEXT = {
    "std": "{} ± {}",
    "range": "{} ({}-{})",
    "interval": "{} [{}, {}]",
    "none": "{}",
}
LATEX = {
    "std": r"${} \pm {}$",
    "range": r"${}$ (${}$--${}$)",
    "interval": r"${}$ $[{}, {}]$",
    "none": r"${}$",
}


def entry_text(
    entry: Entry, limits: Limits, spread: str = "std", patterns: Mapping[str, str] = TEXT
) -> str:
    """The mean and, of several numbers, their spread; `-` without a number.

    >>> entry_text(Entry((0.5, 0.75)), (0, 1)), entry_text(Entry((0.5, 0.75)), (0, 1), "range")
    ('0.625 ± 0.177', '0.625 (0.500-0.750)')
    """
    if not entry.values:
        return "-"
    spread = spread if len(entry.values) > 1 else "none"
    decimals = _decimals(entry.mean, limits)
    numbers = (entry.mean, *_spread(entry, limits, spread))
    return patterns[spread].format(*(_number(number, decimals) for number in numbers))


def _spread(entry: Entry, limits: Limits, spread: str) -> tuple[float, ...]:
    """What is shown of the spread of several numbers: one number, two, or nothing."""
    if spread == "std":
        return (entry.std,)
    if spread == "range":
        return min(entry.values), max(entry.values)
    if spread == "interval":
        _, low, high = interval(entry.values, limits)
        return low, high
    return ()


def _decimals(mean: float, limits: Limits) -> int | None:
    """How many decimals the numbers of an entry have; None for as many digits as each needs."""
    if limits == (0.0, 1.0):
        return DIGITS
    if mean == 0 or not isfinite(mean):
        return None
    exponent = floor(log10(abs(mean)))
    return max(DIGITS - 1 - exponent, 0) if -DIGITS <= exponent < 6 else None


def _number(value: float, decimals: int | None) -> str:
    return short(value, DIGITS) if decimals is None else f"{value:.{decimals}f}"


def overview_lines(table: Overview, spread: str = "std", width: int = PAGE_WIDTH) -> Iterator[str]:
    """The table for a terminal: what its numbers are, then rows and columns.

    Columns that do not fit beside the others follow below. The standard deviation, which is the
    default, is left out then; any other spread only if a single column does not fit with it.

    width: the number of characters that a line may have. Yields lines without line ends. A star
    marks an entry with networks that diverged.
    """
    blocks = _blocks(table, spread, width)
    widest = max(len(line) for block in blocks for line in block)
    if len(blocks) > 1 and (spread == "std" or widest > width):
        spread, blocks = "none", _blocks(table, "none", width)
    yield from paragraph(caption(table, spread), width, hanging=2)
    if table.diverged:
        yield from paragraph(f"{STAR} {DIVERGED}", width, hanging=2)
    for block in blocks:
        yield ""
        yield from block
    if table.left_out:
        yield f"the {len(table.rows)} best; {table.left_out} more in summary.csv"


def _blocks(table: Overview, spread: str, width: int) -> list[list[str]]:
    """The lines of each group of columns that fit side by side, behind the values of the rows."""

    def column_lines(name: str, fields: Sequence[str], padding: str = "") -> list[str]:
        """A heading in as many lines as it needs to be no wider than the fields, and these."""
        widest = max(map(len, [*name.split(), *fields]), default=0)
        return [*(line + padding for line in wrap(name, max(widest, 1))), *fields]

    def total_width(columns: Sequence[Sequence[str]]) -> int:
        return sum(max(map(len, column), default=0) + GAP for column in columns) - GAP

    values = [
        column_lines(name, [texts[i] for texts in table.row_texts])
        for i, name in enumerate(table.down_names)
    ]
    groups: list[list[list[str]]] = [[]]
    for j, name in enumerate(table.headings):
        entries = [row[j] for row in table.entries]
        padding = " " * any(entry.diverged for entry in entries)  # in place of a mark
        fields = [
            entry_text(entry, table.limits, spread) + (STAR if entry.diverged else padding)
            for entry in entries
        ]
        column = column_lines(name, fields, padding)
        if groups[-1] and total_width([*values, *groups[-1], column]) > width:
            groups.append([])
        groups[-1].append(column)

    texts = {i for i, axis in enumerate(table.down) if not axis.numeric}
    blocks = []
    for group in groups:
        columns = [*values, *group]
        height = max(map(len, columns))
        level = [[""] * (height - len(column)) + list(column) for column in columns]
        lines = list(zip(*level, strict=True))
        blocks.append(list(aligned(lines, right=set(range(len(columns))) - texts)))
    return blocks


def markdown_lines(table: Overview, spread: str = "std") -> Iterator[str]:
    """A line that says what is shown, and a table as GitHub and Pandoc read it."""
    yield f"{_markdown(f'{table.title}: {caption(table, spread)}.')}"
    yield ""
    yield _markdown_row([*table.down_names, *table.headings])
    aligned_right = [axis.numeric for axis in table.down] + [True] * len(table.headings)
    yield f"| {' | '.join('---:' if right else ':---' for right in aligned_right)} |"
    for texts, row in zip(table.row_texts, table.entries, strict=True):
        yield _markdown_row([*texts, *(_marked(entry, table, spread) for entry in row)])
    if table.diverged:
        yield ""
        yield _markdown(f"{STAR} {DIVERGED}")


def _marked(entry: Entry, table: Overview, spread: str) -> str:
    return entry_text(entry, table.limits, spread) + STAR * bool(entry.diverged)


def _markdown_row(fields: Sequence[str]) -> str:
    return f"| {' | '.join(map(_markdown, fields))} |"


def _markdown(text: str) -> str:
    r"""The text with what Markdown would interpret behind a backslash.

    >>> print(_markdown("a|b *c* [0.5, 1]"))
    a\|b \*c\* \[0.5, 1\]
    """
    return re.sub(r"([\\`*_{}\[\]<>|~#$&])", r"\\\1", printable(text))


def latex_lines(table: Overview, spread: str = "std") -> Iterator[str]:
    r"""A `table` with its caption, in the rules of the package booktabs."""
    yield r"% needs \usepackage{booktabs}"
    yield r"\begin{table}"
    yield r"  \centering"
    text = f"{_latex(table.title)}: {_latex(caption(table, spread))}."
    if table.diverged:
        text += rf" \textsuperscript{{*}}{DIVERGED}."
    yield rf"  \caption{{{text}}}"
    columns = ["r" if axis.numeric else "l" for axis in table.down] + ["r"] * len(table.headings)
    yield rf"  \begin{{tabular}}{{{''.join(columns)}}}"
    yield r"    \toprule"
    yield f"    {' & '.join(map(_latex, (*table.down_names, *table.headings)))} \\\\"
    yield r"    \midrule"
    for texts, row in zip(table.row_texts, table.entries, strict=True):
        fields = [
            f"${_power(text)}$" if axis.numeric else _latex(text)
            for text, axis in zip(texts, table.down, strict=True)
        ]
        fields += [_latex_entry(entry, table, spread) for entry in row]
        yield f"    {' & '.join(fields)} \\\\"
    yield r"    \bottomrule"
    yield r"  \end{tabular}"
    yield r"\end{table}"


def _latex_entry(entry: Entry, table: Overview, spread: str) -> str:
    """The numbers in mathematical mode, so that a sign is a minus."""
    if not entry.values:
        return "--"
    text = _power(entry_text(entry, table.limits, spread, LATEX))
    return text + r"\textsuperscript{*}" * bool(entry.diverged)


def _power(numbers: str) -> str:
    r"""Numbers as mathematics: an exponent is a power of ten.

    >>> print(_power("1e-05"), _power("0.1"))
    1 \times 10^{-5} 0.1
    """
    return re.sub(r"e\+?(-?)0*(\d+)", r" \\times 10^{\1\2}", numbers)


_LATEX = {
    "\\": r"\textbackslash{}",
    "^": r"\textasciicircum{}",
    "~": r"\textasciitilde{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    '"': "''",
    "±": r"$\pm$",
    **{letter: f"\\{letter}" for letter in "{}$&#%_"},
    **{letter: f"{{{letter}}}" for letter in "[]*"},  # else arguments of the row before
}


def _latex(text: str) -> str:
    r"""The text with what LaTeX would interpret written out.

    >>> print(_latex("95 % of a_b & [1]"))
    95 \% of a\_b \& {[}1{]}
    """
    return "".join(_LATEX.get(letter, letter) for letter in printable(text))


def csv_lines(table: Overview, spread: str = "std") -> Iterator[str]:
    """A row for each point of the sweep, all numbers in full.

    The columns are the swept keys, n (how many seeds have a number), diverged (how many networks
    did), the mean under the name of the metric, and its spread: `_std`, `_lowest` and `_highest`,
    or `_low` and `_high`, the ends of the 95 % interval. Fields without a number are empty.
    """
    axes = (*table.down, *table.across)
    ends = {"std": ["std"], "range": ["lowest", "highest"], "interval": ["low", "high"]}
    names = [f"{table.column}_{end}" for end in ends.get(spread, [])]
    rows: list[list[object]] = [
        [*(axis.key for axis in axes), "n", "diverged", table.column, *names]
    ]
    for row, entries in zip(table.rows, table.entries, strict=True):
        for column, entry in zip(table.columns, entries, strict=True):
            n = len(entry.values)
            numbers = [entry.mean] if n else []
            numbers += _spread(entry, table.limits, spread) if n > 1 else ()
            empty = [""] * (1 + len(names) - len(numbers))
            rows.append([*row, *column, n, entry.diverged, *numbers, *empty])
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    yield from text.getvalue().splitlines()


Format: TypeAlias = Callable[[Overview, str], Iterator[str]]
FORMATS: Mapping[str, Format] = {
    "text": overview_lines,
    "markdown": markdown_lines,
    "latex": latex_lines,
    "csv": csv_lines,
}
