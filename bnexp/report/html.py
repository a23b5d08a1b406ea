"""Pages from runs: what the templates are given, and what makes a page safe to open.

A page holds its style, scripts, figures and data itself. Its Content-Security-Policy allows these
and nothing else, so that no text of an experiment can run or load anything. That is why figures are
embedded as elements without style attributes (`pictures`), and data as JSON that cannot be mistaken
for markup (`embed_json`).
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import shlex
from collections.abc import Iterable, Sequence
from itertools import zip_longest
from pathlib import Path
from typing import Any

from markupsafe import Markup

from bnexp.claims import HEADINGS, VERDICT_TEXTS, by_kind, counts_text, judge_run, remarks
from bnexp.comparison.comparison import config_differences
from bnexp.comparison.match import Difference, key_differences
from bnexp.config import Config, document, load_config
from bnexp.config.load import resolved
from bnexp.figures import default_figures
from bnexp.files import short_name, write_file
from bnexp.report.explorer import explorer_data
from bnexp.report.overlay import overlay
from bnexp.report.pictures import Picture, draw_pictures, paper_style, pictures_of
from bnexp.report.sections import (
    compare_accuracies,
    compared_text,
    failed_lines,
    missing_lines,
    network_table,
    number_text,
    pair_verdicts,
)
from bnexp.report.sentences import findings
from bnexp.runs import RunDirectory
from bnexp.runs.data import RunData, read_finished_run
from bnexp.runs.manifest import manifest_facts
from bnexp.runs.references import find_run
from bnexp.runs.tables import axis_texts
from bnexp.summary import describe_diverged
from bnexp.text import counted, integers, json_value, templates

TEMPLATES = Path(__file__).parent / "templates"
SCRIPTS = ("plot.js", "explorer.js", "tables.js", "downloads.js", "site.js")
# Keys that describe an experiment or draw it: a difference there changes no number.
DESCRIPTIVE_KEYS = {
    "name", "title", "description", "source", "references", "tags", "seconds", "claims", "figures",
    "extends",
}  # fmt: skip
SHOWN_FINDINGS = 8  # of each of the two lists; the others are shown on demand
MAX_NAME = 200  # bytes of a folder's name that are part of a page's name: systems allow 255
RUN_FACTS = ("started", "seconds", "jobs", "trained")


def write_report(
    directory: str | Path, out: str | Path | None = None, other: str | Path | None = None
) -> Path:
    """Write the page of a run directory, report.html in it unless `out` says otherwise.

    With `other`, another run directory, the page sets the two side by side. Either may be the name
    of a shipped experiment, whose page goes to results/NAME-shipped. Returns where it is. Raises
    ConfigError, StoreError or BnexpError where there is nothing to say.
    """
    place = find_run(directory)
    store, run = RunDirectory(place.output), read_finished_run(place.directory)
    if other is None:
        name, text = "report.html", run_page(run)
    else:
        second = find_run(other).directory
        name = os.path.basename(os.path.realpath(second))
        if len(os.fsencode(name)) > MAX_NAME:
            name = short_name(name)
        name = f"report-{name}.html"
        folders = (os.path.basename(os.path.realpath(f)) for f in (place.directory, second))
        text = pair_page(run, read_finished_run(second), run_names(*folders))
    if out is not None:
        path = Path(os.path.expanduser(out))
        write_file(path, text.encode())
        return path
    with store.writing():
        return store.write(name, text)


def run_page(run: RunData, home: str = "") -> str:
    """The page of one run: figures, explorer, claims, networks, settings, and how to repeat it.

    home: the page that lists all runs of a site, to which this one links; empty if there is none.

    Settings are compared with the shipped experiment of the same name and with the one that the
    experiment extends, so that a reader sees what was changed.
    """
    manifest = run.manifest or {}
    shipped_experiment, parent = _load_shipped(run.config.name), parent_experiment(run)
    words = manifest.get("command")
    pictures, verdicts = draw_pictures(run), judge_run(run)
    return render_page(
        "report.html",
        pictures,
        title=run.tables.title,
        name=run.config.name,
        run=run,
        home=home,
        shown_findings=SHOWN_FINDINGS,
        figures=pictures,
        explorer=explorer_data(run.tables),
        findings=findings(run, verdicts),
        claims=by_kind(verdicts),
        headings=HEADINGS,
        random=run.config.experiment.random,
        texts=axis_texts(run.axes),
        networks=network_table(run),
        diverged=list(describe_diverged(run.tables)),
        number_diverged=int((run.summary["status"] == "diverged").sum()),
        failed=list(failed_lines(run)),
        missing=list(missing_lines(run)),
        shipped=shipped_experiment,
        overridden=_effective_differences(shipped_experiment, run.config),
        parent=parent,
        changed=_effective_differences(parent, run.config),
        config=resolved(run.config),
        environment={
            **{key: str(manifest[key]) for key in RUN_FACTS if key in manifest},
            **manifest_facts(manifest),
        },
        command=shlex.join(map(str, words)) if isinstance(words, list) else "",
    )


def run_names(first: str, second: str) -> tuple[str, str]:
    """The names of two runs, with letters if they are the same."""
    return (first, second) if first != second else (f"{first} (A)", f"{second} (B)")


def pair_page(first: RunData, second: RunData, names: tuple[str, str] | None = None) -> str:
    """The page of two runs: on the same axes, then side by side, with settings, claims, accuracies.

    The two need not be of the same experiment: what only one of them has is shown on its side.

    names: of the runs in legends; default: those of their experiments.
    """
    names = names or run_names(first.config.name, second.config.name)
    both = overlay(first, second, names)
    together = pictures_of(default_figures(both), both, "ab-") if len(both.metrics["cell"]) else []
    left, right = draw_pictures(first, "a-"), draw_pictures(second, "b-")
    return render_page(
        "sides.html",
        [*together, *left, *right],
        together=together,
        explorer=explorer_data(both),
        names=names,
        name=f"{first.config.name}-{second.config.name}",
        title=" | ".join(run.tables.title for run in (first, second)),
        runs=(first, second),
        figures=list(zip_longest(left, right)),
        changed=_effective_differences(first.config, second.config),
        surroundings=key_differences(*(manifest_facts(r.manifest or {}) for r in (first, second))),
        claims=pair_verdicts(judge_run(first), judge_run(second)),
        points=compare_accuracies(first, second),
    )


def parent_experiment(run: RunData) -> Config | None:
    """The shipped experiment that the run's experiment extends, None if there is none."""
    experiment = _load_shipped(run.config.name)
    extends = experiment.document.extends if experiment else ""
    return _load_shipped((run.manifest or {}).get("extends", extends))


