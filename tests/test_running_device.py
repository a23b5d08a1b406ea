"""A run on a device, from the command to the manifest, with CuPy's place taken by a fake."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from click.testing import CliRunner
from device_array import DeviceArray

import bnexp
from bnexp import ConfigError, device, estimate, running
from bnexp.cli.main import cli
from bnexp.comparison import compare, compare_lines, verify, verify_lines
from bnexp.data import load
from bnexp.data.datasets import count_images
from bnexp.execution import stopping
from bnexp.plots import Drawn
from bnexp.progress import Progress
from bnexp.sweep import make_plan, make_stacks

FEW = {"sweep.model.init.std": [0.3, 0.1], "train.epochs": 1}


@pytest.fixture
def run(small, tmp_path, gpu, monkeypatch):
    monkeypatch.setattr(device, "_driver", lambda: "560.35")
    monkeypatch.setattr(running, "write_figures", lambda *run: Drawn())
    config = bnexp.load_config(small, FEW)

    def start(where="cuda", out="out", **options):
        changes = options.pop("changes", {})
        changed = bnexp.load_config(small, {**FEW, **changes}) if changes else config
        return bnexp.run(changed, tmp_path / out, device=where, **options)

    return start


def command(*arguments: object):
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


def manifest(folder: Path):
    return json.loads((folder / "manifest.json").read_text())


def test_ids_and_tables_are_those_of_the_cpu(run, tmp_path):
    on_device, on_cpu = run(), run("cpu", "cpu")
    assert on_device.metrics["cell"].tolist() == on_cpu.metrics["cell"].tolist()
    tables = [(tmp_path / out / "metrics.csv").read_bytes() for out in ("out", "cpu")]
    assert tables[0] == tables[1]
    facts = manifest(tmp_path / "out")["environment"]["device"]
    assert (facts["name"], facts["driver"], facts["cupy"]) == ("NVIDIA Paper 1", "560.35", "14.2.0")
    assert "device" not in manifest(tmp_path / "cpu")["environment"]
    cells = [*(tmp_path / "out" / "cells").iterdir()]
    assert len(cells) == 8
    assert all(b'"device":"cuda"' in cell.read_bytes() for cell in cells)
    assert not any(b"device" in c.read_bytes() for c in (tmp_path / "cpu" / "cells").iterdir())


def test_another_device_finishes_a_run_only_if_it_is_asked_to(run, tmp_path):
    run(changes={"random.seeds": [0]})
    expected = r"4 networks trained on cuda, expected .*--device cuda.*--fresh.*--mix-devices"
    with pytest.raises(ConfigError, match=expected):
        run("cpu")
    assert run("cpu", changes={"random.seeds": [0]}).trained == 0  # nothing is left to train
    mixed = run("cpu", mix_devices=True)
    assert mixed.trained == 4
    assert manifest(tmp_path / "out")["devices"] == {"cuda": 4, "cpu": 4}
    assert run("cpu", fresh=True).trained == 8
    assert "devices" not in manifest(tmp_path / "out")


def test_a_checkpoint_is_continued_on_its_own_device(run, tmp_path):
    long = {"train.epochs": 3, "random.seeds": [0], "sweep.model.init.std": [0.3]}
    expected = run("cpu", "whole", changes=long).metrics
    with pytest.raises(KeyboardInterrupt, match="with a checkpoint at step"):
        run(changes=long, progress=Progress(steps=lambda n: n >= 8 and stopping.request()))
    assert [*(tmp_path / "out" / "checkpoints").iterdir()]
    with pytest.raises(ConfigError, match="trained on cuda"):
        run("cpu", changes=long)
    metrics = run("cpu", changes=long, mix_devices=True).metrics
    assert metrics["train_loss"].tolist() == expected["train_loss"].tolist()


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"jobs": 2}, "jobs: expected 1 with device cuda, .* got 2"),
        ({"cell_timeout": 3.0}, "cell_timeout: expected none with device cuda"),
        ({"place": type("Queue", (), {"workers": 1})()}, "expected no executor, got Queue"),
        ({"where": "gpu"}, "no such device, expected one of cpu, cuda"),
    ],
)
def test_what_a_device_cannot_do_is_refused_before_training(options, text, run, tmp_path):
    with pytest.raises(ConfigError, match=text):
        run(**options)
    assert not (tmp_path / "out").exists()


def test_the_books_arithmetic_is_refused(gpu, tmp_path):
    few = {"data": {"name": "synthetic", "train": 200}, "train.epochs": 1}
    few |= {"sweep.model.init.std": [0.3], "model.hidden": [5]}
    text = "train.precision: replays the book's arithmetic .* expected float32 with device cuda"
    for start in (bnexp.run, lambda *a, **o: bnexp.fit(*a, {"model.norm": "none"}, **o)):
        with pytest.raises(ConfigError, match=text):
            start(bnexp.load_config("book_weight_scale", few), device="cuda")


def test_a_model_that_was_fitted_on_a_device_is_on_the_cpu(small, gpu):
    point = {"model.init.std": 0.3, "model.norm": "batch"}
    models = [bnexp.fit(small, point, seed=0, device=where) for where in ("cpu", "cuda")]
    images = load("synthetic").test_images
    logits = [model.logits(images) for model in models]
    assert not any(isinstance(w, DeviceArray) for p in models[1].parameters for w in p.values())
    assert logits[0].tobytes() == logits[1].tobytes()


def test_verify_and_compare_know_the_device(run, tmp_path, monkeypatch):
    run()
    run("cpu", "cpu")
    text = "\n".join(compare_lines(compare(tmp_path / "out", tmp_path / "cpu")))
    assert "device.name\n    A: NVIDIA Paper 1\n    B: (not set)" in text
    assert verify(tmp_path / "out", device="cuda").causes == ()
    same = verify(tmp_path / "out")
    assert same.exit_status == 0
    assert next((c.key, c.first) for c in same.causes or ()) == ("GPU", "NVIDIA Paper 1")
    different = replace(same.networks[0], outcome="different", reason="another number")
    lines = verify_lines(replace(same, networks=(different,)))
    assert "trained on other devices, which differ in the last bits" in " ".join(
        " ".join(lines).split()
    )


def test_stacks_are_as_large_as_memory_allows(small, monkeypatch):
    monkeypatch.setattr(estimate, "usable_memory", lambda: None)
    networks = make_plan(bnexp.load_config(small, {"random.seeds": list(range(1000))})).networks
    counts = {"synthetic": count_images(load("synthetic"))}
    sizes = {}
    for free in (2_000_000, 50_000_000, 10**12):
        stacks = make_stacks(networks, size=estimate.device_stacks(counts, free))
        sizes[free] = max(len(stack.networks) for stack in stacks)
        needs = estimate.stack_needs(
            stacks[0].networks,
            counts["synthetic"],
            estimate.scoring_of(networks[0], 10),
        )
        assert needs.bytes <= free or sizes[free] == 1
    assert sizes[10**12] == 3000  # one structure: all its networks
    assert 1 <= sizes[2_000_000] < sizes[50_000_000] < 3000
    monkeypatch.setattr(estimate, "DEVICE_STACK", 256)
    stacks = make_stacks(networks, size=estimate.device_stacks(counts, 10**12))
    assert max(len(stack.networks) for stack in stacks) <= 256


@pytest.mark.slow
def test_the_command_has_the_device(small, tmp_path, gpu, monkeypatch):
    monkeypatch.setattr(device, "_driver", lambda: None)
    monkeypatch.setattr(running, "write_figures", lambda *run: Drawn())
    few = [part for key, value in FEW.items() for part in ("--set", f"{key}={value}")]
    out = tmp_path / "out"
    run = command("run", small, *few, "--out", out, "--device", "cuda", "--quiet")
    assert (run.exit_code, run.output) == (0, "")
    assert manifest(out)["environment"]["device"]["driver"] is None
    assert manifest(out)["jobs"] == 1
    again = command("run", small, *few, "--set", "random.seeds=[7]", "--out", out, "--quiet")
    assert again.exit_code == 0  # of other networks
    refused = command("run", small, *few, "--seeds", "3", "--out", out)
    assert refused.exit_code == 2
    assert "--mix-devices" in refused.output
    checked = command("verify", out, "--device", "cuda")
    assert (checked.exit_code, "identical" in checked.output) == (0, True)
    wrong = command("run", small, "--device", "cuda", "-j", "2", "--out", out)
    assert (wrong.exit_code, "jobs: expected 1" in wrong.output) == (2, True)


def test_a_dry_run_says_what_a_device_cannot_do(small, tmp_path, gpu):
    dry = ("run", small, "--device", "cuda", "--dry-run", "--out", tmp_path / "out")
    few = ("--set", "data.name=synthetic", "--set", "data.train=200")
    valid = command(*dry)
    assert (valid.exit_code, "expected: about" in valid.output) == (0, False)
    assert "expected: about" in command(*dry[:2], *dry[4:]).output
    refused = command("run", "book_weight_scale", *few, *dry[2:])
    assert (refused.exit_code, "expected float32 with device cuda" in refused.output) == (2, True)
    gpu(devices=0)
    missing = command(*dry)
    assert (missing.exit_code, "found none" in missing.output) == (2, True)
    several = command(*dry, "-j", "3")  # which is refused whether there is a GPU or not
    assert (several.exit_code, "jobs: expected 1" in several.output) == (2, True)
    assert not (tmp_path / "out").exists()


def test_the_function_of_gpu_md_runs_on_a_device():
    page = (Path(__file__).parents[1] / "docs" / "gpu.md").read_text()
    (block,) = re.findall(r"```python\n(.*?)```", page, re.DOTALL)
    names: dict = {}
    exec(block, names)
    x = np.random.default_rng().standard_normal((2, 3, 4))
    assert names["shifted"](DeviceArray(x)).get().tobytes() == names["shifted"](x).tobytes()
