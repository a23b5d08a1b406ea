"""scripts/gpu.py with a CuPy of arrays in plain memory; and, on a GPU, what it finds there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import bnexp
from bnexp import ConfigError, device

pytestmark = pytest.mark.usefixtures("one_blas_thread")

ROOT = Path(__file__).parents[1]
WITHOUT = "pydantic yaml click matplotlib pooch threadpoolctl filelock jinja2 tqdm"
NUMPY_ONLY = f"""
import sys
class Refuse:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in {WITHOUT.split()}:
            raise ImportError(name)
sys.meta_path.insert(0, Refuse())
sys.argv = ["gpu.py", "--quick"]
import runpy
runpy.run_path("scripts/gpu.py", run_name="__main__")
"""


@pytest.fixture
def real_gpu():
    """Skips the test where there is no GPU."""
    device._cupy.cache_clear()
    try:
        device.device_array("cuda")
    except ConfigError as error:
        pytest.skip(str(error))


@pytest.mark.slow
def test_it_compares_measures_and_prints(script, gpu, monkeypatch, capsys, tmp_path):
    module = script("gpu")
    monkeypatch.setattr(module, "POINTS", range(1, 3))
    monkeypatch.setattr(module.Sweep, "points", (1, 2), raising=False)
    times = {"networks": 32, "drawing": 0.5, "training": 2.0}
    monkeypatch.setattr(module, "sweep_seconds", lambda seeds: times)
    monkeypatch.setattr(module.importlib.util, "find_spec", lambda name: None)
    assert module.main(["--quick", "--json", str(tmp_path / "gpu.json")]) == 0
    printed = capsys.readouterr().out
    assert "GPU     NVIDIA Paper 1, 1.0 GB free" in printed
    assert "relative 0.0e+00" in printed  # the same bits
    assert "4 networks of the book's sweep in float32, 4 updates" in printed
    assert "bnexp" in printed
    assert "16 a second" in printed
    numbers = json.loads((tmp_path / "gpu.json").read_text())
    assert {panel["apart"] for panel in numbers["panels"]} == {0.0}
    assert len(numbers["layers"]) > 40
    assert [row[0] for row in numbers["table"][1:]] == ["bnexp", "ConvNet", "ConvNet, batch norm"]


def test_a_wrong_layer_and_a_wrong_network_are_said(script, gpu, monkeypatch, capsys):
    module = script("gpu")
    monkeypatch.setattr(module, "measured", lambda *arguments: iter(()))
    monkeypatch.setattr(module, "layer_errors", lambda like: {"dense": 1e-3, "conv": 0.0})
    panels = [module.Panel("batch", 0.1, 0.5, 0.51, 0.01, nudged) for nudged in (0.004, 0.003)]
    monkeypatch.setattr(module, "panels", lambda sweep: panels)
    assert module.main(["--quick"]) == 1
    printed = capsys.readouterr().out
    assert "2 layers, forward and back in float64: 1 agree" in printed
    assert printed.count("DISAGREES") == 2
    assert "0 within 0.002, 1 within 3 times what last bits change on the CPU, 1 apart" in printed


def test_its_networks_are_those_of_bnexp(script, gpu):
    """The weights, batches and accuracies of the sweep are those of the same experiment."""
    module = script("gpu")
    sweep = module.Sweep(2, (1, 3), (0.3, 0.03))
    accuracies = module.trained(sweep, sweep.draws(), "cpu")
    data = module.images()
    config = {
        "name": "same",
        "model": {"hidden": [100] * 5, "init": {"kind": "normal", "std": 1.0}},
        "train": {"steps": 3, "evaluate": [1, 3], "batch_size": 100, "precision": "float32"},
        "data": {"test": 0},
        "random": {"seeds": [0, 1]},
        "sweep": {"model.init.std": [0.3, 0.03], "model.norm": ["batch", "none"]},
    }
    config["train"] |= {"optimizer": {"kind": "sgd", "lr": 0.01}, "sampling": "with_replacement"}
    x, labels = data.batch(slice(None))
    metrics = bnexp.run(config, data=(np.round(x * 255).astype(np.uint8), labels)).metrics
    for norm, by_network in accuracies.items():
        for (seed, scale), expected in zip(sweep.members(), by_network, strict=True):
            chosen = (metrics["model.norm"] == norm) & (metrics["seed"] == seed)
            chosen &= metrics["model.init.std"] == scale
            assert metrics["train_accuracy"][chosen].tolist() == expected.tolist()


def test_without_cupy_it_says_what_to_install_and_needs_numpy_only():
    command = [sys.executable, "-c", NUMPY_ONLY]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    if done.returncode == 0:  # there is a GPU
        assert " agree" in done.stdout
    else:
        assert done.returncode == 2, done.stderr
        assert "device: cuda needs" in done.stderr


@pytest.mark.gpu
def test_layers_of_the_gpu_agree_with_the_cpu(script, real_gpu):
    module = script("gpu")
    errors = module.layer_errors(device.device_array("cuda"))
    assert {n: e for n, e in errors.items() if not e <= module.LAYER_ERROR} == {}


@pytest.mark.gpu
def test_accuracies_of_the_gpu_agree_with_the_cpu(script, real_gpu):
    module = script("gpu")
    assert [panel for panel in module.panels(module.Sweep()) if not panel.agrees] == []


@pytest.mark.gpu
def test_a_run_on_the_gpu_agrees_with_the_cpu(real_gpu, small):
    changes = {"sweep.model.init.std": [0.3, 0.1], "probes.read": ["layers"]}
    config = bnexp.load_config(small, changes)
    on_cpu, on_gpu = (bnexp.run(config, device=where) for where in ("cpu", "cuda"))
    assert on_gpu.metrics["cell"].tolist() == on_cpu.metrics["cell"].tolist()
    apart = np.abs(on_gpu.metrics["train_accuracy"] - on_cpu.metrics["train_accuracy"])
    assert apart.max() <= 0.01  # two of 200 images
