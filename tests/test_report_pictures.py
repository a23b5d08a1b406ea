"""Figures on a page: colors for light and dark paper, and drawings for screens and phones."""

from __future__ import annotations

import re

import pytest
from figure_results import NORMS, W, results
from report_cases import LEAST, Page, run, whole

from bnexp import report
from bnexp.config.figures import figure_options
from bnexp.figures.captions import CAPTIONS
from bnexp.report.pictures import dark_color, paper_style, pictures_of, recolored
from bnexp.runs.tables import Axis

SCALES = Axis(W, (0.1, 0.01))
RATES = Axis("train.optimizer.lr", (0.1, 0.01))


def test_every_color_of_a_style_has_one_on_dark_paper():
    assert [dark_color(c) for c in ("000000", "ffffff", "e6e6e6", "595959")] == [
        "#ebebeb",
        "#121212",
        "#404040",  # of the grid, as the style dark has it
        "#a6a6a6",
    ]
    assert dark_color("d55e00") == "#ff8c42"
    assert dark_color("d55e01") is None


def test_lines_are_drawn_once_for_both_papers_and_twice_for_both_widths():
    (picture,) = pictures_of([figure_options("scale")], results((SCALES, NORMS)))
    (broad, wide), (narrow, small) = picture.drawings
    assert (broad, narrow) == ("broad", "narrow")
    widths = [float(re.search(r'viewBox="0 0 ([\d.]+)', svg)[1]) / 72 for svg in (wide, small)]
    assert widths == pytest.approx([7.2, 4.2])
    assert "var(--ink-0072b2)" in wide
    assert re.findall(r'(?:fill|stroke)="#', wide + small) == []


def test_a_map_is_drawn_for_each_paper():
    (picture,) = pictures_of([figure_options("heatmap")], results((SCALES, RATES)))
    assert [classes for classes, _ in picture.drawings] == [
        "broad light",
        "broad dark",
        "narrow light",
        "narrow dark",
    ]
    light, dark = (svg for _, svg in picture.drawings[:2])
    assert 'fill="#ffffff"' in light
    assert 'fill="#121212"' in dark


def test_the_style_states_every_color_that_is_used():
    pictures = pictures_of([figure_options("scale")], results((SCALES, NORMS)))
    style = paper_style(pictures)
    used = set(re.findall(r"var\((--ink-\w+)\)", "".join(svg for _, svg in pictures[0].drawings)))
    assert len(used) > 4
    light, dark = style.split("@media")
    for name in used:
        assert f"{name}: #{name[-6:]};" in light
        assert f"{name}: {dark_color(name[-6:])};" in dark


def test_a_picture_of_another_size_keeps_its_colors():
    assert recolored('<g fill="#fff0f0"/>') == ('<g fill="#fff0f0"/>', True)
    assert recolored("<image/>") == ("<image/>", True)


@pytest.mark.slow
def test_captions_and_failures_are_on_the_page():
    page = Page(whole())
    assert [text.partition(" Download")[0] for text in page.text("figcaption")] == [
        f"{kind}. {CAPTIONS[kind]}" for kind in ("curves", "scale")
    ]
    (failed,) = pictures_of([figure_options("heatmap")], run(LEAST).tables)
    assert failed.drawings == ()
    assert "heatmap" in failed.failure
    assert "var(--ink-" in report.run_page(run(LEAST))
