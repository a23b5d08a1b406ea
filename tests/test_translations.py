"""Translations say what their originals say, as far as code, links, names and numbers can tell."""

# ruff: noqa: RUF001
from __future__ import annotations

import os
import re
from collections import Counter
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from page_blocks import ROOT
from test_links import LINK, headings

LANGUAGES = {"ko": "한국어", "ja": "日本語", "zh": "中文"}
PAGES = sorted((ROOT / "docs").glob("??/*.md"))
each_page = pytest.mark.parametrize(
    "path", PAGES, ids=lambda path: f"{path.parent.name}-{path.stem}"
)

HAN, KANA, HANGUL = "\u4e00-\u9fff", "\u3040-\u30ff", "\uac00-\ud7a3"
LETTERS = {"ko": f"[{HANGUL}]", "ja": f"[{KANA}{HAN}]", "zh": f"[{HAN}]"}
JAPANESE = f"[{HAN}{KANA}、。（）]"
CHINESE = f"[{HAN}，。（）]"
# What each language's typography forbids: punctuation of the other width, a space too many or too
# few beside Latin letters, and, without spaces between words, lines that are broken in a paragraph.
MISPRINTS = {
    "ko": r"[，。：；！？（）、]|\S  +\S",
    "ja": rf"{JAPANESE}[,.:;!?()]|{JAPANESE} [\w`]|[\w`] {JAPANESE}|\n",
    "zh": rf"{CHINESE}[,.:;!?()]|[{HAN}][\da-zA-Z`]|[\da-zA-Z`][{HAN}]|[，。] |[{KANA}]|\n",
}
NUMBER_WORDS = {"one": 1, "two": 2, "three": 3, "four": 4, "five": 5, "six": 6, "seven": 7}
NUMBER_WORDS |= {"ten": 10, "a": 1, "an": 1, "each": 1, "once": 1, "first": 1, "both": 2}
NUMBER_WORDS |= {"half": 30}  # an hour


def original_of(path: Path) -> Path:
    """The original of a page: the page itself if it is no translation."""
    if path.parent.name not in LANGUAGES:
        return path
    return ROOT / ("README.md" if path.name == "README.md" else f"docs/{path.name}")


def language_line(path: Path) -> str:
    """The line below the title of a page, with links to the page in other languages."""
    pages = {"English": original_of(path)}
    for language, name in LANGUAGES.items():
        pages[name] = ROOT / "docs" / language / path.name
    links = {name: Path(os.path.relpath(page, path.parent)) for name, page in pages.items()}
    return " | ".join(
        name if pages[name] == path else f"[{name}]({link.as_posix()})"
        for name, link in links.items()
    )


def read(path: Path) -> str:
    """A page without the line of languages."""
    text = path.read_text("utf-8")
    line = language_line(path)
    assert text.splitlines()[2] == line
    return text.replace(f"{line}\n\n", "", 1)


def blocks(section: str) -> list[str]:
    """Headings, paragraphs, images, list items and rows of tables, without code."""
    text = re.sub(r"^```.*?^```$", "", section, flags=re.DOTALL | re.MULTILINE)
    text = re.sub(r"^\|[-|]+\|$|^(?=\||- |\d+\. )", "\n", text, flags=re.MULTILINE)
    return [block.strip() for block in re.split(r"\n\s*\n", text) if block.strip()]


def kind(block: str) -> str:
    return re.match(r"(#+ |\||- |\d+\. |!\[|)", block)[0]


def target(path: Path, link: str) -> Path:
    """The file that a link leads to."""
    return (path.parent / urlsplit(link).path).resolve() if not link.startswith("#") else path


def place(path: Path, link: str) -> tuple[str, int | None]:
    """The original of the page or file that a link leads to, and which of its headings."""
    parts = urlsplit(link)
    if parts.scheme:
        return link, None
    page = target(path, link)
    heading = headings(page).index(parts.fragment) if parts.fragment else None
    return original_of(page).relative_to(ROOT).as_posix(), heading


def links(path: Path, block: str) -> list[tuple[str, int | None]]:
    return [place(path, a or b) for a, b in LINK.findall(block)]


def code(block: str) -> Counter[str]:
    return Counter(re.findall(r"`([^`]+)`", block))


