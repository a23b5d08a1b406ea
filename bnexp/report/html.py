"""From a run to the text of its page."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shlex
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from bnexp import figures, report
from bnexp.claims import judge_run
from bnexp.comparison.differences import Difference, config_differences, differences
from bnexp.config import Config, load_config, shipped
from bnexp.config.load import resolved
from bnexp.figures.page import render
from bnexp.files import write_file
from bnexp.report import sections
from bnexp.report.explorer import explorer
from bnexp.report.sections import both_points, paired_claims
from bnexp.runs import RunDirectory
from bnexp.runs.data import RunData, read_finished_run
from bnexp.runs.manifest import facts
from bnexp.runs.summary import diverged
from bnexp.text import counted, json_value, templates

# What describes an experiment or draws it; a difference there changes no number.
WORDS = ("name", "title", "description", "source", "seconds", "claims", "figures", "extends")
RUN_FACTS = ("started", "seconds", "jobs", "trained")


def changes(base: Config | None, config: Config) -> Sequence[Difference]:
    """The keys that differ from another experiment, those that only describe it apart."""
    if base is None:
        return ()
    found = config_differences(base, config)
    return tuple(one for one in found if one.key.partition(".")[0] not in WORDS)


def environment(manifest: Mapping[str, Any]) -> Mapping[str, str]:
    """What the numbers were made with, as dotted keys; times are those of the training."""
    made = {key: str(manifest[key]) for key in RUN_FACTS if key in manifest}
    return {**made, **facts(manifest)}


def command(manifest: Mapping[str, Any]) -> str:
    """The command that made the run, as a shell reads it; empty if it is not known."""
    words = manifest.get("command")
    return shlex.join(map(str, words)) if isinstance(words, list) else ""


def surroundings(first: Mapping[str, Any], second: Mapping[str, Any]) -> Sequence[Difference]:
    """What two runs were made with that is not the same."""
    return differences(facts(first), facts(second))


# What could end the element, or a line of JavaScript, is written as JSON writes any letter.
_ESCAPES = {ord(letter): f"\\u{ord(letter):04x}" for letter in "<>&\u2028\u2029"}


def embedded(data: Any) -> Markup:
    """Data as JSON that no page can mistake for markup; NaN is null, infinities are texts."""
    text = json.dumps(json_value(data), allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.translate(_ESCAPES))


def policy(styles: Iterable[str], scripts: Iterable[str]) -> str:
    """The Content-Security-Policy that allows these texts, and pictures within the page, only."""
    return "; ".join(
        [
            "default-src 'none'",
            f"style-src {' '.join(map(_source, styles))}",
            f"script-src {' '.join(map(_source, scripts))}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


# Glyphs are drawn in units of 1/64 of a letter's height or less, everything else in points.
DECIMALS = 2
_LEFT_OUT = re.compile(
    r"<\?xml.*?\?>|<!DOCTYPE.*?>|<!--.*?-->|<metadata>.*?</metadata>|<style.*?</style>", re.DOTALL
)
_STYLE = re.compile(r'\sstyle="([^"]*)"')
_GEOMETRY = re.compile(r'\b(d|x|y|width|height|points)="([^"]*)"')
_LONG = re.compile(r"-?\d+\.\d{3,}")
_ID = re.compile(r'\sid="([^"]*)"')
_REFERENCE = re.compile(r'(href="#|url\(#)([^")]*)')


def inline(svg: str, prefix: str) -> str:
    """An SVG file as an element of an HTML page; its ids start with `prefix`.

    Styles become attributes, so that the page can forbid styles that are not its own.
    """
    text = _LEFT_OUT.sub("", svg)
    text = re.sub(r'\sxmlns(:\w+)?="[^"]*"|\sversion="[^"]*"', "", text)
    text = text.replace("xlink:href=", "href=")
    text = _STYLE.sub(lambda found: _attributes(found[1]), text)
    text = _GEOMETRY.sub(lambda found: f'{found[1]}="{_rounded(found[2])}"', text)
    used = {found[1] for found in _REFERENCE.findall(text)}
    text = _ID.sub(lambda found: f' id="{prefix}{found[1]}"' if found[1] in used else "", text)
    text = _REFERENCE.sub(rf"\g<1>{prefix}\g<2>", text)
    return re.sub(r">\s+<", "><", text).strip()


def _attributes(style: str) -> str:
    """'fill: none; stroke: #fff' as attributes of the same meaning."""
    pairs = (part.partition(":") for part in style.split(";") if part.strip())
    return "".join(f' {name.strip()}="{value.strip()}"' for name, _, value in pairs)


def _rounded(numbers: str) -> str:
    """The same numbers, to a hundredth; white space made one space."""
    short = _LONG.sub(
        lambda found: f"{float(found[0]):.{DECIMALS}f}".rstrip("0").rstrip("."), numbers
    )
    return " ".join(short.split())


def write_report(
    directory: str | Path, out: str | Path | None = None, other: str | Path | None = None
) -> Path:
    """Write the page of a run directory, report.html in it unless `out` says otherwise.

    With `other`, another run directory, the page sets the two side by side. Returns where it is.
    Raises ConfigError, StoreError or BnexpError where there is nothing to say.
    """
    if other is not None:
        return write_sides(Path(directory), Path(other), None if out is None else Path(out))
    store = RunDirectory(Path(directory))
    text = report.page(read_finished_run(store.path))
    return _written(store, "report.html", text, None if out is None else Path(out))


def write_sides(first: Path, second: Path, out: Path | None = None) -> Path:
    """Write the page that sets two runs side by side, by default into the first one."""
    store = RunDirectory(first)
    text = report.sides(read_finished_run(first), read_finished_run(second))
    return _written(store, f"report-{second.resolve().name}.html", text, out)


def _written(store: RunDirectory, name: str, text: str, out: Path | None) -> Path:
    if out is not None:
        write_file(out, text.encode())
        return out
    with store.writing():
        return store.write(name, text)


def parent_experiment(run: RunData) -> Config | None:
    """The shipped experiment that the run's experiment extends, None if there is none."""
    own = _shipped(run.config.name)
    extends = own.document.extends if own else ""
    return _shipped((run.manifest or {}).get("extends", extends))


