"""Estimates against what is really allocated, and what is refused before anything is made."""

from __future__ import annotations

import json
import subprocess
import sys
import tracemalloc

import numpy as np
import pytest
from idx_folders import small_arrays, write_set

import bnexp
from bnexp import estimate as module
from bnexp.config import load_config
from bnexp.data.arrays import ROLES, make_dataset
from bnexp.data.datasets import ImageCounts, count_images
from bnexp.errors import ConfigError
from bnexp.estimate import check_memory, estimate
from bnexp.execution.task import Task, train_task
from bnexp.running import prepare
from bnexp.sweep import make_plan, make_stacks

NORMS = ("none", "batch", "layer", "rms", "weight")
OPTIMIZERS = ("sgd", "momentum", "adam", "rmsprop")
PROBES = (None, {"kind": "layers"}, {"kind": "landscape"}, {"kind": "covariate_shift"})


def random_plan(generator):
    """A dictionary of an experiment, and a data set that it can be trained on."""

    def one(*values):
        return values[generator.integers(len(values))]

    def number(low, high):
        return int(np.exp(generator.uniform(np.log(low), np.log(high))))

    side, train, test = number(10, 40), number(300, 2000), one(1, number(100, 1000))
    model = {"norm": one(*NORMS), "activation": one("relu", "tanh"), "init": one("he", "xavier")}
    if generator.random() < 0.5:
        model["hidden"] = [number(50, 600) for _ in range(number(1, 6))]
    else:
        blocks = [{"kind": "conv", "features": number(4, 30), "size": one(1, 3, 5)}]
        blocks += [{"kind": one("max_pool", "average_pool")}] * one(0, 1)
        blocks += [{"kind": "dense", "features": number(20, 200)}] * one(0, 1)
        model |= {"kind": "cnn", "blocks": blocks}
    if generator.random() < 0.3:
        model["dropout"] = {"ratio": 0.3}
    probe = one(*PROBES)
    experiment = {
        "name": "drawn",
        "data": {"name": "synthetic", "test": one(0, "all"), "draw": one("first", "seed")},
        "model": model,
        "train": {
            "steps": 3,
            "batch_size": number(10, 150),
            "optimizer": {"kind": one(*OPTIMIZERS), "lr": 0.001},
            "precision": one("float32", "float64"),
            "evaluate": one([1, 3], {"every": 1}),
            "evaluate_train": one("all", "batch", 100),
        },
        "random": {"seeds": list(range(one(1, 3)))},
        **({"probes": {"read": [probe]}} if probe else {}),
    }
    arrays = [
        generator.integers(0, 256, (train, side, side, 1), np.uint8),
        np.arange(train, dtype=np.uint8) % 10,
        generator.integers(0, 256, (test, side, side, 1), np.uint8),
        np.arange(test, dtype=np.uint8) % 10,
    ]
    return experiment, make_dataset("drawn", dict(zip(ROLES, arrays, strict=True)), "a test")


def plan_of(path, experiment):
    path.write_text(json.dumps(experiment))  # which is YAML, too
    return make_plan(load_config(path))


def estimated_and_allocated(plan, dataset):
    """The bytes of the largest stack without those of the data set: estimated, and at the peak."""
    needs = estimate(plan.networks, {"synthetic": count_images(dataset)})
    size = max(len(stack.networks) for stack in make_stacks(plan.networks))
    tracemalloc.start()
    try:
        train_task(Task(plan.networks[:size], data=dataset))
        allocated = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    images = 2 * (dataset.train_images.size + dataset.test_images.size)
    return needs.largest.bytes - images, allocated


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(8))
def test_the_estimate_of_a_random_plan_is_within_a_factor_of_two(seed, tmp_path):
    experiment, dataset = random_plan(np.random.default_rng(seed))
    plan = plan_of(tmp_path / "drawn.yaml", experiment)
    estimated, allocated = estimated_and_allocated(plan, dataset)
    assert allocated / 2 < estimated < 2 * allocated, experiment


