"""The site of the documentation: no page has a warning, and all links lead somewhere."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from page_blocks import ROOT


@pytest.fixture(scope="module")
def docs_site(script):
    return script("docs_site")


@pytest.mark.slow
def test_the_site_is_built(docs_site, tmp_path):
    """With one report; the script itself checks the links."""
    pytest.importorskip("myst_parser")
    pytest.importorskip("furo")
    folder = tmp_path / "site"
    command = [sys.executable, ROOT / "scripts" / "docs_site.py", "--installed", folder]
    done = subprocess.run(
        [*command, "--reports", "quickstart"],
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == f"{folder / 'index.html'}\n"
    index = (folder / "index.html").read_text("utf-8")
    for path in [*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]:
        page = path.relative_to(ROOT).with_suffix(".html")
        assert (folder / page).is_file()
        assert f'href="{page.as_posix()}"' in index or path.name == "README.md", page
    for page, language in [("README", "en"), ("docs/tutorial", "en"), ("docs/ko/README", "ko"),
                           ("docs/ja/tutorial", "ja"), ("docs/zh/README", "zh")]:  # fmt: skip
        assert f' lang="{language}"' in (folder / f"{page}.html").read_text("utf-8")[:300], page
    gallery = (folder / "docs" / "gallery.html").read_text("utf-8")
    assert gallery.count("<img ") == len(list(ROOT.glob("results/reference/*/figures/*.png")))
    assert 'href="../reports/quickstart.html"' in gallery
    assert 'href="../reports/index.html"' in gallery
    outside = re.findall(r"<(?:script|link|img)\b[^>]*(?:src|href)=\"(https?:[^\"]*)\"", index)
    assert outside == [], "the site works offline"


def test_links_that_lead_nowhere_are_named(docs_site, tmp_path):
    (tmp_path / "docs").mkdir()
    (tmp_path / "reports").mkdir()
    (tmp_path / "reports" / "one.html").write_text('<a href="nowhere.html">not looked at</a>')
    (tmp_path / "docs" / "other page.html").write_text('<h1 id="part">Part</h1><a name="old"></a>')
    (tmp_path / "docs" / "picture.svg").write_text("<svg/>")
    good = (
        "https://example.org/none",
        "#here",
        "docs/other%20page.html#part",
        "docs/other%20page.html#old",
        "docs/picture.svg#layer",
        "reports/one.html",
    )
    bad = ("none.html", "#there", "docs/other%20page.html#no", "docs")
    links = "".join(f'<a href="{link}">x</a>' for link in (*good, *bad))
    (tmp_path / "index.html").write_text(f'<p id="here">{links}<img src="none.png"></p>')
    wrong = docs_site.broken_links(tmp_path)
    assert wrong == [f"index.html: {link}" for link in (*bad, "none.png")]


def test_a_folder_with_other_files_is_left_alone(docs_site, tmp_path):
    (tmp_path / "thesis.txt").write_text("precious")
    with pytest.raises(SystemExit, match="expected a new or empty folder, or an earlier site"):
        docs_site.build(tmp_path, ["quickstart"])
    assert (tmp_path / "thesis.txt").read_text() == "precious"


def test_every_kind_of_figure_that_is_shipped_has_an_example(script):
    examples = script("pages.config").EXAMPLES
    drawn = {
        re.sub(r"\d+$", "", path.stem) for path in ROOT.glob("results/reference/*/figures/*.png")
    }
    assert set(examples) == drawn
    page = (ROOT / "docs" / "config.md").read_text()
    for kind, name in examples.items():
        assert f"](../results/reference/{name}/figures/{kind}.png)" in page
        assert Path(ROOT, "results", "reference", name, "figures", f"{kind}.png").is_file()
