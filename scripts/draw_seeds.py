#!/usr/bin/env python3
"""Draw the seeds on which the claims of shipped experiments are judged.

    scripts/draw_seeds.py weight_scale=10 rank=20

The seeds that a file has so far, on which its claims were chosen, become `random.design_seeds`;
`random.seeds` are new ones from the operating system's random numbers. A file must be committed as
it is, so that the history shows its claims to be older than its seeds. Seeds are drawn once: a file
that has design seeds is refused. Experiments that extend this one inherit both.

    scripts/draw_seeds.py --again weight_scale=10

After claims were changed: the seeds that were drawn before have been looked at, and become design
seeds, too.
"""

from __future__ import annotations

import re
import subprocess
import sys
import textwrap
from pathlib import Path

from bnexp.config import document
from bnexp.replication import draw_seeds

LINE = 100
SEEDS = re.compile(
    r"^random:(?P<before>[^#]*?)\bseeds: \[(?P<seeds>[^\]]*)\]"
    r"(,?\s+design_seeds: \[(?P<design>[^\]]*)\])?",
    re.MULTILINE,
)


def main(arguments: list[str]) -> None:
    again = arguments[:1] == ["--again"]
    arguments = arguments[again:]
    counts = {name: int(count) for name, count in (text.split("=") for text in arguments)}
    paths = {name: document.find_experiment(name) for name in counts}
    check_committed(*paths.values())
    texts = {
        name: with_drawn_seeds(path.read_text(), counts[name], again)
        for name, path in paths.items()
    }
    for name, path in paths.items():
        path.write_text(texts[name])
        print(f"{name}: {counts[name]} seeds drawn")


def check_committed(*paths: Path) -> None:
    command = ["git", "status", "--porcelain", "--", *map(str, paths)]
    folder = Path(__file__).parent
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=True)
    if done.stdout:
        sys.exit(f"these files have changes, expected none; commit them first:\n{done.stdout}")


def with_drawn_seeds(text: str, number: int, again: bool = False) -> str:
    """The text of an experiment with so many new seeds; its old ones become design seeds.

    again: whether the file has to have design seeds already, which stay, and not to have none.

    >>> new = with_drawn_seeds("random: {stream: independent, seeds: [0, 1]}", 3)
    >>> new.startswith("random: {stream: independent, seeds: [")
    True
    >>> new.endswith("  design_seeds: [0, 1]}")
    True
    """
    match = SEEDS.search(text)
    if match is None or (match["design"] is not None if again else "design_seeds" in text) != again:
        sys.exit(
            "expected random.seeds of its own, in brackets, and "
            + ("design_seeds behind them" if again else "no design_seeds in the file")
        )
    lists = [match["design"], match["seeds"]] if again else [match["seeds"]]
    design = list(dict.fromkeys(int(seed) for seeds in lists for seed in seeds.split(",")))
    drawn = draw_seeds(number, design)
    comma = "," if "{" in match["before"] else ""
    start = f"random:{match['before']}"
    return "".join(
        [
            text[: match.start()],
            _wrapped(f"{start}seeds: {sorted(drawn)}{comma}"),
            "\n",
            _wrapped(f"  design_seeds: {design}"),
            text[match.end() :],
        ]
    )


def _wrapped(line: str) -> str:
    first, newline, rest = line.rpartition("\n")
    lines = textwrap.wrap(rest, LINE - 2, subsequent_indent="    ", drop_whitespace=True)
    indent = rest[: len(rest) - len(rest.lstrip())]
    return first + newline + "\n".join([indent + lines[0].lstrip(), *lines[1:]])


if __name__ == "__main__":
    main(sys.argv[1:])
