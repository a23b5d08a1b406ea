#!/usr/bin/env python3
"""Build the documentation as a site for the browser: the pages, and a report of each experiment.

    python3 scripts/docs_site.py [FOLDER]                  default: build/docs; open its index.html
    python3 scripts/docs_site.py FOLDER --reports NAME...  with the reports of these only

On Windows: py scripts/docs_site.py. It works offline and on any web server, in any folder. Sets up
.venv first, which needs the package index. Ends with status 1, and names them, if there are
warnings of Sphinx or links that lead nowhere. Figures are drawn anew for the reports: all take a
minute or two.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urlsplit

from set_up import ROOT, environment, install, run

REPORTS = "reports"  # a folder of the site


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("folder", nargs="?", default=ROOT / "build" / "docs", type=Path)
    parser.add_argument("--reports", nargs="*", metavar="NAME", help="default: all")
    parser.add_argument("--installed", action="store_true", help="use this Python as it is")
    arguments = parser.parse_args()
    if arguments.installed:
        build(arguments.folder.resolve(), arguments.reports)
        return
    python = environment()
    install(python, "--editable", ".[docs]")
    run(python, Path(__file__).resolve(), "--installed", *sys.argv[1:])


def build(folder, names) -> None:
    """Write the site; names: of the experiments whose reports it has, None for all."""
    from gallery_site import shipped_results, write_gallery

    from bnexp.errors import BnexpError

    names = [*shipped_results()] if names is None else names
    if folder.exists() and not (folder / "objects.inv").is_file() and any(folder.iterdir()):
        sys.exit(
            f"{folder}: expected a new or empty folder, or an earlier site; it has other files"
        )
    shutil.rmtree(folder, ignore_errors=True)
    with tempfile.TemporaryDirectory() as cache:
        options = ["-W", "--keep-going", "-q", "-b", "html", "-c", ROOT / "docs", "-d", cache]
        command = [sys.executable, "-m", "sphinx", *options, ROOT, folder]
        environ = {**os.environ, "BNEXP_DOCS_REPORTS": " ".join(names)}
        if subprocess.run([str(word) for word in command], env=environ).returncode:
            sys.exit("the pages have mistakes, which are listed above")
    shutil.copy(folder / "README.html", folder / "index.html")
    if names:
        try:
            write_gallery(folder / REPORTS, names)
        except BnexpError as error:
            sys.exit(str(error))
    if wrong := broken_links(folder):
        sys.exit("\n".join([*wrong, "these links lead nowhere"]))
    print(folder / "index.html")


class Page(HTMLParser):
    """The links of a page, and the names that links to parts of it may have."""

    def __init__(self, path) -> None:
        super().__init__()
        self.links, self.names = [], {"", "top"}
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag, attributes) -> None:
        for key, value in attributes:
            if key in ("href", "src") and value is not None:
                self.links.append(value)
            elif key == "id" or (tag == "a" and key == "name"):
                self.names.add(value)


def broken_links(folder) -> list:
    """The links of the site's pages to what is not there; reports are only linked to."""
    paths = [p for p in folder.rglob("*.html") if p.relative_to(folder).parts[0] != REPORTS]
    pages = {path: Page(path) for path in sorted(paths)}
    wrong = []
    for path, page in pages.items():
        for link in page.links:
            parts = urlsplit(link)
            if parts.scheme or parts.netloc:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            known = pages[target].names if target in pages else {"", parts.fragment}
            if not target.is_file() or unquote(parts.fragment) not in known:
                wrong.append(f"{path.relative_to(folder).as_posix()}: {link}")
    return wrong


if __name__ == "__main__":
    main()