def test_rows_are_those_of_the_tables(tmp_path):
    probes = [
        {"kind": "layers", "quantities": ["dead", "weight_norm"]},
        {"kind": "histogram", "bins": 7},
        {"kind": "percentiles", "layer": 2},
        {"kind": "landscape", "steps": [0.5, 1]},
        {"kind": "covariate_shift"},
    ]
    small = {"data.name": "synthetic", "data.train": 100, "train.epochs": 3}
    read = {"probes": {"at": {"every": 4}, "read": probes}, "model.hidden": [9, 8]}
    config = load_config("quickstart", {**small, **read, "sweep.model.init.std": [0.1, 0.01]})
    prepared = prepare(config)
    counts = {name: count_images(images) for name, images in prepared.data.items()}
    needs = estimate(prepared.plan.networks, counts)
    result = bnexp.run(config)
    assert needs.evaluations == len(result.metrics["cell"]) > 0
    assert needs.readings == len(result.results.probes["cell"]) > 0


SYNTHETIC = {"synthetic": ImageCounts(200, 0, (28, 28, 1), 10)}
SMALL = """\
name: small
data: {name: synthetic, train: 200}
model: {hidden: [10]}
train:
  steps: 100
  batch_size: 20
  optimizer: {kind: sgd, lr: 0.1}
"""
MANY = SMALL.replace("steps: 100\n", "steps: 10000000\n  evaluate: {every: 1}\n")
LARGE = """\
name: large
data: {name: FOLDER}
model: {hidden: [4000]}
train: {steps: 1, batch_size: 2, optimizer: {kind: sgd, lr: 0.1}}
"""
ALL_AT_ONCE = """\
name: at_once
data: {name: FOLDER}
model:
  kind: cnn
  norm: {kind: batch, evaluation: batch}
  blocks:
    - {kind: conv, features: 2000, size: 5, padding: 2}
    - {kind: global_average_pool}
train: {steps: 1, batch_size: 2, optimizer: {kind: sgd, lr: 0.1}}
"""
# Peak and seconds of a check in a new process, without and with a limit of the machine's memory.
CHECKED = """\
import sys, time
from bnexp import estimate
from bnexp.cli.main import cli
if len(sys.argv) > 2:
    estimate.usable_memory = lambda: int(sys.argv[2])
started = time.process_time()
status = cli(["check", sys.argv[1]], standalone_mode=False)
print("STATUS", status, time.process_time() - started)
with open("/proc/self/status") as file:  # ru_maxrss would count the process that started this one
    peak = next(line.split()[1] for line in file if line.startswith("VmHWM"))
print("PEAK", int(peak) // 1024)
"""


@pytest.fixture
def folder(tmp_path):
    return write_set(tmp_path / "digits", small_arrays(0, shape=(250, 250), train=40, test=10))


