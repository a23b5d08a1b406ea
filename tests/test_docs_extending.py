"""docs/extending.md is run as it stands there."""

from __future__ import annotations

import contextlib
import csv
import importlib
import json
import os
import pkgutil
import re
import shlex
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

import bnexp
from bnexp.registry import Registry

pytestmark = pytest.mark.slow

PAGE = (Path(__file__).parents[1] / "docs" / "extending.md").read_text()
DAMAGED = "dx -= dx.mean(axis=1, keepdims=True)"


def blocks(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE, re.DOTALL)


MODULE, CHECK, SCRIPT, DIALECT, METRIC, DATASET, CENTERING, FIGURE, EXECUTOR = blocks("python")
EXPERIMENT, IMAGES = blocks("yaml")
FILES = {
    "my_norms.py": MODULE,
    "own_norm.yaml": EXPERIMENT,
    "own_norm_images.yaml": IMAGES,
    "my_dialect.py": DIALECT,
    "my_margin.py": METRIC,
    "my_stripes.py": DATASET,
    "my_centering.py": CENTERING,
    "my_finals.py": FIGURE,
    "my_executor.py": EXECUTOR,
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """What the reader has saved."""
    saved = tmp_path_factory.mktemp("own")
    for name, text in FILES.items():
        assert f"`{name}`" in PAGE
        (saved / name).write_text(text)
    return saved


def program(*words, cwd, status=0, **variables):
    """The output of a program, or its errors where they are expected."""
    made = subprocess.run(
        [sys.executable, *words],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
        env={**os.environ, "PYTHONPATH": "", **variables},
    )
    assert made.returncode == status, made.stderr
    return made.stderr if status else made.stdout


def commands() -> list[list[str]]:
    lines = [line for block in blocks("sh") for line in block.splitlines()]
    return [shlex.split(line) for line in lines]


def summary(folder: Path) -> list[dict[str, str]]:
    with (folder / "summary.csv").open() as file:
        return list(csv.DictReader(file))


def test_its_commands_work(folder):
    """Through the installed command's module, which has no current folder on its path."""
    start = ["-c", "import sys; sys.path.pop(0); from bnexp.cli import main; main()"]
    said = {
        "verify": ["3 identical"],
        "slow": ["stat_decay", "0.999"],
        "info": ["made by my_stripes.py", "[6, 5, 1]", "[100, 100, 100, 100]"],
        "patient": ["2 stacks"],
    }
    assert len(commands()) == 12
    for name, *words in commands():
        assert name == "bnexp"
        output = program(*start, *words, cwd=folder)
        for text in [text for word in words for text in said.get(word, ())]:
            assert text in output, words
    rows = summary(folder / "results" / "own_norm")
    assert len(rows) == 4 * 3 * 3
    assert {row["status"] for row in rows} == {"ok"}
    accuracies = {
        norm: [
            float(row["final_train_accuracy"])
            for row in rows
            if (row["model.norm"], row["model.init"]) == (norm, "normal std=0.01")
        ]
        for norm in ("none", "batch", "l1_batch")
    }
    assert max(accuracies["none"]) < 0.15
    assert min(accuracies["batch"] + accuracies["l1_batch"]) > 0.9
    claims = json.loads((folder / "results" / "own_norm" / "claims.json").read_text())["claims"]
    assert [claim["verdict"] for claim in claims] == ["supported"]
    assert (folder / "results" / "own_norm" / "report.html").stat().st_size > 50_000
    assert "final_test_my_margin" in summary(folder / "results" / "margin")[0]
    assert {path.name for path in (folder / "results/finals/figures").glob("*.svg")} == {
        "finals.svg"
    }
    centering = summary(folder / "results" / "centering")
    assert {row["model.norm"] for row in centering} == {"weight_centering", "none"}
    assert len({row["final_train_loss"] for row in centering}) == 2
    images = summary(folder / "results" / "own_norm_images")
    assert {row["model.norm"] for row in images} == {"batch", "l1_batch"}
    assert min(float(row["final_train_accuracy"]) for row in images) > 0.5


def test_its_script_prints_what_is_said(folder):
    (folder / "script.py").write_text(SCRIPT)
    (expected,) = re.findall(r"prints `(\['norm.*?)`", PAGE, re.DOTALL)
    assert program("script.py", cwd=folder).strip() == " ".join(expected.split())


def test_its_checks_print_what_is_said_and_see_a_mistake(folder, tmp_path):
    (folder / "check.py").write_text(CHECK)
    first, second = re.search(r"prints `(True)` and `(.*?)`", PAGE).groups()
    assert program("check.py", cwd=folder) == f"{first}\n{second}\n"
    assert MODULE.count(DAMAGED) == 1
    (tmp_path / "my_norms.py").write_text(MODULE.replace(DAMAGED, "pass"))
    (tmp_path / "check.py").write_text(CHECK)
    assert program("check.py", cwd=tmp_path).startswith("False\n")


def test_it_is_right_for_images_and_evaluations_too(folder):
    of_images = CHECK.replace("(2, 8, 5)", "(2, 4, 3, 3, 5)")
    for code in (of_images, CHECK.replace("(), x)", "(), x, train=False)")):
        assert code != CHECK
        assert program("-c", code, cwd=folder).startswith("True\n")


def test_its_normalizer_of_weights_is_right(folder):
    code = CHECK.replace("L1BatchNorm()", "WeightCentering().around(nn.Dense(3, nn.He()))")
    code = code.replace(
        "from my_norms import L1BatchNorm, Sparse", f"from my_norms import Sparse\n{CENTERING}"
    )
    assert program("-c", code, cwd=folder).startswith("True\n")
    assert "self.centered(gradients)" in code
    wrong = code.replace("self.centered(gradients)", "gradients")
    assert program("-c", wrong, cwd=folder).startswith("False\n")


def test_its_message_is_what_is_said(folder):
    (folder / "own_wrong.yaml").write_text(EXPERIMENT.replace("std: 1}", "std: -1}"))
    words = ("-m", "bnexp", "--import", "my_norms", "check", "own_wrong.yaml")
    (shown,) = blocks("text")
    assert program(*words, cwd=folder, status=2) == shown.replace("own_norm", "own_wrong")


def test_an_edited_class_is_trained_again_and_no_other(folder, tmp_path):
    for name in ("own_norm.yaml", "my_norms.py"):
        (tmp_path / name).write_text((folder / name).read_text())
    run = ("-m", "bnexp", "--import", "my_norms", "run", "own_norm.yaml", "-j", "1", "--seeds", "1")
    assert "0 up to date, 12 to train" in program(*run, cwd=tmp_path)
    edited = MODULE.replace('"""y = gamma', '"""As it was: y = gamma')
    (tmp_path / "my_norms.py").write_text(edited)
    assert "8 up to date, 4 to train" in program(*run, cwd=tmp_path)


def test_its_entry_points_are_found_without_import(folder, tmp_path):
    groups = tomllib.loads(blocks("toml")[0])["project"]["entry-points"]
    lines = [
        f"[{group}]\n" + "\n".join(f"{name} = {place}" for name, place in points.items())
        for group, points in groups.items()
    ]
    info = tmp_path / "my_norms-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: my-norms\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("\n".join(lines))
    (tmp_path / "my_norms.py").write_text(MODULE)
    words = ("-m", "bnexp", "check", str(folder / "own_norm.yaml"))
    assert "36 networks" in program(*words, cwd=folder.parent, PYTHONPATH=str(tmp_path))
    assert "unknown kind" in program(*words, cwd=folder.parent, status=2)


def registries() -> dict[str, Registry]:
    """Every registry of bnexp by the group of its entry points; of dialects, batch norm's."""
    for module in pkgutil.walk_packages(bnexp.__path__, "bnexp."):
        if not module.name.endswith("__main__"):
            with contextlib.suppress(ModuleNotFoundError):  # a library that only an extra brings
                importlib.import_module(module.name)
    found = [bnexp.nn.BatchNorm.DIALECTS]
    for module in [module for name, module in sys.modules.items() if name.startswith("bnexp.")]:
        found += [value for value in vars(module).values() if isinstance(value, Registry)]
    return {f"bnexp.{registry.noun.replace(' ', '_')}": registry for registry in found}


def test_its_table_has_every_registry():
    rows = re.findall(r"^\| .+ \| `bnexp\.([\w.]+)` \| `(bnexp\.\w+)` \|$", PAGE, re.MULTILINE)
    named = {group: pkgutil.resolve_name(f"bnexp.{place}") for place, group in rows}
    assert named == registries()
