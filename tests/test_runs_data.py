"""Run directories without cells: tables in their place, and what stays refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from comparison_cases import change, contents, reference
from report_cases import PLAIN, SMALL, made, made_with_failures

import bnexp
from bnexp import report
from bnexp.claims import claims_text, judge_run
from bnexp.cli.main import cli
from bnexp.errors import BnexpError, BnexpWarning, StoreError
from bnexp.running import judge_again
from bnexp.runs.csv import csv_text
from bnexp.runs.data import read_finished_run, read_run

REFERENCES = sorted(
    path.parent for path in Path(__file__).parents[1].glob("results/reference/*/config.yaml")
)
TABLES = ("metrics", "summary", "probes")
PROBED = PLAIN.replace("claims:", "probes: {at: [0], read: [{kind: layers}]}\nclaims:")


@pytest.fixture
def copy(tmp_path):
    return shutil.copytree(made(PLAIN), tmp_path / "copy")


def call(*words):
    result = CliRunner().invoke(cli, [str(word) for word in words])
    return result.exit_code, result.stdout, result.stderr


@pytest.mark.slow
@pytest.mark.parametrize("folder", REFERENCES, ids=lambda folder: folder.name)
def test_a_reference_is_read_and_judged_to_the_very_bytes_that_it_has(folder):
    found = read_finished_run(folder)
    for name in TABLES:
        path = folder / f"{name}.csv"
        text = csv_text(getattr(found.tables, name))
        assert text == path.read_text() if path.exists() else text.count("\n") == 1
    verdicts, random = judge_run(found), found.config.experiment.random
    text = claims_text(verdicts, random.seeds, random.design_seeds or ())
    path = folder / "claims.json"
    assert (text if verdicts else "") == (path.read_text() if verdicts else "")
    assert path.exists() == bool(verdicts)
    assert (found.missing, found.missing_files, found.matched_by_values) == ({}, (), False)


@pytest.mark.slow
@pytest.mark.parametrize("text", [SMALL, PROBED])
def test_tables_stand_for_cells_in_all_that_reads_them(text, tmp_path):
    made_by_run = made(text)
    without = reference(made_by_run, tmp_path / "reference")
    a, b = read_finished_run(made_by_run).tables, read_finished_run(without).tables
    for name in TABLES:
        first, second = getattr(a, name), getattr(b, name)
        assert list(first) == list(second)
        for column in first:
            assert first[column].dtype == second[column].dtype
            np.testing.assert_array_equal(first[column], second[column])
    assert report.run_page(read_finished_run(without)) == report.run_page(
        read_finished_run(made_by_run)
    )


@pytest.mark.slow
def test_drawing_and_judging_again_leave_a_reference_as_it_was(tmp_path):
    folder = reference(made(SMALL), tmp_path / "reference")
    for path in folder.glob("figures/*.svg"):
        path.unlink()
    before = {name: content for name, (content, _) in contents(folder).items()}
    status, drawn, _ = call("plot", folder)
    assert status == 0
    assert len(drawn.splitlines()) == 4
    assert [verdict.verdict for verdict in judge_again(folder)] == ["refuted"]
    after = {name: content for name, (content, _) in contents(folder).items()}
    assert before == {name: after[name] for name in before}
    svgs = {f"figures/{Path(line).name}" for line in drawn.splitlines() if line.endswith("svg")}
    assert set(after) - set(before) - {".lock", ".figures.json"} == svgs


def test_a_damaged_cell_is_not_replaced_by_its_rows(copy):
    network = sorted((copy / "cells").iterdir())[0]
    network.write_bytes(b"nonsense")
    with pytest.warns(BnexpWarning, match=rf"1 damaged file in cells/ .*{network.stem}"):
        found = read_finished_run(copy)
    assert found.missing == {network.stem: "damaged"}
    assert len(found.tables.summary["cell"]) == 11
    for path in (copy / "cells").iterdir():
        path.write_bytes(b"nonsense")
    for command in ("plot", "claims", "report"):
        status, _, error = call(command, copy)
        assert status == 1
        assert "no finished network, expected some, 12 files in cells/ are damaged" in error


def test_where_there_are_cells_no_row_stands_for_one(copy):
    change(copy, 3, train_loss=lambda values: (*values[:2], 0.25))
    gone = read_run(copy).plan.networks[5].id
    (copy / "cells" / f"{gone}.json").unlink()
    found = read_finished_run(copy)
    assert found.missing == {gone: "not trained yet"}
    assert found.tables.summary["final_train_loss"][3] == 0.25
    assert gone not in found.tables.metrics["cell"]


def test_networks_that_failed_are_those_of_the_summary(tmp_path):
    run = read_finished_run(made_with_failures())
    plain = {network.id for network in run.plan.networks if network.setting.model.norm is None}
    assert {network.id for network in run.plan.networks} - run.records.keys() == plain
    assert (run.missing, len(run.tables.metrics["cell"])) == ({}, 18)
    text = (made_with_failures() / "summary.csv").read_text()
    assert csv_text(run.tables.summary) == text
    without = reference(made_with_failures(), tmp_path / "reference")
    assert csv_text(read_finished_run(without).tables.summary) == text


def test_tables_of_another_config_are_refused(copy):
    shutil.rmtree(copy / "cells")
    config = copy / "config.yaml"
    config.write_text(config.read_text().replace("lr: 0.1", "lr: 0.2"))
    status, _, error = call("report", copy)
    assert status == 4
    assert "metrics.csv is of other cells than config.yaml's" in error
    with pytest.raises(StoreError, match="run the experiment again"):
        read_finished_run(copy)


def test_rows_of_networks_that_are_not_in_the_plan_are_left_out(copy):
    shutil.rmtree(copy / "cells")
    config = copy / "config.yaml"
    config.write_text(config.read_text().replace("seeds: [0, 1]", "seeds: [0]"))
    found = read_finished_run(copy)
    assert (found.missing, found.matched_by_values) == ({}, False)
    assert found.tables.summary["seed"].tolist() == [0] * 6
    assert set(found.tables.metrics["cell"]) == {network.id for network in found.plan.networks}


def test_rows_of_an_earlier_config_do_not_fill_an_interrupted_run(copy):
    config, networks = copy / "config.yaml", read_run(copy).plan.networks
    text = config.read_text()
    bnexp.run(bnexp.load_config(config, {"train.epochs": 2}), copy)
    config.write_text(text)
    paths = [copy / "cells" / f"{network.id}.json" for network in networks]
    paths[0].unlink()
    assert read_finished_run(copy).missing == {networks[0].id: "not trained yet"}
    for path in paths[1:]:
        path.unlink()
    with pytest.raises(StoreError, match="of other cells"):
        read_finished_run(copy)


@pytest.mark.parametrize("name", ["summary.csv", "probes.csv"])
def test_a_table_that_is_not_there_is_named(name, tmp_path):
    folder = reference(made(PROBED), tmp_path / "reference")
    (folder / name).unlink()
    with pytest.raises(StoreError, match=f"no {name}, expected with the metrics.csv"):
        read_finished_run(folder)


def test_without_cells_and_tables_nothing_is_finished(tmp_path):
    folder = reference(made(PLAIN), tmp_path / "reference")
    (folder / "metrics.csv").unlink()
    with pytest.raises(BnexpError, match="no finished network, expected some; run the experiment"):
        read_finished_run(folder)


@pytest.mark.parametrize("line", ["name: synthetic", "kind: sgd", "dialect: book"])
def test_what_is_not_registered_is_to_be_imported(copy, line):
    config = copy / "config.yaml"
    text = config.read_text().replace("norm: none", "norm: {kind: batch, dialect: book}")
    assert line in text
    config.write_text(text.replace(line, f"{line.partition(' ')[0]} of_my_own"))
    code, out, err = call("claims", copy)
    assert (code, out) == (2, "")
    assert "got 'of_my_own'" in err
    assert err.endswith("\nif that is something of your own: bnexp --import MODULE COMMAND ...\n")
