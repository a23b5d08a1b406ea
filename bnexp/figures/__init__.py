"""Figures from run data: `draw` one, or ask which ones an experiment gets by default.

    options      a frozen dataclass for each kind of figure, `FigureKind` (kinds), by name in the
                 registry FIGURES
    + run data   or, before training, a plan's axes and points
    -> select    which networks are shown, which swept keys are spread out, and which make the lines
                 (select.py); which steps, layers and places of what was recorded (recorded.py)
    -> series    the numbers of each line, with bands over the seeds (series.py)
    -> page      title, notes, panels and legend (page.py, notes.py), and what is on the panels
                 (limits.py, marks.py, style.py, fonts.py, labels.py)
    -> files     PNG and SVG (canvas.py)

A kind is one module of the package kinds, named after it, which reads in this order: options,
choose, draw. Nothing here imports matplotlib before a figure is drawn, and nothing ever shows a
window.

The same code decides before training and after it whether a figure can be drawn: `refusal` asks
with a plan, `draw` with tables; both call the kind's `restrict`, `shown` and `choose`, which raise
the same FigureError. What networks record is known of both (recorded.py). So a wrong figure is
reported before hours of training, not after them.

Figures of the same tables and options have the same bytes on the same versions of matplotlib and
its fonts: no date, no random ids, and no settings of the user's (style.py, page.py).
"""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from typing import TYPE_CHECKING

from bnexp.config.figures import FIGURES
from bnexp.errors import BnexpError, ConfigError
from bnexp.execution import stopping
from bnexp.figures.kinds import FigureData, FigureKind
from bnexp.figures.labels import chosen_text
from bnexp.figures.recorded import planned_sweep, recorded_of
from bnexp.figures.select import FigureError, Swept
from bnexp.runs.tables import Tables, rows

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from bnexp.figures.style import Style

__all__ = [
    "FIGURES",
    "DrawingFailed",
    "FigureData",
    "FigureError",
    "FigureKind",
    "default_figures",
    "draw",
    "drawable",
    "planned_sweep",
    "refusal",
    "render_files",
    "requested_figures",
    "thumbnail",
]


def draw(
    options: FigureKind,
    tables: Tables,
    style: str = "light",
    width: float | None = None,
    figsize: tuple[float, float] | None = None,
    ax: Axes | None = None,
) -> Figure:
    """The figure with these options, not shown and not saved.

    Raises ConfigError if the options name an axis, a metric or a quantity that the results do not
    have, or if there are more panels or lines than can be told apart.

    Arguments:
        options: an instance of a class in FIGURES, such as `FIGURES["panels"](metric="test_loss")`.
        tables: the results; networks that failed or are missing are left out and counted in a note.
        style: light, dark, slide or print. width: of the page, in inches; default: the style's.
            Letters have the same size on all pages: of narrow ones they take more.
        figsize: width and height of the page, in inches; panels are as high as that leaves room.
        ax: matplotlib's Axes to draw on, for a figure with a single panel and no color bar; the
            title is left out, and the notes are under the label of the x axis. Returns the figure
            that they belong to.
    """
    from bnexp.figures.page import stretch
    from bnexp.figures.style import page_style

    with _drawn(options, tables, page_style(style, width, figsize, ax)) as figure:
        if figsize is not None:
            stretch(figure, figsize[1])  # type: ignore[arg-type]
        return figure


@contextmanager
def _drawn(options: FigureKind, tables: Tables, style: Style) -> Iterator[Figure]:
    """The figure in this style, which is active in the block."""
    from bnexp.figures.fonts import fonts_for
    from bnexp.figures.style import house_style

    if not options.reads_probes:
        tables = replace(tables, probes=rows(tables.probes, slice(0)))
    with house_style(fonts_for(chosen_text(tables, options)), style):
        restricted = options.restrict(tables)
        recorded, shown = recorded_of(restricted), options.shown(restricted)
        selection = options.choose(shown, recorded)
        yield options.draw(FigureData(tables, shown, selection, recorded))


def start_loading(requested: Sequence[FigureKind] | None) -> None:
    """Import matplotlib and its font in a thread, if figures are requested, for those to come."""
    if requested is None or requested:
        with suppress(RuntimeError):  # no thread is to be had: whoever draws imports it
            threading.Thread(target=_load, daemon=True).start()


def _load() -> None:
    with suppress(Exception):  # whoever draws is told
        import bnexp.figures.canvas  # noqa: F401
        from bnexp.figures.fonts import dejavu_letters

        dejavu_letters()


