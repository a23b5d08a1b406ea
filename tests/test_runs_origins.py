"""A run says which images it was made with, and claims about others are undecided."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from idx_folders import as_known, small_arrays, write_set

import bnexp
from bnexp.cli.main import cli
from bnexp.data.datasets import DATASETS
from bnexp.data.known import KNOWN_SETS
from bnexp.report import write_report
from bnexp.running import judge_again
from bnexp.runs.data import read_finished_run
from bnexp.runs.origins import DataOrigin, loaded_origin, stored_origins, used_origins

TEXT = """\
name: bright
data: {name: mnist, test: 20}
model: {hidden: [6], init: {kind: he}}
train: {epochs: 2, batch_size: 20, optimizer: {kind: sgd, lr: 0.1}}
random: {seeds: [0, 1, 2]}
sweep:
  model.norm: [batch, none]
figures: [curves]
claims:
  - {says: "It is a fraction.", measure: final_train_accuracy, at_least: 0.001}
  - {says: "It is no fraction.", kind: theory, source: a book, measure: final_train_accuracy,
    at_least: 1.5, expect: refuted}
"""
SETS = {"mnist": 5, "fashion-mnist": 6, "kmnist": 7}


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Folders of three known sets, all with the same file names, and one of unknown files."""
    monkeypatch.delenv("BNEXP_DATA_DIR", raising=False)
    places = {}
    for name, seed in SETS.items():
        arrays = small_arrays(seed)
        monkeypatch.setitem(KNOWN_SETS, name, as_known(name, arrays))
        places[name] = write_set(tmp_path / f"of-{name}", arrays)
    places["unknown"] = write_set(tmp_path / "somewhere", small_arrays(8))
    return places


@pytest.fixture
def bright(config_file):
    return config_file(TEXT, "bright.yaml")


def verdicts(claims):
    return [claim.verdict for claim in claims]


def figure_texts(result):
    figure = result.figure("curves")
    return " ".join(text.get_text() for text in figure.findobj() if hasattr(text, "get_text"))


@pytest.mark.slow
def test_the_named_data_set_is_named_and_judged(bright, folders, tmp_path):
    result = bnexp.run(bnexp.load_config(bright), tmp_path / "out", data_dir=folders["mnist"])
    assert verdicts(result.claims) == ["supported", "refuted"]
    assert "data: MNIST" in figure_texts(result)
    entry = json.loads((tmp_path / "out" / "manifest.json").read_text())["data"]["mnist"]
    assert (entry["origin"], entry["recognized"]) == ("MNIST", "mnist")
    assert "Data: MNIST." in write_report(tmp_path / "out").read_text()
    assert verdicts(judge_again(tmp_path / "out")) == ["supported", "refuted"]


@pytest.mark.slow
def test_the_classes_of_unknown_images_are_stored_and_those_of_known_ones_known(tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (40, 3, 3), dtype=np.uint8)
    experiment = {"model": {"hidden": [4]}, "train": {"epochs": 1, "batch_size": 10}}
    for number, classes in enumerate((2, 4)):
        out = tmp_path / str(number)
        made = bnexp.run(experiment, out, data=(x, np.arange(40) % classes))
        for result in (made, bnexp.load_run(out)):
            assert [origin.classes for origin in result.results.data] == [classes]
            assert result.results.chance == 1 / classes
    known = bnexp.load_run("weight_scale").results
    assert known.chance == 0.1
    assert replace(known, data=()).chance is None


def test_a_label_that_no_image_has_is_no_chance_to_guess_right():
    manifest = {"data": {"emnist-letters": {"sha256": "0" * 64, "recognized": "emnist-letters"}}}
    (origin,) = stored_origins(manifest).values()
    assert DATASETS["emnist-letters"].classes == 27  # outputs of a network, the first one unused
    assert origin.classes == 26
    assert [name for name in DATASETS if DATASETS[name].unused] == ["emnist-letters"]


