"""From a run to the text of its page."""

from __future__ import annotations

from functools import cache
from itertools import zip_longest
from pathlib import Path
from typing import Any

import jinja2
from markupsafe import Markup

from bnexp import figures
from bnexp.config.writing import resolved
from bnexp.figures.files import render
from bnexp.report import rows, settings
from bnexp.report.embedding import embedded, policy
from bnexp.report.explorer import explorer
from bnexp.report.pairs import both_points, paired_claims
from bnexp.report.run import Run
from bnexp.report.svg import inline
from bnexp.tables.overview import diverged
from bnexp.templates import templates
from bnexp.wording import counted

TEMPLATES = Path(__file__).parent / "templates"
SCRIPTS = ("plot.js", "explorer.js", "tables.js")


def page(run: Run) -> str:
    """One run: question, figures, explorer, claims, every network, setting and repetition."""
    return _whole(
        "report.html",
        title=run.tables.title,
        drawn=_figures(run),
        explorer=explorer(run.tables),
        claims=rows.claims(run.verdicts),
        networks=rows.networks(run),
        diverged=list(diverged(run.tables)),
        failed=list(rows.failed(run)),
        missing=list(rows.missing(run)),
        changed=settings.changes(run.parent, run.config),
        overridden=settings.changes(run.shipped, run.config),
        config=resolved(run.config),
        environment=settings.environment(run.manifest),
        command=settings.command(run.manifest),
        run=run,
    )


def sides(first: Run, second: Run) -> str:
    """Two runs side by side: settings, claims and final accuracies, with their differences."""
    both = (first, second)
    return _whole(
        "sides.html",
        title=" | ".join(run.tables.title for run in both),
        both=both,
        drawn=list(zip_longest(_figures(first, "a-"), _figures(second, "b-"))),
        changed=settings.changes(first.config, second.config),
        surroundings=settings.surroundings(first.manifest, second.manifest),
        claims=paired_claims(first, second),
        points=both_points(first, second),
    )


def _figures(run: Run, prefix: str = "") -> list[tuple[str, Markup]]:
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
    made.filters |= {"embedded": embedded, "number": rows.number, "place": rows.place}
    made.globals["counted"] = counted
    return made
