"""Tables of a run without cells that were forged: the file, the row and the column are named."""

from __future__ import annotations

import csv
import io
import json
import shutil

import pytest
from click.testing import CliRunner

import bnexp
from bnexp.cli.main import cli
from bnexp.errors import StoreError
from bnexp.runs.data import read_finished_run

TINY = """\
name: tiny
data: {name: synthetic, train: 40}
model: {hidden: [3], norm: batch}
train: {steps: 6, batch_size: 20, evaluate: [2, 4, 6], optimizer: {kind: momentum, lr: 0.1}}
sweep: {model.init: [he, xavier]}
probes: {at: [0, 2, 5], read: [layers]}
figures: [panels]
"""


@pytest.fixture(scope="module")
def finished(run_of):
    return run_of(TINY, "tiny.yaml")[1]


@pytest.fixture
def reference(finished, tmp_path):
    """A copy of the run without cells."""
    ignored = shutil.ignore_patterns("cells", "checkpoints", ".lock")
    return shutil.copytree(finished, tmp_path / "reference", ignore=ignored)


def forge(path, change):
    """Change the rows of a CSV file, each a mapping."""
    rows = list(csv.DictReader(io.StringIO(path.read_text(), newline="")))
    names = list(rows[0])
    rows = change(rows) or rows
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    path.write_text(text.getvalue())


def field(number, name, value):
    def change(rows):
        old = rows[number][name]
        rows[number][name] = value(old) if callable(value) else value

    return change


# Of each forgery the file, the change, and what the message says.
FORGERIES = {
    "accuracy": ("metrics", field(1, "train_accuracy", "1.5"), ":3: damaged, train_accuracy: "),
    "loss": ("metrics", field(0, "test_loss", "-2.0"), "test_loss: expected a number >= 0"),
    "step": ("metrics", field(0, "step", "-1"), "step: expected a whole number from 0 to 10,000"),
    "far step": ("metrics", field(2, "step", "99999999999"), "step: expected a whole number"),
    "seed": ("metrics", field(0, "seed", "4294967296"), "seed: expected a whole number"),
    "cell": ("metrics", field(0, "cell", "\x1b[31m"), "cell: expected a printable text"),
    "step after the end": ("metrics", field(2, "step", "7"), "row 3: damaged, step: expected a st"),
    "same step": ("metrics", field(1, "step", "2"), "row 2: damaged, step: expected a later step"),
    "earlier epoch": ("metrics", field(1, "epoch", "0"), "epoch: expected no earlier epoch"),
    "mixed rows": ("metrics", lambda rows: [*rows[1:], rows[0]], "expected the rows of a network"),
    "no rows of one": ("metrics", lambda rows: rows[:3], "row 2: damaged, status: expected failed"),
    "other numbers": ("metrics", field(2, "train_loss", "0.125"), "final_train_loss: expected 0.1"),
    "another final": ("summary", field(1, "final_test_loss", "0.5"), "row 2: damaged, final_test"),
    "another best": ("summary", field(1, "best_train_accuracy", "1.0"), "best_train_accuracy: "),
    "status": ("summary", field(0, "status", "diverged"), "diverged_at_step: expected a step if"),
    "a divergence": ("summary", field(0, "diverged_at_step", "3"), "diverged_at_step: expected a"),
    "failed": ("summary", field(0, "status", "failed"), "status: expected failed if and only if"),
    "twice": ("summary", lambda rows: [*rows, rows[0]], "row 3: damaged, cell: expected each"),
    "missing": ("summary", lambda rows: rows[:1], "metrics.csv: row 4: damaged, cell: expected a"),
    "seconds": ("summary", field(0, "seconds", "inf"), "seconds: expected a number >= 0"),
    "quantity": ("probes", field(0, "quantity", "a\nb"), "quantity: expected a printable text"),
    "layer": ("probes", field(0, "layer", "-3"), "layer: expected a whole number from 0"),
    "value": ("probes", field(0, "value", "1e5"), "value: expected a number as bnexp writes it"),
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", FORGERIES)
def test_a_forged_table_is_named_with_row_and_column(name, reference):
    table, change, message = FORGERIES[name]
    forge(reference / f"{table}.csv", change)
    with pytest.raises(StoreError) as caught:
        read_finished_run(reference)
    assert message in str(caught.value)
    assert str(reference) in str(caught.value)
    assert "run the experiment again" in str(caught.value)
    for command in ("plot", "report", "claims", "verify"):
        result = CliRunner().invoke(cli, [command, str(reference)])
        assert (result.exit_code, message in result.output) == (4, True), command


def test_tables_of_a_failed_network_and_of_other_networks_agree(reference):
    """As a run leaves them whose second network failed, in a folder that had others before."""

    def failed(rows):
        empty = dict.fromkeys(name for name in rows[1] if name.startswith(("final", "best", "sec")))
        return [rows[0], {**rows[1], **empty, "status": "failed"}, {**rows[0], "cell": "other"}]

    forge(reference / "summary.csv", failed)
    forge(reference / "metrics.csv", lambda rows: [*rows[:3], {**rows[0], "cell": "other"}])
    forge(reference / "probes.csv", lambda rows: [r for r in rows if r["model.init"] == "he"])
    assert read_finished_run(reference).summary["status"].tolist() == ["ok", "failed"]


def test_a_reference_whose_manifest_is_damaged_says_so(reference):
    """Nothing else says which images it was made of."""
    path = reference / "manifest.json"
    manifest = json.loads(path.read_text())
    manifest["data"]["synthetic"]["sha256"] = "0"
    path.write_text(json.dumps(manifest))
    message = r"manifest\.json: damaged, data\.synthetic\.sha256: .*expected a SHA-256 of 64"
    with pytest.raises(StoreError, match=message):
        read_finished_run(reference)


def test_a_damaged_manifest_is_written_again_by_a_run(finished, tmp_path):
    out = shutil.copytree(finished, tmp_path / "out")
    manifest = json.loads((out / "manifest.json").read_text())
    (out / "manifest.json").write_text(json.dumps({**manifest, "seconds": -1}))
    assert bnexp.run(out / "config.yaml", out).trained == 0
    again = json.loads((out / "manifest.json").read_text())
    assert (again["trained"], again["seconds"] >= 0) == (0, True)
