"""Fonts for letters that matplotlib's own lacks: chosen by what they have; a warning for the rest.

The fonts are built here, with a square for each of their letters, and are the only ones besides
those that come with matplotlib.
"""

from __future__ import annotations

import logging
import re
import warnings
from io import BytesIO
from pathlib import Path
from unicodedata import bidirectional

import numpy as np
import pytest
from figure_results import NORMS, W, panels, results
from fontTools.fontBuilder import FontBuilder
from fontTools.pens.ttGlyphPen import TTGlyphPen
from matplotlib import font_manager, ft2font

from bnexp.errors import BnexpWarning
from bnexp.figures import fonts
from bnexp.figures.canvas import render
from bnexp.figures.fonts import DEJAVU, fonts_for
from bnexp.runs.tables import Axis

FEW = Axis(W, (1.0, 0.01))
JAPANESE = "初期値とバッチ正規化"
SANS, SERIF, SCRIPT, UNKNOWN = (2, 11), (2, 2), (3, 0), (0, 0)
BUILT_IN = Path(font_manager.__file__).parent / "mpl-data" / "fonts"


@pytest.fixture
def install(tmp_path, monkeypatch):
    """A function that builds a font and adds it to matplotlib's list."""
    manager = font_manager.fontManager
    own = [entry for entry in manager.ttflist if BUILT_IN in Path(entry.fname).parents]
    monkeypatch.setattr(manager, "ttflist", own)
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [])
    monkeypatch.setattr(fonts, "_warned", set())

    def forget() -> None:
        fonts._families.cache_clear()
        fonts.add_new_fonts.cache_clear()
        font_manager.fontManager._findfont_cached.cache_clear()

    def add(name, letters, panose=SANS, weight=400):
        path = built_font(tmp_path / f"{name} {weight}.ttf", name, letters, panose, weight)
        manager.addfont(path)
        return path

    forget()
    yield add
    forget()


def built_font(path, name, letters, panose=SANS, weight=400):
    """A font with a square for each of the letters."""
    codes = sorted({ord(letter) for letter in letters})
    glyphs = [".notdef", *(f"u{code:X}" for code in codes)]
    pen = TTGlyphPen(None)
    for corner in ((0, 0), (0, 700), (700, 700), (700, 0)):
        pen.lineTo(corner) if pen.points else pen.moveTo(corner)
    pen.closePath()
    square = pen.glyph()
    builder = FontBuilder(1000)
    builder.setupGlyphOrder(glyphs)
    builder.setupCharacterMap({code: f"u{code:X}" for code in codes})
    builder.setupGlyf(dict.fromkeys(glyphs, square))
    builder.setupHorizontalMetrics(dict.fromkeys(glyphs, (800, 0)))
    builder.setupHorizontalHeader(ascent=800, descent=-200)
    style = "Regular" if weight == 400 else "Bold"
    builder.setupNameTable({"familyName": name, "styleName": style})
    builder.setupOS2(usWeightClass=weight)
    table = builder.font["OS/2"].panose
    table.bFamilyType, table.bSerifStyle = panose
    builder.setupPost()
    builder.save(path)
    return path


def letters_that_dejavu_lacks(number, seed):
    """Letters of any script and plane that needs no layout, drawn at random."""
    generator, letters = np.random.default_rng(seed), set()
    while len(letters) < number:
        letter = chr(generator.integers(0x250, 0x2FFFF))
        is_simple = letter.isalpha() and letter.isprintable() and bidirectional(letter) == "L"
        if is_simple and letter not in fonts.dejavu_letters():
            letters.add(letter)
    return sorted(letters)