class DrawingFailed(BnexpError):
    """A figure could not be drawn from a run's results; its text says which one, and why."""


def render_files(
    options: FigureKind,
    tables: Tables,
    formats: Sequence[str] = ("png", "svg"),
    style: str = "light",
    width: float | None = None,
) -> dict[str, bytes]:
    """The figure with these options as the bytes of a file, by format; style and width: see `draw`.

    Raises DrawingFailed whatever goes wrong, a mistake of the program included, so that one figure
    never costs the others of a run. The same figure gives the same bytes.
    """
    from bnexp.figures.canvas import render

    with _drawing(options):
        figure = draw(options, tables, style, width)
        return {name: render(figure, name) for name in formats}


THUMBNAIL_PAGE = 4.8  # inches


def thumbnail(options: FigureKind, tables: Tables, pixels: int, style: str = "light") -> bytes:
    """The figure without title and notes as a WebP of this width, a few kilobytes.

    Raises DrawingFailed as `render_files`.
    """
    from bnexp.figures.canvas import render_small
    from bnexp.figures.style import chosen_style

    page = replace(chosen_style(style, THUMBNAIL_PAGE), has_header=False)
    with _drawing(options), _drawn(options, tables, page) as figure:
        return render_small(figure, pixels)


@contextmanager
def _drawing(options: FigureKind) -> Iterator[None]:
    """Turn whatever goes wrong in the block into DrawingFailed."""
    try:
        yield
    except BnexpError as error:
        raise DrawingFailed(str(error)) from error
    except (Exception, SystemExit) as error:
        stopping.check()  # matplotlib's own errors may stand for an interruption
        if os.environ.get("BNEXP_DEBUG"):
            raise
        text = f"figure {options.kind}: {type(error).__name__}: {error}"
        raise DrawingFailed(f"{text}; BNEXP_DEBUG=1 shows where") from error


def refusal(options: FigureKind, swept: Swept) -> ConfigError | None:
    """Why the figure cannot be drawn; None if it can.

    It is `draw`'s own error. Of a plan, it is known before training: an axis that is not swept or
    not a number, more panels or lines than can be told apart, a quantity that no probe reads, a
    step, layer or place at which it is not read, or a metric of test images though none are scored.

    swept: results, or all networks of an experiment as `planned_sweep` returns them.

    The error is returned, not raised, so that all figures of an experiment can be asked about.
    """
    try:
        restricted = options.restrict(swept)
        options.choose(options.shown(restricted), recorded_of(restricted))
    except ConfigError as error:
        return error
    return None


MANY_VALUES = 5  # of a swept number: so many are drawn in panels of their own


def default_figures(swept: Swept) -> tuple[FigureKind, ...]:
    """The figures of an experiment that asks for none.

    The training curves: all in one panel for each set of images (`curves`), or with a panel for
    each value of a number with many of them (`panels`); and the final numbers against a swept
    number (`scale`). Of what can be drawn of several axes the usual one is taken, else the first.

    A figure that cannot be drawn of any axis is left out; the result may be empty.

    swept: results, or all networks of an experiment as `planned_sweep` returns them.
    """
    panels, curves, scales = (
        _on_each_axis(FIGURES[kind](), swept) for kind in ("panels", "curves", "scale")
    )
    has_many = any(axis.numeric and len(axis.values) >= MANY_VALUES for axis in swept.axes)
    choices = [[*panels, *curves] if has_many else [*curves, *panels], scales]
    possible = ([f for f in options if refusal(f, swept) is None] for options in choices)
    return tuple(options[0] for options in possible if options)


AXES = {"curves": "panel_axis", "panels": "axis", "scale": "axis"}  # options of default figures


def _on_each_axis(options: FigureKind, swept: Swept) -> list[FigureKind]:
    """The options as they are, and if they name no swept key also with each of them."""
    name = AXES.get(options.kind)
    if name is None or getattr(options, name) is not None:
        return [options]
    return [options, *(replace(options, **{name: axis.key}) for axis in swept.axes)]


def drawable(options: FigureKind, swept: Swept) -> FigureKind:
    """The options, or if they cannot be drawn, with the swept key that a run would choose.

    If no key helps, the options as they are: `draw` says why they cannot be drawn.
    """
    choices = _on_each_axis(options, swept)
    return next((each for each in choices if refusal(each, swept) is None), options)


def requested_figures(figures: Sequence[FigureKind] | None, swept: Swept) -> Sequence[FigureKind]:
    """The figures that an experiment asks for, or those of one that asks for none."""
    return default_figures(swept) if figures is None else figures