def numbers(block: str) -> Counter[str]:
    """Numbers outside of inline code and of the targets of links."""
    text = re.sub(r"`[^`]+`|\]\([^)]*\)", " ", block)
    return Counter(n.replace(",", "") for n in re.findall(r"\d+(?:[.,]\d+)*", text))


def differences(path: Path, section: str, source: str) -> list[str]:
    """Where a section of a translation does not say what that of its original says."""
    translated, meant = blocks(section), blocks(source)
    if [kind(block) for block in translated] != [kind(block) for block in meant]:
        return [f"paragraphs, list items and rows: {meant[0]}"]
    known = {
        str(NUMBER_WORDS.get(word, word)) for word in re.findall(r"[a-z]+|\d+", source.lower())
    }
    wrong = []
    for block, words in zip(translated, meant, strict=True):
        if links(path, block) != links(original_of(path), words):
            wrong.append(f"links: {block}")
        if code(words) - code(block):
            wrong.append(f"code: {block}")
        if numbers(words) - numbers(block) or numbers(block).keys() - numbers(words) - known:
            wrong.append(f"numbers: {block}")
        if not re.search(LETTERS[path.parent.name], block) and block != "# bnexp":
            wrong.append(f"not translated: {block}")
    return wrong


@pytest.fixture
def translations(script):
    return script("pages.translations")


def test_each_language_has_the_same_pages(translations):
    assert list(translations.LANGUAGES) == list(LANGUAGES)
    names = {
        language: {path.name for path in PAGES if path.parent.name == language}
        for language in LANGUAGES
    }
    assert names["ko"] == names["ja"] == names["zh"] >= {"README.md"}
    assert {path for path, _, _ in translations.pages()} == set(PAGES)


@each_page
def test_an_original_links_to_its_translations(path):
    assert original_of(path).read_text("utf-8").splitlines()[2] == language_line(original_of(path))


@each_page
def test_no_section_of_an_original_has_changed(translations, path):
    text, original = path.read_text("utf-8"), original_of(path).read_text("utf-8")
    what_to_do = "translate these sections again, then run scripts/docs.py --translated LANGUAGE"
    assert translations.outdated(text, original) == [], what_to_do


@each_page
def test_a_translation_has_the_code_of_its_original(translations, path):
    sections = translations.sections(path.read_text("utf-8"))
    originals = translations.sections(original_of(path).read_text("utf-8"))[: len(sections)]
    codes = [translations.CODE.findall(section) for section in sections]
    assert codes == [translations.CODE.findall(section) for section in originals]


@each_page
def test_a_translation_has_the_links_the_names_and_the_numbers_of_its_original(translations, path):
    sections = translations.sections(read(path))
    originals = translations.sections(read(original_of(path)))
    if len(sections) < len(originals):  # it ends with a link to the next section of the original
        sections[-1], end = sections[-1].rstrip().rsplit("\n\n", 1)
        name = original_of(path).relative_to(ROOT).as_posix()
        assert links(path, end) == [(name, len(headings(path)))]
    pairs = zip(sections, originals, strict=False)
    assert [line for pair in pairs for line in differences(path, *pair)] == []


@each_page
def test_links_of_a_translation_lead_to_translations(path):
    """Where there is one of the page, and of its section."""
    for link in (a or b for a, b in LINK.findall(read(path))):
        name, heading = place(path, link)
        translation = path.parent / Path(name).name
        if name in ("README.md", "docs/tutorial.md") and translation.is_file():
            translated = heading is None or heading < len(headings(translation))
            assert target(path, link) == translation or not translated, link


@each_page
def test_a_translation_follows_the_typography_of_its_language(path):
    for block in blocks(read(path).partition("<!--")[0]):
        text = re.sub(r"\]\([^)]*\)|\[|\*\*", "", block)
        assert not re.search(MISPRINTS[path.parent.name], text), text


SOURCE = """\
## Two runs

A run trains 1,000 networks with `lr: 0.1`: see the [gallery](docs/gallery.md).

- It takes 7 seconds.
"""
TRANSLATION = """\
## 실행 두 번

`lr: 0.1`로 신경망 1000개를 학습시킵니다. [갤러리](../gallery.md)를 보세요.

- 1회 실행에 7초가 걸립니다.
"""