@pytest.mark.slow
@pytest.mark.parametrize("other", ["fashion-mnist", "kmnist", "unknown"])
def test_another_set_in_its_place_is_named_everywhere_and_decides_nothing(
    bright, folders, tmp_path, other
):
    out = tmp_path / "out"
    words = ["run", bright, "--out", out, "-j", 1, "--data-dir", folders[other]]
    done = CliRunner().invoke(cli, [*map(str, words)])
    assert done.exit_code == 0
    entry = json.loads((out / "manifest.json").read_text())["data"]["mnist"]
    if other == "unknown":
        text = f"unknown files, SHA-256 {entry['sha256'][:12]}..., folder somewhere"
    else:
        text = KNOWN_SETS[other].title
    assert entry.get("recognized", "unknown") == other
    assert entry["origin"] == text
    output = " ".join(done.output.split())
    line = f"data: {text} in place of mnist; claims about mnist are undecided"
    assert f"{line} from {folders[other]}" in output
    reason = f"about mnist, but the networks were trained on {text}"
    for claims in (judge_again(out), bnexp.load_run(out).claims):
        assert verdicts(claims) == ["undecided", "undecided"]
        assert all(reason in claim.reason for claim in claims)
        assert all(point.verdict == "undecided" for claim in claims for point in claim.points)
    page = write_report(out).read_text()
    assert f"Data: {text} in place of mnist." in page
    data = read_finished_run(out)
    assert str(data.tables.data[0]) == f"{text} in place of mnist"
    checked = CliRunner().invoke(cli, [*map(str, ["check", *words[1:4], *words[6:]])])
    assert f"data: {text} in place of mnist" in " ".join(checked.output.split())


def test_the_figure_names_what_is_in_its_place(bright, folders):
    result = bnexp.run(bnexp.load_config(bright), data_dir=folders["kmnist"])
    assert "data: KMNIST in place of mnist" in figure_texts(result)


def test_a_claim_stays_about_the_data_set_of_its_text(bright, folders, tmp_path):
    config = bnexp.load_config(bright, {"data.name": "fashion-mnist"})
    result = bnexp.run(config, tmp_path / "out", data_dir=folders["fashion-mnist"])
    assert str(result.results.data[0]) == "Fashion-MNIST"
    reason = "about mnist, but the networks were trained on Fashion-MNIST"
    for claims in (result.claims, judge_again(tmp_path / "out")):
        assert verdicts(claims) == ["undecided", "undecided"]
        assert reason in claims[0].reason
    again = bnexp.load_config(tmp_path / "out")
    assert [claim.data for claim in again.experiment.claims] == ["mnist", "mnist"]
    # The same files under another name are still those of the text.
    config = bnexp.load_config(bright, {"data.name": str(folders["mnist"])})
    assert verdicts(bnexp.run(config).claims) == ["supported", "refuted"]
    config = bnexp.load_config(bright, {"data.name": str(folders["kmnist"])})
    assert verdicts(bnexp.run(config).claims) == ["undecided", "undecided"]


def test_claims_of_ones_own_are_about_ones_own_data(config_file, folders):
    def claims_of(name, place, text=TEXT, **overrides):
        path = config_file(text.replace("name: mnist", f"name: {name}"))
        config = bnexp.load_config(
            path, {key.replace("__", "."): v for key, v in overrides.items()}
        )
        return verdicts(bnexp.run(config, data_dir=place).claims)

    judged = ["supported", "refuted"]
    assert claims_of("fashion-mnist", folders["fashion-mnist"]) == judged
    assert claims_of("fashion-mnist", folders["mnist"]) == ["undecided"] * 2
    assert claims_of(folders["unknown"], None) == judged
    assert claims_of("mnist", folders["mnist"], train__epochs=1) == judged
    claim = {"says": "It is one.", "measure": "final_train_accuracy", "at_least": 0.001}
    overrides = {"data__name": "kmnist", "claims": [claim]}
    assert claims_of("mnist", folders["kmnist"], **overrides) == ["supported"]
    stated = TEXT.replace("at_least: 0.001}", "at_least: 0.001, data: kmnist}")
    assert claims_of("mnist", folders["mnist"], stated) == ["undecided", "refuted"]


def test_a_sweep_over_data_sets(bright, folders, tmp_path):
    """Only the points that were trained on the claim's data set are judged."""
    for name in ("mnist", "kmnist"):
        folders[name].rename(tmp_path / name)
    sweep = {"sweep.data.name": ["mnist", "kmnist"]}
    result = bnexp.run(bnexp.load_config(bright, sweep), data_dir=tmp_path)
    assert [str(origin) for origin in result.results.data] == ["MNIST", "KMNIST"]
    by_data = {point.point["data.name"]: point.verdict for point in result.claims[0].points}
    assert by_data == {"mnist": "supported", "kmnist": "undecided"}
    assert verdicts(result.claims) == ["undecided", "refuted"]