def _shipped(name: object) -> Config | None:
    """The shipped experiment of that name, None if there is none."""
    return load_config(str(name)) if name in shipped.experiment_names() else None


TEMPLATES = Path(__file__).parent / "templates"
SCRIPTS = ("plot.js", "explorer.js", "tables.js")


def page(run: RunData) -> str:
    """One run: question, figures, explorer, claims, every network, setting and repetition."""
    manifest = run.manifest or {}
    own, parent = _shipped(run.config.name), parent_experiment(run)
    return _whole(
        "report.html",
        title=run.tables.title,
        drawn=_figures(run),
        explorer=explorer(run.tables),
        claims=sections.claims(judge_run(run)),
        networks=sections.networks(run),
        diverged=list(diverged(run.tables)),
        failed=list(sections.failed(run)),
        missing=list(sections.missing(run)),
        parent=parent,
        changed=changes(parent, run.config),
        shipped=own,
        overridden=changes(own, run.config),
        config=resolved(run.config),
        environment=environment(manifest),
        command=command(manifest),
        run=run,
    )


def sides(first: RunData, second: RunData) -> str:
    """Two runs side by side: settings, claims and final accuracies, with their differences."""
    both = (first, second)
    return _whole(
        "sides.html",
        title=" | ".join(run.tables.title for run in both),
        both=both,
        drawn=list(zip_longest(_figures(first, "a-"), _figures(second, "b-"))),
        changed=changes(first.config, second.config),
        surroundings=surroundings(first.manifest or {}, second.manifest or {}),
        claims=paired_claims(judge_run(first), judge_run(second)),
        points=both_points(first, second),
    )


def _figures(run: RunData, prefix: str = "") -> list[tuple[str, Markup]]:
    """Kind and drawing of each figure that the experiment asks for; `prefix` is of the ids."""
    if not len(run.tables.metrics["cell"]):
        return []
    wanted = figures.wanted(run.config.experiment.figures, run.tables)
    drawn: list[tuple[str, Markup]] = []
    for i, options in enumerate(wanted, 1):
        text = render(figures.draw(options, run.tables), "svg").decode()
        # Letters are drawn as paths: nothing of the experiment's text is in it.
        drawn.append((options.kind, Markup(inline(text, f"{prefix}figure{i}-"))))
    return drawn


def _whole(template: str, **values: Any) -> str:
    style = (TEMPLATES / "style.css").read_text(encoding="utf-8")
    script = "\n".join((TEMPLATES / name).read_text(encoding="utf-8") for name in SCRIPTS)
    return (
        _environment()
        .get_template(template)
        .render(
            policy=policy([style], [script]),
            style=Markup(style),
            script=Markup(script),
            **values,
        )
    )


@cache
def _environment() -> jinja2.Environment:
    made = templates(TEMPLATES)
    made.filters |= {"embedded": embedded, "number": sections.number, "place": sections.place}
    made.globals["counted"] = counted
    return made