@pytest.mark.parametrize(
    ("old", "new", "what"),
    [
        ("1000개", "100개", "numbers: `lr"),
        ("7초", "7초에서 8초", "numbers: - 1회"),
        ("lr: 0.1", "lr: 0.01", "code: `lr"),
        ("gallery.md", "claims.md", "links: `lr"),
        ("실행 두 번", "Two runs", "not translated: ## Two"),
        ("\n\n- 1회 실행", " 1회 실행", "paragraphs, list items and rows: ## Two runs"),
    ],
)
def test_what_a_translation_leaves_out_is_seen(old, new, what):
    path = ROOT / "docs" / "ko" / "README.md"
    assert differences(path, TRANSLATION, SOURCE) == []
    (found,) = differences(path, TRANSLATION.replace(old, new), SOURCE)
    assert found.startswith(what)


@pytest.mark.parametrize(
    ("language", "right", "wrong"),
    [
        ("ko", "학습률은 0.1입니다. `lr`을 보세요.", "학습률은 0.1입니다。 `lr`을 보세요."),
        ("ja", "学習率は0.1です。`lr`を参照。", "学習率は 0.1です。`lr`を参照。"),
        ("ja", "学習率（0.1）です。", "学習率(0.1)です。"),
        ("ja", "学習率は、0.1です。", "学習率は、\n0.1です。"),
        ("zh", "学习率为 0.1，见 `lr`。", "学习率为0.1，见 `lr`。"),
        ("zh", "学习率为 0.1，见 `lr`。", "学习率为 0.1，见`lr`。"),
        ("zh", "学习率，即步长。", "学习率,即步长。"),
    ],
)
def test_a_misprint_is_seen(language, right, wrong):
    assert not re.search(MISPRINTS[language], right)
    assert re.search(MISPRINTS[language], wrong)


def test_the_sections_that_have_changed_are_named(translations):
    original = "# A\n\none\n\n## B\n\n```sh\n# B\nls\n```\n\ntwo words\n\n## C\n\nthree\n"
    translation = translations.up_to_date("# 가\n\n하나\n\n## 나\n\n둘\n", original)
    assert translations.outdated(translation, original) == []
    for old, new, changed in [
        ("one", "1", ["A"]),
        ("two words", "two\nwords", []),  # a line break
        ("two words", "2 words", ["B"]),
        ("ls", "pwd", []),  # code, which is copied
        ("## B", "## BB", ["BB"]),
        ("three", "3", []),  # in a section that is not translated
    ]:
        assert translations.outdated(translation, original.replace(old, new)) == changed
    both = translations.outdated(translation, original.replace("o", "0"))
    assert both == ["A", "B"]
    mended = translations.up_to_date(translation, original.replace("o", "0"))
    assert translations.outdated(mended, original.replace("o", "0")) == []
    assert mended.startswith("# 가\n\n하나\n\n## 나\n\n둘\n\n<!--")


def test_code_is_copied_to_translations_and_checksums_only_on_demand(
    translations, tmp_path, monkeypatch
):
    original = tmp_path / "README.md"
    paths = {language: tmp_path / "docs" / language / "README.md" for language in ("ko", "ja")}
    for path in paths.values():
        path.parent.mkdir(parents=True)
        path.write_text("# 題\n\n```sh\nold\n```\n", encoding="utf-8")
    original.write_text("# Title\n\n```sh\n# new\n```\n")
    monkeypatch.setattr(translations, "ROOT", tmp_path)
    monkeypatch.setattr(translations, "ORIGINALS", (original,))
    for path in paths.values():
        assert translations.page(path, original) == "# 題\n\n```sh\n# new\n```\n"
    with pytest.raises(SystemExit, match="expected languages: ko, ja, zh; got: fr"):
        translations.confirm(["fr"])
    translations.confirm(["ko"])
    texts = {language: path.read_text("utf-8") for language, path in paths.items()}
    assert "Title\n-->" in texts["ko"]
    assert "Title" not in texts["ja"]
    assert translations.outdated(texts["ja"], original.read_text()) == ["Title"]
