"""Imports point one way, and only where they belong."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[1] / "bnexp"

# A package may import from those before it, and from itself.
ORDER = (
    ("typography",),
    ("text", "searchpath", "machine"),
    ("errors",),
    ("registry", "device"),
    ("files",),
    ("nn", "data"),
    ("metrics",),
    ("probes",),
    ("config",),
    ("sweep",),
    ("training",),
    ("execution",),
    ("runs",),
    ("figures", "claims", "exports", "shipped"),
    ("summary",),
    ("estimate",),
    ("model",),
    ("result",),
    ("progress", "plots"),
    ("running",),
    ("comparison", "replication"),
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


@pytest.mark.slow
@pytest.mark.parametrize(
    ("library", "home"),
    [
        ("click", "cli"),
        ("matplotlib", "figures"),
        ("pyarrow", "exports"),
        ("tensorboard", "exports"),
        ("mlflow", "exports"),
        ("cupy", "device"),
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


@pytest.mark.slow
def test_bars_are_the_command_lines_and_those_of_notebooks():
    users = {part(path) for path in FILES if {"tqdm", "tqdm.notebook"} & imported(path)}
    assert users == {"progress"}


def test_the_numerics_import_numpy_only():
    outside = {
        name.split(".")[0] for path in (PACKAGE / "nn").rglob("*.py") for name in imported(path)
    }
    standard = {"__future__", "collections", "dataclasses", "importlib", "math", "typing"}
    assert outside - standard == {"numpy", "bnexp"}


def module_name(path: Path) -> str:
    parts = path.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


def imported_modules(path: Path, modules: set[str]) -> set[str]:
    """Which of the modules a file imports."""
    return {name for name in imported(path) if name in modules} - {module_name(path)}


def reachable(name: str, imports: dict[str, set[str]]) -> set[str]:
    """All modules that a module imports, directly or through others."""
    seen: set[str] = set()
    todo = list(imports[name])
    while todo:
        name = todo.pop()
        todo += imports[name] - seen
        seen.add(name)
    return seen


def loops(imports: dict[str, set[str]]) -> set[str]:
    """The modules from which a chain of imports leads back to themselves."""
    return {name for name in imports if name in reachable(name, imports)}


@pytest.mark.slow
def test_no_modules_import_each_other_in_a_loop():
    """Imports inside functions and under TYPE_CHECKING count as well.

    The `__init__` of a package imports its members by design and is left out.
    """
    files = {module_name(path): path for path in FILES if path.name != "__init__.py"}
    assert loops({name: imported_modules(path, {*files}) for name, path in files.items()}) == set()


def test_a_loop_is_found():
    assert loops({"a": {"b"}, "b": {"c", "d"}, "c": {"b"}, "d": set()}) == {"b", "c"}
