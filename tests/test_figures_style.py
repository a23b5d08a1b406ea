"""A figure's words: very long ones, and wide letters; and its lines without colors."""

import pytest
from figure_results import NAN, NORMS, W, figure, lines, panels, results, words

from bnexp.runs.tables import Axis

FEW = Axis(W, (1.0, 0.01))
JAPANESE = "初期値とバッチ正規化"


def title(figure):
    return figure.texts[0]


def test_a_long_title_is_cut():
    figure = panels(results((FEW, NORMS), title="weights and losses " * 5000))
    lines = [text.get_text() for text in figure.texts if text.get_fontsize() == 12.5]
    drawn = " ".join(lines)
    assert drawn.startswith("weights and losses weights")
    assert drawn.endswith("…")
    assert 190 < len(drawn) <= 200


def test_a_title_of_200_letters_is_whole():
    text = ("ninety-nine " * 17)[:200].strip()
    figure = panels(results((), title=text))
    assert text in " ".join(words(figure))
    assert "…" not in " ".join(words(figure))


def test_ordinary_figures_ask_for_one_font_only():
    figure = panels(results((FEW, NORMS), title="Größe, σ² ≤ 1 — naïve…"))
    assert title(figure).get_fontfamily() == ["DejaVu Sans"]


def test_wide_letters_do_not_leave_the_page():
    text = " ".join([JAPANESE] * 12)
    lines = [one.get_text() for one in panels(results((), title=text)).texts]
    assert len(lines[0]) * 12.5 / 72 < 7.2  # such letters are as wide as high
    assert " ".join(lines).startswith(text)


NORMS_OF_SIX = Axis("model.norm", ("batch", "layer", "group", "rms", "instance", "none"))
STEPS = range(0, 400, 10)


def read(point, seed):
    one = [(t, n, "dead", NAN, 0.5) for t in STEPS for n in range(1, 41)]
    few = [(t, 0, "loss_along", at, 1 + at) for t in STEPS for at in (1.0, 4.0)]
    return one + few + [(t, 1, "percentile", at, at) for t in STEPS for at in (5, 25, 50, 75, 95)]


OF_MANY_LINES = {
    "curves": {"metrics": ["train_loss"]},
    "panels": {"axis": W},
    "scale": {"axis": W},
    "depth": {"quantity": "dead", "panel_axis": W},
    "landscape": {"panel_axis": W},
    "percentiles": {},
}


@pytest.mark.parametrize("kind", OF_MANY_LINES)
def test_without_colors_lines_differ_by_dash_and_marker_and_so_do_their_names(kind):
    times = tuple((float(number), 10 * number) for number in range(40))
    axes = (FEW, NORMS_OF_SIX) if kind != "percentiles" else (NORMS,)
    drawn = figure(results(axes, times=times, read=read), kind, **OF_MANY_LINES[kind])
    looks = {}
    for panel in drawn.axes:
        for name, line in lines(panel).items():
            looks.setdefault(name, set()).add(gray_look(line))
    names = {line.get_label(): gray_look(line) for line in drawn.legends[0].get_lines()}
    assert {name: {look} for name, look in names.items()} == looks
    assert len(set(names.values())) == len(names) >= 5
    assert all(marker not in ("", "None") for _, marker in names.values())


def gray_look(line):
    """What is left of a line's look in gray print."""
    return str(line._unscaled_dash_pattern), line.get_marker()


@pytest.mark.parametrize("kind", ["curves", "depth", "landscape", "percentiles"])
def test_markers_of_lines_that_lie_on_each_other_do_not_hide_one_another(kind):
    times = tuple((float(number), 10 * number) for number in range(40))
    axes = (NORMS,) if kind == "percentiles" else (NORMS_OF_SIX,)
    options = {"metrics": ["train_loss"]} if kind == "curves" else {}
    options = {"quantity": "dead"} if kind == "depth" else options
    panel = figure(results(axes, times=times, read=read), kind, **options).axes[0]
    places = [line.get_markevery() for line in lines(panel).values()]
    starts, every = {start for start, _ in places}, {every for _, every in places}
    assert len(starts) == min(len(places), *every)
    assert min(every) > 1
