"""How Sphinx makes a site of the documentation; `python3 scripts/docs_site.py` runs it.

The pages are Markdown as GitHub shows it, and link to each other and to pictures as files of the
repository do, so the source folder is the repository. What is added to their text here: the
sidebar, in the order of the list in docs/README.md, and links to the reports of experiments.
"""

import os
import posixpath
import re
import sys
from functools import partial
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

import bnexp  # noqa: E402

project, version, author = "bnexp", bnexp.__version__, "The bnexp developers"
project_copyright = author
extensions = ["myst_parser"]
root_doc = "README"
include_patterns = ["*.md", "docs/*.md", "docs/??/*.md", "results/reference/README.md"]
exclude_patterns = [".*", "bnexp", "build", "configs", "scripts", "tests", "results/reference/*/*"]
myst_heading_anchors = 6  # every heading can be linked to, as on GitHub
suppress_warnings = ["myst.header"]  # a key of a key of a list is two levels deeper
html_theme = "furo"
html_title = f"bnexp {version}"
html_copy_source = html_show_sphinx = False
html_static_path = html_css_files = ["site.css"]

# The experiments that have a report in the site's folder reports/.
REPORTS = frozenset(os.environ.get("BNEXP_DOCS_REPORTS", "").split())
RESULTS = ROOT / "results" / "reference"
LINK = re.compile(r"(?<!!)\[([^]]+)\]\(([^)\s#]+)\)")
TITLES = {
    "CONTRIBUTING": "Contributing in short <CONTRIBUTING>",  # docs/contributing.md is long
    "docs/ko/README": "한국어 <docs/ko/README>",
    "docs/ja/README": "日本語 <docs/ja/README>",
    "docs/zh/README": "中文 <docs/zh/README>",
}
ROW = re.compile(r"^\| \[[^]]+\]\(([^)]+)\.md\)", re.MULTILINE)


def edit(app, page, content):
    """Called by Sphinx with a page's text, as a list of one string, before it is parsed."""
    content[0] = LINK.sub(partial(linked, page), content[0])
    if page == "docs/gallery" and REPORTS:
        heading = "## All experiments\n"
        index = 'The <a href="../reports/index.html">index of their reports</a> can be searched.'
        content[0] = content[0].replace(heading, f"{heading}\n{index}\n", 1)
    if page == root_doc:
        listed = ROW.findall((ROOT / "docs" / "README.md").read_text(encoding="utf-8"))
        pages = ["docs/README", *(posixpath.normpath(f"docs/{row}") for row in listed)]
        pages += sorted(app.env.found_docs - {*pages, root_doc})
        lines = "\n".join(TITLES.get(page, page) for page in pages)
        content[0] += f"\n```{{toctree}}\n:hidden:\n\n{lines}\n```\n"


def linked(page, link):
    """A link to the folder of a result as one to its report, or else to its part of the gallery."""
    folder = posixpath.dirname(page)
    target = ROOT / folder / link[2]
    if target.resolve().parent != RESULTS or not target.is_dir():
        return link[0]
    name = target.name
    if name not in REPORTS:
        return f"[{link[1]}]({posixpath.relpath('docs/gallery.md', folder or '.')}#{name})"
    address = posixpath.relpath(f"reports/{name}.html", folder or ".")
    return f'<a href="{address}">{link[1]}</a>'  # a file that Sphinx does not know of


def set_language(app, page, template, context, doctree):
    """Called by Sphinx before it writes a page: a translation states its language, docs/ko/..."""
    folder = posixpath.dirname(page)
    if re.fullmatch("docs/..", folder):
        context["language"] = posixpath.basename(folder)


def setup(app):
    app.connect("source-read", edit)
    app.connect("html-page-context", set_language)
