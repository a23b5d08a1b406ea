"""Imports point one way, and only where they belong."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "bnexp"

# A package may import from those before it, and from itself.
ORDER = (
    ("errors", "registry"),
    ("files", "text"),
    ("nn", "data"),
    ("probes",),
    ("config",),
    ("sweep",),
    ("training",),
    ("execution",),
    ("runs",),
    ("figures", "claims", "exports"),
    ("model",),
    ("result",),
    ("running",),
    ("comparison",),
    ("report",),
    ("cli",),
)
LEVEL = {name: i for i, names in enumerate(ORDER) for name in names}
FILES = sorted(PACKAGE.rglob("*.py"))


def imported(path: Path) -> set[str]:
    """Dotted names of all modules that a file imports, anywhere in it."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def part(path: Path) -> str:
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PACKAGE)))
def test_imports_point_one_way(path):
    own = part(path)
    if own in ("__init__", "__main__"):
        return
    used = {name.split(".")[1] for name in imported(path) if name.startswith("bnexp.")}
    used &= set(LEVEL)
    wrong = {name for name in used if name != own and LEVEL[name] >= LEVEL[own]}
    assert wrong == set()


@pytest.mark.parametrize(
    ("library", "home"),
    [
        ("click", "cli"),
        ("tqdm", "cli"),
        ("matplotlib", "figures"),
        ("pyarrow", "exports"),
        ("tensorboard", "exports"),
        ("mlflow", "exports"),
    ],
)
def test_a_library_has_one_home(library, home):
    users = {
        part(path)
        for path in FILES
        if any(name.split(".")[0] == library for name in imported(path))
    }
    allowed = {home, "result"} if library == "matplotlib" else {home}  # a type in an annotation
    assert users <= allowed


def test_the_numerics_import_numpy_only():
    outside = {
        name.split(".")[0] for path in (PACKAGE / "nn").rglob("*.py") for name in imported(path)
    }
    standard = {"__future__", "collections", "dataclasses", "importlib", "math", "typing"}
    assert outside - standard == {"numpy", "bnexp"}
