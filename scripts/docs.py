#!/usr/bin/env python3
"""Write all that is generated from the code and from the references' results.

scripts/docs.py            rewrite it: pages, parts of pages, and the JSON Schema for editors
scripts/docs.py --check    status 1 where a file is not as it should be
scripts/docs.py --translated LANGUAGE...   note that these translations are up to date
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from functools import partial
from pathlib import Path

from pages import config, contributing, gallery, literature, numerics, translations, tutorial
from pages.markdown import ROOT, rewritten

from bnexp.config.jsonschema import schema_text

# Each file and the function that makes its text.
WHOLE = {
    ROOT / "docs" / "config.md": config.page,
    ROOT / "configs" / "bnexp.schema.json": schema_text,
    ROOT / "docs" / "literature.md": literature.page,
    ROOT / "docs" / "tutorial.ipynb": tutorial.notebook,
    ROOT / "results" / "reference" / "README.md": gallery.page,
    **{path: partial(translations.page, path, text) for path, text, _ in translations.pages()},
}
# Each page and the function that makes the parts between its marks.
PARTS = {
    ROOT / "docs" / "gallery.md": gallery.parts,
    ROOT / "docs" / "experiments.md": gallery.choices,
    ROOT / "docs" / "contributing.md": contributing.parts,
    ROOT / "docs" / "numerics.md": numerics.parts,
}


def written() -> dict[Path, str]:
    """The files as they should be."""
    parts = {path: rewritten(_read(path), make()) for path, make in PARTS.items()}
    return {path: make() for path, make in WHOLE.items()} | parts


def main(arguments: Sequence[str]) -> None:
    if "--translated" in arguments:
        translations.confirm(arguments[1:])
    wrong = {path: text for path, text in written().items() if _read(path) != text}
    if "--check" in arguments:
        names = ", ".join(str(path.relative_to(ROOT)) for path in wrong)
        sys.exit(f"not as the code says: {names}; run scripts/docs.py" if wrong else 0)
    for path, text in wrong.items():
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(ROOT))


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


if __name__ == "__main__":
    main(sys.argv[1:])