def checked(path, *limit):
    """The message of `bnexp check` in a process of its own, its CPU seconds and its peak in MB."""
    command = [sys.executable, "-c", CHECKED, str(path), *map(str, limit)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    words = done.stdout.split()
    assert words[words.index("STATUS") + 1] == "2"
    seconds = float(words[words.index("STATUS") + 2])
    return done.stderr, seconds, int(words[words.index("PEAK") + 1])


@pytest.mark.slow
def test_ten_million_evaluations_of_a_thousand_networks(config_file):
    sweep = "sweep: {train.l2: {linspace: [0, 0.1, 1000]}}\n"
    message, seconds, peak = checked(config_file(MANY + sweep))
    assert ":6:13: train.evaluate: too many evaluations, expected at most 1," in message
    assert "got 10,000,000,000 of 1,000 networks, up to 10,000,000 each; choose fewer" in message
    assert peak < 500
    assert seconds < 5


@pytest.mark.slow
def test_readings_are_counted_too(config_file):
    probes = "probes: {at: {every: 2}, read: [{kind: histogram, bins: 1000}]}\n"
    text = MANY.replace("every: 1", "every: 1000") + probes
    message, _, peak = checked(config_file(text))
    assert ":9:14: probes.at: too many readings, expected at most" in message
    assert "of probes.csv (200 MB, which bnexp can read), got 5,000,000,000 of 1 network" in message
    assert peak < 500


@pytest.mark.slow
def test_weights_are_counted_for_the_images_at_hand(config_file, folder):
    path = config_file(LARGE.replace("FOLDER", str(folder)))
    message, _, peak = checked(path)
    assert ":3:17: model.hidden: too large, expected at most 20,000,000 weights, got" in message
    assert "got 250,040,000 for images of 250 x 250" in message
    assert peak < 500
    with pytest.raises(ConfigError, match="got 250,040,000 for images of 250 x 250"):
        bnexp.run(path)
    with pytest.raises(ConfigError, match="got 250,040,000 for images of 250 x 250"):
        bnexp.fit(str(path))


def test_the_place_of_a_swept_width_is_in_the_sweep(config_file, folder):
    sweep = "sweep: {model.hidden: [[10], [4000]]}\n"
    path = config_file(LARGE.replace("FOLDER", str(folder)).replace("4000", "20") + sweep)
    with pytest.raises(ConfigError, match=r":5:30: sweep.model.hidden\[1\]: too large, expected"):
        prepare(load_config(path))


@pytest.mark.slow
def test_an_image_of_too_many_numbers(config_file, folder):
    text = ALL_AT_ONCE.replace("FOLDER", str(folder))
    message, _, peak = checked(config_file(text))
    assert (
        ":7:5: model.blocks: too large, expected at most 20,000,000 numbers of an image in one "
        "layer, got 125,000,000 for images of 250 x 250"
    ) in message
    assert peak < 500


@pytest.mark.slow
def test_memory_is_refused_with_what_it_is_for(config_file, folder):
    text = ALL_AT_ONCE.replace("FOLDER", str(folder)).replace("2000", "100")
    message, _, peak = checked(config_file(text), 2 * 10**9)
    assert (
        ":7:5: model.blocks: too large for this machine, expected at most 2 GB of memory, got "
        "about 2.8 GB, of which 2.4 GB for the images that are scored at once"
    ) in message
    assert peak < 500


@pytest.mark.parametrize(
    ("more", "limit", "expected"),
    [
        ({"train.batch_size": 2000, "data.train": 2000}, 160, "train.batch_size: too large"),
        ({"model.hidden": [5000, 2000]}, 300, "model.hidden: too large"),
        ({"train.steps": 50_000, "train.evaluate.every": 1}, 180, "train.evaluate: too large"),
    ],
)
def test_the_key_that_decides_is_named(config_file, monkeypatch, more, limit, expected):
    monkeypatch.setattr(module, "usable_memory", lambda: limit * 10**6)
    wide = {"model.hidden": [300] * 10} if "train.batch_size" in more else {}
    with pytest.raises(ConfigError, match=f"{expected} for this machine, expected at most"):
        bnexp.run(load_config(config_file(SMALL), {**wide, **more}))


def test_too_many_workers_are_refused_and_fewer_named(config_file, monkeypatch):
    sweep = "sweep: {train.batch_size: [10, 20, 30, 40]}\n"
    config = load_config(config_file(SMALL + sweep))
    monkeypatch.setattr(module, "usable_memory", lambda: 400 * 10**6)
    with pytest.raises(ConfigError, match=r"expected at most 400 MB, got about .* \(-j 3\)"):
        bnexp.run(config, jobs=4)
    needs = estimate(
        make_plan(config).networks, {"synthetic": ImageCounts(200, 0, (28, 28, 1), 10)}
    )
    assert needs.line(4).endswith("; this machine has 400 MB: use -j 3")
    assert needs.memory(3) <= 400e6 < needs.memory(4) == needs.memory(64)
    check_memory(config, needs, 3)


def test_more_workers_than_stacks_need_no_more(config_file):
    plan = make_plan(load_config(config_file(SMALL)))
    needs = estimate(plan.networks, SYNTHETIC)
    assert needs.memory(1) == needs.memory(8) < 200e6
    assert needs.line(8).startswith("expected: about 2 s and ")
    assert needs.line(8).endswith(" MB of memory with 1 worker")