def warned(text):
    """The families for a text, and what is warned of."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        families = fonts_for(text)
    assert {each.category for each in caught} <= {BnexpWarning}
    return families, [str(each.message) for each in caught]


def test_ordinary_text_asks_for_one_font_and_searches_none(monkeypatch):
    monkeypatch.setattr(fonts, "_families", None)
    assert fonts_for("Größe, σ² ≤ 1 — naïve…\n\u200d\ufe0f\u3000") == (DEJAVU,)


@pytest.mark.parametrize("seed", range(4))
def test_a_font_is_found_by_the_letters_that_it_has(install, seed):
    letters = letters_that_dejavu_lacks(40, seed)
    install("Aaa", letters[:20])
    install("Zzz", letters)
    assert warned("title " + "".join(letters)) == ((DEJAVU, "Zzz"), [])
    assert warned("title " + "".join(letters[:20])) == ((DEJAVU, "Aaa"), [])


@pytest.mark.parametrize("seed", range(4))
def test_several_fonts_have_the_letters_together(install, seed):
    letters = letters_that_dejavu_lacks(30, seed)
    install("Few", letters[:5])
    install("More", letters[4:15])
    install("Most", letters[10:])
    assert warned("".join(letters)) == ((DEJAVU, "Most", "More", "Few"), [])


@pytest.mark.parametrize("seed", range(4))
def test_letters_that_no_font_has_are_named_once(install, seed):
    letters = letters_that_dejavu_lacks(6, seed)
    install("Some", letters[:4])
    families, messages = warned("".join(letters))
    assert families == (DEJAVU, "Some")
    (message,) = messages
    named = ", ".join(f"{letter} (U+{ord(letter):04X})" for letter in letters[4:])
    assert f"got none with {named}: placeholders are drawn; install " in message
    assert warned("again " + "".join(letters)) == (families, [])


@pytest.mark.parametrize(
    ("text", "font"),
    [
        ("初期", "fonts-noto-cjk"),
        ("バッ", "fonts-noto-cjk"),
        ("정규", "fonts-noto-cjk"),
        ("अक", "fonts-noto-core"),
        ("ไทย", "fonts-noto-core"),
        ("🧪", "fonts-symbola"),
    ],
)
def test_the_warning_says_which_font_to_install(install, text, font):
    (message,) = warned(text)[1]
    assert re.findall(r"fonts-[\w-]+", message) == [font]


@pytest.mark.parametrize("text", ["مقارنة", "שלום", "ोा"])
def test_scripts_that_an_old_matplotlib_cannot_set_are_named(install, monkeypatch, text):
    install("Some Script", text)
    if not hasattr(ft2font, "__libraqm_version__"):
        monkeypatch.setattr(ft2font, "__libraqm_version__", "0", raising=False)
    assert warned(text)[1] == []
    monkeypatch.delattr(ft2font, "__libraqm_version__")
    (message,) = warned(text)[1]
    assert f"(U+{ord(max(text, key=ord)):04X})" in message
    assert message.endswith("matplotlib 3.11 or later sets other scripts")
    assert warned(text)[1] == []


def test_the_files_of_the_fonts_are_known_if_they_have_all_letters(install, monkeypatch):
    first, second = JAPANESE[:4], JAPANESE[4:]
    paths = [install("Few", first), install("Most", second)]
    assert fonts.font_files("Weight scale") == []
    assert fonts.font_files(f"W {first}") == [str(paths[0])]
    assert set(fonts.font_files(JAPANESE)) == set(map(str, paths))
    assert fonts.font_files(f"{JAPANESE}归") is None
    monkeypatch.delattr(ft2font, "__libraqm_version__", raising=False)
    install("Hebrew", "שלום")
    assert fonts.font_files("שלום") is None  # it would be written from the left


def test_a_long_list_of_letters_is_cut(install):
    (message,) = warned("".join(map(chr, range(0x4E00, 0x4F00))))[1]
    assert "(U+4E07) and 248 more: placeholders" in message
    assert len(message) < 400


def test_upright_regular_sans_serif_fonts_are_preferred(install):
    install("A Bold", JAPANESE, weight=700)
    install("A Script", JAPANESE, SCRIPT)
    install("A Serif", JAPANESE, SERIF)
    install("A Font", JAPANESE, UNKNOWN)
    install("B Sans", JAPANESE)
    install("C Sans", JAPANESE)
    order = []
    for _ in range(6):
        (family,) = fonts_for(JAPANESE)[1:]
        order.append(family)
        entries = font_manager.fontManager.ttflist
        entries[:] = [entry for entry in entries if entry.name != family]
    assert order == ["B Sans", "C Sans", "A Font", "A Script", "A Serif", "A Bold"]


def test_the_order_in_which_fonts_are_listed_makes_no_difference(install):
    for name in ("B", "C", "A"):
        install(name, JAPANESE)
    assert fonts_for(JAPANESE) == (DEJAVU, "A")
    fonts._families.cache_clear()
    font_manager.fontManager.ttflist.reverse()
    assert fonts_for(JAPANESE) == (DEJAVU, "A")


@pytest.mark.parametrize(
    ("text", "region"),
    [(JAPANESE, "JP"), ("批量归一化", "SC"), ("批次正規化與值", "TC"), ("배치 정규화", "KR")],
)
def test_han_letters_are_drawn_as_in_their_region(install, text, region):
    for word in ("HK", "JP", "KR", "SC", "TC"):
        install(f"Pan CJK {word}", text)
    assert fonts_for(text) == (DEJAVU, f"Pan CJK {region}")


def test_a_font_of_placeholders_is_none(install):
    install("Every Letter", f"{JAPANESE}\u0378")
    families, messages = warned(JAPANESE)
    assert families == (DEJAVU,)
    assert len(messages) == 1


def test_the_regular_file_of_a_family_counts(install):
    install("Two Files", JAPANESE, weight=700)
    install("Two Files", JAPANESE[:3])
    assert warned(JAPANESE[:3]) == ((DEJAVU, "Two Files"), [])
    assert len(warned(JAPANESE)[1]) == 1


def test_a_file_that_is_gone_or_damaged_is_passed_over(install):
    install("Gone", JAPANESE).unlink()
    install("Damaged", JAPANESE).write_bytes(b"no font")
    install("Sound", JAPANESE)
    assert warned(JAPANESE) == ((DEJAVU, "Sound"), [])


def test_fonts_that_matplotlib_has_not_listed_yet_are_found(install, tmp_path, monkeypatch):
    """Its list is made once, for all processes, and may be older than a font."""
    new = built_font(tmp_path / "new.ttf", "New", JAPANESE)
    damaged = tmp_path / "damaged.ttf"
    damaged.write_bytes(b"no font")
    monkeypatch.setattr(font_manager, "findSystemFonts", lambda: [str(new), str(damaged)])
    assert warned(JAPANESE) == ((DEJAVU, "New"), [])


@pytest.mark.parametrize(
    "data",
    [
        results((FEW, NORMS), title=JAPANESE),
        results((Axis("model.activation", ("relu", JAPANESE)),)),
    ],
    ids=["title", "value"],
)
def test_figures_are_drawn_with_the_fonts(install, data, caplog):
    install("Drawn", JAPANESE)
    with caplog.at_level(logging.WARNING):
        figure = panels(data)
        assert render(figure, "png") == render(figure, "png")
    assert figure.texts[0].get_fontfamily() == [DEJAVU, "Drawn"]
    assert caplog.messages == []
    with warnings.catch_warnings():  # without the filter of our style: no letter is missing
        warnings.simplefilter("error")
        figure.savefig(BytesIO(), format="png")


def test_letters_that_no_font_has_are_drawn_without_matplotlibs_warnings(install):
    with pytest.warns(BnexpWarning, match="figures lack letters"):
        figure = panels(results((FEW, NORMS), title=JAPANESE))
    assert figure.texts[0].get_text() == JAPANESE
    assert render(figure, "png") == render(figure, "png")
    with pytest.warns(UserWarning, match="missing from font"):  # it is there outside our style
        figure.savefig(BytesIO(), format="png")


def test_a_list_of_fonts_that_lacks_matplotlibs_own_is_mended(install):
    """As matplotlib keeps it for good if it was made when no file could be opened."""
    from bnexp.figures.style import house_style

    font_manager.fontManager.ttflist.clear()
    fonts.dejavu_letters.cache_clear()
    assert fonts_for("a title") == (DEJAVU,)
    with house_style():
        assert DEJAVU in {font.name for font in font_manager.fontManager.ttflist}
        assert font_manager.fontManager.findfont(DEJAVU).endswith("DejaVuSans.ttf")
