"""The lists of docs/contributing.md: the direction of imports, and what each module is for."""

from __future__ import annotations

import ast
import sys
from collections.abc import Sequence
from pathlib import Path

from pages.markdown import ROOT

PACKAGE, ORDER = ROOT / "bnexp", "tests/test_imports.py"


def order() -> Sequence[Sequence[str]]:
    """The list of the test that checks it."""
    for node in ast.parse((ROOT / ORDER).read_text()).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "ORDER":
            found: Sequence[Sequence[str]] = ast.literal_eval(node.value)
            return found
    sys.exit(f"{ORDER}: ORDER is not there")


def says(path: Path) -> str:
    """The first paragraph of a module's docstring, on one line."""
    module = ast.parse(path.read_text("utf-8"))
    text = ast.get_docstring(module) or sys.exit(f"{path}: no docstring")
    return " ".join(text.split("\n\n")[0].split()).rstrip(":")


def imports() -> str:
    return "\n".join(["```text", *("  ".join(names) for names in order()), "```"])


def layout() -> str:
    """Each package with its modules, to be unfolded, in the order of imports; files at the end."""
    names = [name for level in order() for name in level]
    folders = [PACKAGE / name for name in names if (PACKAGE / name).is_dir()]
    files = [PACKAGE / f"{name}.py" for name in names if not (PACKAGE / name).is_dir()]
    parts = [_package(folder) for folder in folders]
    beside = "<b>bnexp</b>: modules outside the packages, which put them together"
    return "\n\n".join([*parts, _folded(beside, files)])


def _package(folder: Path) -> str:
    modules = sorted(path for path in folder.rglob("*.py") if path != folder / "__init__.py")
    head = f"<b>bnexp/{folder.name}</b>: {says(folder / '__init__.py').replace('`', '')}"
    return _folded(head, modules)


def _folded(head: str, modules: Sequence[Path]) -> str:
    lines = "\n".join(map(_line, modules))
    return f"<details><summary>{head}</summary>\n\n{lines}\n\n</details>"


def _line(path: Path) -> str:
    name = "/".join(path.relative_to(PACKAGE).parts[1:]) or path.name
    return f"- `{name.removesuffix('__init__.py')}`: {says(path)}"


def parts() -> dict[str, str]:
    """The page's parts by name."""
    return {"imports": imports(), "layout": layout()}