@pytest.mark.slow
def test_networks_of_several_sets_under_one_name(bright, folders, tmp_path):
    """A directory that was trained on MNIST, and in part again on other files."""
    config, out = bnexp.load_config(bright), tmp_path / "out"
    bnexp.run(config, out, data_dir=folders["mnist"])
    manifest = (out / "manifest.json").read_bytes()
    kept = {path: path.read_bytes() for path in sorted((out / "cells").glob("*.json"))[:2]}
    bnexp.run(config, out, data_dir=folders["unknown"])
    for path, content in kept.items():
        path.write_bytes(content)
    (out / "manifest.json").write_bytes(manifest)
    data = read_finished_run(out)
    texts = sorted(map(str, data.tables.data))
    assert texts[0] == "MNIST"
    assert texts[1].startswith("unknown files, SHA-256 ")
    assert verdicts(judge_again(out)) == ["undecided", "undecided"]


def test_without_a_manifest_the_cells_say_what_they_are_of(bright, folders, tmp_path):
    out = tmp_path / "out"
    bnexp.run(bnexp.load_config(bright), out, data_dir=folders["fashion-mnist"])
    for content in (None, b"nonsense", b"{}", b'{"data": {"mnist": 3}}', b'{"data": []}'):
        (out / "manifest.json").unlink(missing_ok=True)
        if content is not None:
            (out / "manifest.json").write_bytes(content)
        assert verdicts(judge_again(out)) == ["undecided", "undecided"]
        assert "trained on unknown files, SHA-256 " in judge_again(out)[0].reason


SYNTHETIC = bnexp.data.DATASETS["synthetic"].sha256
MNIST = bnexp.data.DATASETS["mnist"].sha256


@pytest.mark.parametrize(
    ("entry", "text", "recognized"),
    [
        ({"sha256": MNIST, "origin": "canonical MNIST"}, "MNIST", "mnist"),
        ({"sha256": MNIST, "origin": "MNIST", "recognized": "kmnist"}, "MNIST", "mnist"),
        ({"sha256": SYNTHETIC, "origin": "made by bnexp"}, "synthetic, made by bnexp", "synthetic"),
        ({"sha256": SYNTHETIC}, "synthetic", "synthetic"),
        (
            {"sha256": "ab12" * 16, "origin": "IDX files other than MNIST"},
            "unknown files, SHA-256 ab12ab12ab12...",
            "",
        ),
        ({"sha256": "ab12" * 16, "origin": 7, "recognized": []},
         "unknown files, SHA-256 ab12ab12ab12...", ""),
        ({"sha256": "0" * 64, "origin": "KMNIST", "recognized": "kmnist"}, "KMNIST", "kmnist"),
        ({"sha256": "0" * 64, "origin": "made by x", "recognized": "rings"},
         "rings, made by x", "rings"),
    ],
)  # fmt: skip
def test_manifests_old_and_new(entry, text, recognized):
    (origin,) = stored_origins({"data": {"mnist": entry}}).values()
    assert (origin.text, origin.recognized) == (text, recognized)
    again = stored_origins({"data": {"mnist": origin.content()}})
    assert again == {"mnist": origin}


def test_what_cannot_be_read_from_a_manifest():
    for manifest in (None, {}, {"data": 1}, {"data": {"mnist": {"origin": "MNIST"}}}):
        assert stored_origins(manifest) == {}


def test_origins_that_are_not_known_are_left_out():
    kmnist = DataOrigin("mnist", "KMNIST", "kmnist", "0" * 64)
    known = {"mnist": kmnist}
    assert used_origins([("mnist", ""), ("other", "")], known) == (kmnist,)
    assert used_origins([("mnist", "0" * 64), ("mnist", MNIST)], known)[1].recognized == "mnist"
    assert used_origins([], known) == ()


def test_a_data_set_of_ones_own_is_what_its_function_makes():
    synthetic = bnexp.data.load("synthetic")
    assert loaded_origin("synthetic", synthetic).line() == "data: synthetic, made by bnexp"
    assert loaded_origin("synthetic", synthetic).is_of("synthetic")
    assert not loaded_origin("synthetic", synthetic).is_of("gaussian")
