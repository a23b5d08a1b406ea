"""Every link between the pages of the repository leads somewhere, to the heading that it names."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest

ROOT = Path(__file__).parents[1]
PAGES = sorted(
    [
        *ROOT.glob("*.md"),
        *(ROOT / "docs").rglob("*.md"),
        *(ROOT / "results/reference").rglob("*.md"),
    ]
)
LINK = re.compile(r"\]\(<?([^()\s>]+)>?(?: \"[^\"]*\")?\)|(?:href|src)=\"([^\"]+)\"")


def prose(path: Path) -> str:
    """The page without its code, whose brackets are no links."""
    text = re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    return re.sub(r"(?<!\[)`[^`\n]*`(?!\])", "", text)


def headings(path: Path) -> list[str]:
    """The headings' names as GitHub makes them, in order: a repeated one gets a number."""
    text = re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.DOTALL | re.MULTILINE)
    seen: Counter[str] = Counter()
    names = []
    for heading in re.findall(r"^#{1,6} (.+?)\s*#*$", text, re.MULTILINE):
        shown = re.sub(r"\[([^\]]*)\]\([^)]*\)", r"\1", heading)
        name = re.sub(r"[^\w\- ]", "", shown.lower()).replace(" ", "-")
        names.append(f"{name}-{seen[name]}" if seen[name] else name)
        seen[name] += 1
    return names


def anchors(path: Path) -> set[str]:
    """What a link to a place on the page can name."""
    return {*headings(path), *re.findall(r"<a (?:id|name)=\"([^\"]+)\"", prose(path))}


def broken(path: Path) -> list[str]:
    """Links to files of the repository that are not there, or to headings that they have not."""
    wrong = []
    for link in (a or b for a, b in LINK.findall(prose(path))):
        parts = urlsplit(link)
        if parts.scheme or parts.netloc:
            continue
        target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
        if not target.exists() or not target.is_relative_to(ROOT):
            wrong.append(f"{link}: no such file")
        elif parts.fragment and (target.suffix != ".md" or parts.fragment not in anchors(target)):
            wrong.append(f"{link}: no such heading")
    return wrong


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path):
    assert broken(path) == []


def test_a_broken_link_is_seen(tmp_path, monkeypatch):
    monkeypatch.setattr("test_links.ROOT", tmp_path)
    page, other = tmp_path / "page.md", tmp_path / "other.md"
    other.write_text(
        "# A title, `code` and more\n\n## Twice\n\n## Twice\n\n```\n# no heading\n```\n"
    )
    good = "other.md other.md#a-title-code-and-more other.md#twice-1 #here https://example.org/x"
    bad = "none.md other.md#no-heading other.md#twice-2 #there ../outside.md"
    links = [f"[{i}]({link})" for i, link in enumerate(f"{good} {bad}".split())]
    page.write_text("# Here\n\n" + "\n".join(links) + "\n\n```\n[in code](nowhere.md)\n```\n")
    assert [line.split(": ")[0] for line in broken(page)] == bad.split()


def leads_to(path: Path) -> set[Path]:
    """The pages that a page links to."""
    links = [urlsplit(a or b) for a, b in LINK.findall(prose(path))]
    targets = {(path.parent / link.path).resolve() for link in links if not link.scheme}
    return {target for target in targets if target in PAGES}


def test_every_page_can_be_reached_from_the_readme():
    reached, ahead = set(), {ROOT / "README.md"}
    while ahead:
        reached |= ahead
        ahead = {page for path in ahead for page in leads_to(path)} - reached
    assert set(PAGES) - reached == set()
