"""A figure's words: very long ones, and wide letters."""

from figure_results import NORMS, W, panels, results, words

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
