"""A figure's words: very long ones, and letters that matplotlib's own font lacks."""

import logging
from io import BytesIO

import pytest
from figure_results import NORMS, W, panels, results, words

from bnexp.figures import style
from bnexp.figures.canvas import render
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


@pytest.mark.parametrize(
    "data",
    [
        results((FEW, NORMS), title=JAPANESE),
        results((Axis("model.activation", ("relu", "活性化")),)),
    ],
    ids=["title", "value"],
)
def test_installed_fonts_stand_behind_for_letters_that_it_lacks(data, monkeypatch, caplog):
    monkeypatch.setattr(style, "FALLBACK_FONTS", ("No Such Font", "STIXGeneral", "cmr10"))
    with caplog.at_level(logging.WARNING):
        figure = panels(data)
        render(figure, "png")
    assert title(figure).get_fontfamily() == ["DejaVu Sans", "STIXGeneral", "cmr10"]
    assert caplog.messages == []


def test_letters_that_no_font_has_are_drawn_without_a_warning(monkeypatch):
    monkeypatch.setattr(style, "FALLBACK_FONTS", ())
    figure = panels(results((FEW, NORMS), title=JAPANESE))
    assert title(figure).get_text() == JAPANESE
    assert render(figure, "png") == render(figure, "png")
    with pytest.warns(UserWarning, match="missing from font"):  # it is there outside our style
        figure.savefig(BytesIO(), format="png")


def test_wide_letters_do_not_leave_the_page():
    text = " ".join([JAPANESE] * 12)
    lines = [one.get_text() for one in panels(results((), title=text)).texts]
    assert len(lines[0]) * 12.5 / 72 < 7.2  # such letters are as wide as high
    assert " ".join(lines).startswith(text)


def test_a_list_of_fonts_that_lacks_its_own_is_mended(monkeypatch):
    """As matplotlib keeps it for good if it was made when no file could be opened."""
    from matplotlib.font_manager import fontManager

    monkeypatch.setattr(fontManager, "ttflist", [])
    style._dejavu_letters.cache_clear()
    assert style.fonts_for("a title") == (style.DEJAVU,)
    with style.house_style():
        assert {font.name for font in fontManager.ttflist} >= {style.DEJAVU}
        assert fontManager.findfont(style.DEJAVU).endswith("DejaVuSans.ttf")
