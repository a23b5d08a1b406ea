#!/usr/bin/env python3
"""Write what is generated from the code: pages under docs/ and the JSON Schema for editors.

scripts/docs.py            rewrite all
scripts/docs.py --check    status 1 where a file is not what the code says
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import config_page

ROOT = Path(__file__).resolve().parents[1]
# Each file and the function that makes its text.
FILES = {
    ROOT / "docs" / "config.md": config_page.page,
    ROOT / "configs" / "bnexp.schema.json": config_page.schema,
}


def written() -> dict[Path, str]:
    """The files as they should be."""
    return {path: make() for path, make in FILES.items()}


def main(arguments: Sequence[str]) -> None:
    wrong = {path: text for path, text in written().items() if _read(path) != text}
    if "--check" in arguments:
        names = ", ".join(str(path.relative_to(ROOT)) for path in wrong)
        sys.exit(f"not as the code says: {names}; run scripts/docs.py" if wrong else 0)
    for path, text in wrong.items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(ROOT))


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""


if __name__ == "__main__":
    main(sys.argv[1:])