def _load_shipped(name: object) -> Config | None:
    """The shipped experiment of that name, None if there is none."""
    return load_config(str(name)) if name in document.experiment_names() else None


def _effective_differences(base: Config | None, config: Config) -> Sequence[Difference]:
    """The keys whose values differ from another experiment's, if they can change a number."""
    differences = config_differences(base, config) if base else ()
    return [d for d in differences if d.key.partition(".")[0] not in DESCRIPTIVE_KEYS]


def render_page(template: str, pictures: Iterable[Picture], **values: Any) -> str:
    """The page that a template makes of the values, with its style, scripts and policy.

    pictures: all that are on the page, whose colors the style states.

    The Content-Security-Policy allows these two texts, by their SHA-256 as of Level 2, and pictures
    within the page, only.
    """
    style = (TEMPLATES / "style.css").read_text(encoding="utf-8") + paper_style(pictures)
    script = "\n".join((TEMPLATES / name).read_text(encoding="utf-8") for name in SCRIPTS)
    sources = [
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
        for text in (style, script)
    ]
    policy = (
        f"default-src 'none'; style-src {sources[0]}; script-src {sources[1]}; "
        "img-src data:; base-uri 'none'; form-action 'none'"
    )
    values |= {"style": Markup(style), "script": Markup(script), "policy": policy}
    environment = templates(TEMPLATES)
    environment.filters |= {"embedded": embed_json, "number": number_text, "integers": integers}
    environment.globals |= {
        "counted": counted,
        "compared_text": compared_text,
        "readable": VERDICT_TEXTS,
        "remarks": remarks,
        "counts": lambda verdicts: counts_text(verdict.verdict for verdict in verdicts),
    }
    return environment.get_template(template).render(**values)


# What could end the element, or a line of JavaScript, as the escape sequence of its code.
_ESCAPES = {ord(letter): f"\\u{ord(letter):04x}" for letter in "<>&\u2028\u2029"}


def embed_json(data: Any) -> Markup:
    """Data as JSON that no page can mistake for markup; NaN is null, infinities are texts.

    >>> print(embed_json({"label": "</script>", "loss": float("nan")}))
    {"label":"\\u003c/script\\u003e","loss":null}
    """
    plain = json_value(data)
    text = json.dumps(plain, allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    if not text.isprintable():
        text = json.dumps(plain, allow_nan=False, separators=(",", ":"))
    return Markup(text.translate(_ESCAPES))
