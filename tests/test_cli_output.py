"""What is said while a run goes on: a bar on a terminal, lines elsewhere, no color unasked for."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from types import SimpleNamespace

import pytest
from click.testing import CliRunner

from bnexp.cli import output
from bnexp.cli.main import cli
from bnexp.execution.processes import failed_record
from bnexp.execution.task import Record

COLOR = "\x1b["
CLAIMS = """\
claims:
  - says: "Batch norm ends above the plain network"
    measure: final_train_accuracy
    where: {model.norm: batch}
    above: {where: {model.norm: none}}
"""


def record(network, train, test=None, status="ok"):
    metrics = {"train_accuracy": (0.0, train), "test_accuracy": (0.0, test) if test else ()}
    return Record(network, "", status, None, (0, 1), (0, 1), metrics, 1.0)


def cells(*names):
    return [SimpleNamespace(id=name, point={"std": 0.0251234, "norm": name}) for name in names]


def planned(known=(), names="abcd"):
    display = output.ProgressDisplay(quiet=True)
    display.progress.planned(cells(*names), known, 100, 0)
    return display


def test_the_best_is_of_all_networks_and_named_by_its_point():
    display = planned([record("a", 0.5)])
    assert display.status.counts() == "0 of 3 networks done, 3 left"
    assert display.status.results() == "best train 0.500 (0.02512, a)"
    display.progress.done([record("c", 0.75, status="diverged"), record("b", 0.4)])
    assert display.status.counts() == "2 of 3 networks done, 1 left"
    assert display.status.results() == "1 diverged, best train 0.750 (0.02512, c)"
    display.progress.done([failed_record("d", "no reason")])
    assert display.status.results() == "1 diverged, 1 failed, best train 0.750 (0.02512, c)"


def test_the_best_is_by_test_accuracy_where_there_is_one_and_never_nan():
    display = planned()
    display.progress.done([record("a", 0.9, 0.3), record("b", 0.5, 0.6)])
    display.progress.done([record("c", float("nan"))])
    assert display.status.results() == "best test 0.600 (0.02512, b)"


def test_a_single_network_is_not_in_the_plural():
    display = planned(names="a")
    assert display.status.counts() == "0 of 1 network done, 1 left"


def test_a_long_name_is_cut():
    display = planned(names=["x" * 99])
    display.progress.done([record("x" * 99, 1.0)])
    assert display.status.results() == "best train 1.000 (0.02512, xxxxxxxxxxxx...)"


def test_without_a_terminal_a_line_now_and_then(monkeypatch, capsys):
    clock = [0.0]
    monkeypatch.setattr(output.time, "monotonic", lambda: clock[0])
    display = output.ProgressDisplay(quiet=False)
    display.progress.planned(cells("a", "b"), [], 1000, 3)
    for clock[0], steps in ((10.0, 100), (29.0, 290), (31.0, 310), (45.0, 400), (61.0, 500)):
        display.progress.steps(steps)
        if steps == 400:
            display.progress.done([record("a", 0.5)])
    captured = capsys.readouterr()
    assert captured.out == (
        "2 networks: 0 up to date, 2 to train\n"
        "3 networks of other settings stay in its cells/; tables and figures are of these only\n"
    )
    assert captured.err.splitlines() == [
        "0 of 2 networks done, 2 left (about 01:09)",
        "1 of 2 networks done, 1 left (about 01:01), best train 0.500 (0.02512, a)",
    ]


def on_a_terminal(*arguments, columns=80, **environment):
    """What the program writes to a terminal, and its exit status."""
    pty, termios = pytest.importorskip("pty"), pytest.importorskip("termios")
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, columns))
    process = subprocess.Popen(
        [sys.executable, "-m", "bnexp", *map(str, arguments)],
        stdin=theirs, stdout=theirs, stderr=theirs, env={**os.environ, **environment},
    )  # fmt: skip
    os.close(theirs)
    parts = []
    try:
        while part := os.read(ours, 65536):
            parts.append(part)
    except OSError:  # how Linux says that the other end is closed
        pass
    os.close(ours)
    return b"".join(parts).decode(), process.wait()


@pytest.fixture
def claimed(small):
    small.write_text(small.read_text() + CLAIMS)
    return small


@pytest.mark.slow
def test_a_terminal_sees_a_bar_that_goes_and_colors(claimed, tmp_path):
    output, status = on_a_terminal("run", claimed, "-j", 1, "--out", tmp_path / "run")
    frames = [line for line in output.split("\r") if "networks" in line and "left" in line]
    assert status == 0
    assert re.match(r"0/12 networks   0% \|.*\| \?? ?.*left", frames[0])
    assert re.search(
        r"12/12 networks 100% \|.*\| 00:00 left, best (test|train) [01]\.\d{3} \(", frames[-1]
    )
    assert max(map(len, frames)) <= 80
    assert re.search(r"\x1b\[3[123]m(\x1b\[2m)?(supported|does not hold|undecided)\x1b\[0m", output)
    assert output.rstrip().endswith("puts all of it on one page")


@pytest.mark.slow
def test_no_color_is_heard(claimed, tmp_path):
    output, status = on_a_terminal("run", claimed, "-j", 1, "--out", tmp_path / "run", NO_COLOR="1")
    assert status == 0
    assert "claims (95 % intervals" in output
    assert not re.search(r"\x1b\[\d*m", output)


@pytest.mark.slow
def test_a_pipe_gets_plain_text_in_80_columns(claimed, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(cli, ["run", str(claimed), "-j", "1"])
    assert COLOR not in result.output
    assert "\r" not in result.output
    assert max(map(len, result.output.splitlines())) <= 80
    assert result.stderr == ""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("axis", "expected"),
    [
        ("train.l2: {logspace: [0.001, 1, 4]}", "powers of ten from 1.002 to 10"),
        ("train.l2: {logspace: [-1, -3, 3]}", "powers of ten from 0.1 to 0.001"),
        ("train.l2: {loguniform: [0.9999, 1, 3]}", "random, by the logarithm from 0.9999"),
        ("zip: {train.l2: {uniform: [3, 4, 9]}}", "random from 3."),
        ("train.l2: {geomspace: [0.1, 1, 3]}", None),
        ("train.l2: [1.0, 10.0]", None),
    ],
)
def test_check_and_run_say_what_a_range_drew(small, tmp_path, axis, expected):
    sets = ["--set", f"sweep={{{axis}}}", "--set", "train.epochs=1", "--set", "figures=[]"]
    check, run = (
        CliRunner().invoke(cli, [word, str(small), *sets, "--out", str(tmp_path / "out"), *jobs])
        for word, jobs in (("check", []), ("run", ["-j", "1"]))
    )
    assert check.exit_code == run.exit_code == 0
    if expected is None:
        assert "from" not in check.output.partition("seeds")[0]
        assert "  train.l2: " not in run.output
    else:
        assert f"values, {expected}" in " ".join(check.output.split())
        assert f"  train.l2: {expected}" in run.output


UNTRAINED = ["--set", "train.evaluate=[0]", "--set", "figures=[]"]


def test_networks_that_make_no_step_are_not_said_to_train(small, tmp_path):
    out = ["--out", str(tmp_path / "out")]
    check = CliRunner().invoke(cli, ["check", str(small), *UNTRAINED, *out]).output
    assert "0 steps in all" in check
    assert "0 up to date, 12 to score" in check
    run = CliRunner().invoke(cli, ["run", str(small), *UNTRAINED, *out, "-j", "1"]).output
    assert "12 networks: 0 up to date, 12 to score" in run
    assert "no network was scored after an update: see metrics.csv" in run
    assert "best" not in run
    probed = ["--set", "probes={at: [0], read: [layers]}"]
    run = CliRunner().invoke(cli, ["run", str(small), *UNTRAINED, *probed, *out, "-j", "1"]).output
    assert "no network was scored after an update: see probes.csv\n" in run


def test_what_was_scored_before_the_first_update_is_no_result():
    display = planned()
    before = Record("a", "", "ok", None, (0,), (0,), {"train_accuracy": (1.0,)}, 1.0)
    display.progress.done([before])
    assert display.status.results() == ""
    display.progress.done([record("b", 0.25)])
    assert display.status.results() == "best train 0.250 (0.02512, b)"
    display.progress.done([record("c", 0.75, 0.125)])  # seen images are no match for others
    assert display.status.results() == "best test 0.125 (0.02512, c)"
    display.progress.done([record("d", 0.875)])
    assert display.status.results() == "best test 0.125 (0.02512, c)"


def test_validation_images_are_not_called_test_images():
    display = output.ProgressDisplay(quiet=True, held_out="validation")
    display.progress.planned(cells("a"), [], 100, 0)
    display.progress.done([record("a", 0.5, 0.25)])
    assert display.status.results() == "best validation 0.250 (0.02512, a)"


def test_an_interruption_before_the_plan_counts_nothing(small, monkeypatch):
    def interrupted(*names, **options):
        raise KeyboardInterrupt

    monkeypatch.setattr("bnexp.running.prepare", interrupted)
    result = CliRunner().invoke(cli, ["run", str(small), "-j", "1"])
    assert result.exit_code == 130
    assert "networks done" not in result.stderr


def test_without_any_result_none_is_promised(small, tmp_path, monkeypatch):
    def failing(*names):
        raise RuntimeError("no reason")

    monkeypatch.setattr("bnexp.execution.task.train", failing)
    words = ["run", str(small), "-j", "1", "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(cli, words)
    assert result.exit_code == 1
    assert "no network has a result" in result.stdout
    assert "probes.csv" not in result.stdout


def test_networks_of_other_settings_are_counted_in_good_english():
    texts = [output.kept_networks(number) for number in (1, 2)]
    assert texts == [
        "1 network of other settings stays in its cells/",
        "2 networks of other settings stay in its cells/",
    ]
