"""The benchmark: it measures what it says, and its programs train the same networks."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

import bnexp

pytestmark = pytest.mark.slow

SCRIPTS = Path(__file__).parent.parent / "scripts"
SWEEP_ROWS = ["floor32-1", "bnexp32-1", "bnexp64-1", "plain-1", "again", "help"]
CONV_ROWS = ["cnn-bnexp", "cnn-numpy", "cnnbn-bnexp", "cnnbn-numpy", "cnn8-bnexp"]
ROWS = [*SWEEP_ROWS, *CONV_ROWS]


@pytest.fixture(scope="module")
def peers(script: Callable[[str], ModuleType]) -> Callable[[str], ModuleType]:
    """The benchmark's modules by name."""
    return lambda name: script(f"peers.{name}")


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, dict[str, Any]]:
    """What a quick benchmark prints, and what it writes."""
    path = tmp_path_factory.mktemp("bench") / "bench.json"
    command = [sys.executable, SCRIPTS / "bench.py", "--quick", "--repeats", "1", "--json", path]
    done = subprocess.run(
        [*command, "--only", *ROWS], capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 0, done.stderr
    return done.stdout, json.loads(path.read_text())


def test_each_row_has_a_positive_time(measured: tuple[str, dict[str, Any]]) -> None:
    printed, written = measured
    assert list(written["rows"]) == ROWS
    for name, row in written["rows"].items():
        assert row["best"] == row["median"] == row["seconds"][0] > 0
        (line,) = [line for line in printed.splitlines() if line.startswith(f"{name} ")]
        steps = row["networks"] * row["steps"]
        shown = 1000 * row["best"] / steps if name in CONV_ROWS else row["best"]
        assert f"{shown:.3f}" in line
    assert [written["rows"][name]["steps"] for name in CONV_ROWS] == [3] * 5


def test_eight_networks_have_a_rate(measured: tuple[str, dict[str, Any]]) -> None:
    printed, written = measured
    row = written["rows"]["cnn8-bnexp"]
    assert row["networks"] == 8
    assert row["notes"]["networks_a_second"] == pytest.approx(8 / row["best"])
    assert f"cnn8-bnexp: networks_a_second {8 / row['best']:.1f}" in printed


def test_output_fits_80_columns_and_names_the_data(
    measured: tuple[str, dict[str, Any]],
) -> None:
    printed, written = measured
    assert max(len(line) for line in printed.splitlines()) <= 80
    assert "4 networks" in printed
    assert "21 updates" in printed
    assert written["data"].startswith(("mnist", "synthetic"))
    assert written["data"] in printed


def test_an_unknown_row_is_an_error() -> None:
    command = [sys.executable, SCRIPTS / "bench.py", "--quick", "--only", "flor"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 1
    assert "expected some of floor32-1" in done.stderr
    assert "got flor" in done.stderr


def test_the_plain_program_gives_the_same_accuracies(peers: Any) -> None:
    sweep = peers("sweep").Sweep(exponents=(0, -3, 5), epochs=5, data="synthetic", seed=3)
    with threadpool_limits(1, "blas"):
        plain = np.array(peers("plain").prepare(sweep)())  # (networks, evaluations)
    result = bnexp.run(bnexp.load_config("book_weight_scale", sweep.overrides()))
    ours = result.metrics["train_accuracy"].reshape(plain.shape)
    labels = result.metrics["model.norm"].reshape(plain.shape)[:, 0]
    assert plain.shape == (10, 5)
    assert labels.tolist() == ["batch", "none"] * 5
    assert len(np.unique(plain)) > 20  # they do learn: not one constant accuracy
    np.testing.assert_array_equal(ours, plain)


@pytest.fixture(scope="module")
def losses(peers: Any) -> tuple[Any, list[list[float]]]:
    """A ConvNet with batch norm and one without: bnexp's losses after steps 1, 2, 3 in float64."""
    nets = peers("convnets").ConvNets((0.05,), (True, False), 3, "synthetic", seed=3)
    settings = {"train.evaluate": [1, 2, 3], "train.precision": "float64"}
    result = bnexp.run(bnexp.load_config(nets.base, nets.overrides() | settings))
    return nets, result.metrics["train_loss"].reshape(2, 3).tolist()


def test_the_plain_convnets_reach_the_same_losses(
    peers: Any, losses: tuple[Any, list[list[float]]]
) -> None:
    nets, ours = losses
    with threadpool_limits(1, "blas"):
        made = [peers("im2col").prepare(replace(nets, steps=steps))() for steps in (1, 2, 3)]
    assert len(np.unique(ours)) == 6
    np.testing.assert_allclose(np.transpose(made), ours, rtol=1e-8)


def test_the_convnets_in_pytorch_reach_the_same_losses(
    peers: Any, losses: tuple[Any, list[list[float]]]
) -> None:
    pytest.importorskip("torch")
    nets, ours = losses
    assert peers("convtorch").prepare(nets, 1)() == pytest.approx([own[-1] for own in ours], 1e-4)


@pytest.mark.parametrize("norm", [False, True])
def test_the_plain_convnets_gradients(peers: Any, norm: bool) -> None:
    """Along a random direction in all parameters, against the loss's central difference."""
    plain, im2col, convnets = peers("plain"), peers("im2col"), peers("convnets")
    random = np.random.default_rng(5)
    (one,) = convnets.draws(convnets.ConvNets((0.1,), (norm,), 1, "synthetic"))
    layers, x = im2col.build(one), random.standard_normal((6, 1, 28, 28))
    labels = random.integers(0, 10, 6)
    plain.differentiate(layers, x, labels)
    directions = [
        (values, layer.gradients[name], random.standard_normal(values.shape))
        for layer in layers
        for name, values in layer.trained.items()
    ]
    slope = sum(float((gradient * d).sum()) for _, gradient, d in directions)

    def moved(step: float) -> float:
        for values, _, d in directions:
            values += step * d
        return im2col.loss(layers, x, labels, train=True)

    difference = (moved(1e-8) - moved(-2e-8)) / 2e-8
    assert len(directions) == (10 if norm else 6)
    assert abs(slope) > 0.01
    assert slope == pytest.approx(difference, rel=1e-5)


def test_the_floor_is_every_product_and_no_other(
    peers: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    sweep = peers("sweep").Sweep(exponents=(0, -1, 3), epochs=2)
    programs = [peers("floor").prepare(sweep, "float32", share, 2) for share in range(2)]
    made, matmul = [], np.matmul

    def counted(a: Any, b: Any, out: Any) -> Any:
        made.append(2 * out.size * a.shape[-1])
        return matmul(a, b, out=out)

    monkeypatch.setattr(np, "matmul", counted)
    for run in programs:
        run()
    weights, first = 784 * 100 + 4 * 100 * 100 + 100 * 10, 784 * 100
    update = 2 * 100 * (3 * weights - first)  # forward, dW, and dx but of the images
    evaluation = 2 * 1000 * weights
    assert sum(made) == 6 * (11 * update + 2 * evaluation)


def test_targets_are_judged_in_their_direction(peers: Any) -> None:
    def row(seconds: float) -> dict[str, Any]:
        return {"best": seconds, "median": seconds, "notes": {}}

    rows = {"bnexp32-2": row(2.0), "bnexp32-1": row(3.0), "floor32-2": row(1.6), "help": row(0.2)}
    rows |= {"cnn-bnexp": row(1.0), "cnn-numpy": row(6.0), "cnn-torch": row(1.6)}
    judged = {target["what"]: target for target in peers("targets").judged(rows)}
    assert len(judged) == 5
    products = judged["bnexp / products, float32, 2 processes"]
    assert (products["best"], products["met"]) == (1.25, False)
    workers = judged["1 worker / 2 workers, float32"]
    assert (workers["best"], workers["met"]) == (1.5, False)
    assert judged["bnexp --help, seconds"]["met"] is False
    assert judged["CNN, plain im2col / bnexp"]["met"] is True
    assert judged["CNN, PyTorch / bnexp, 1 core"]["met"] is True
