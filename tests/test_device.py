"""Training on a device, with arrays that follow NumPy's protocols in the place of CuPy's."""

from __future__ import annotations

import json
import re
import sys
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest
from device_array import DeviceArray
from model_cases import CNN
from numeric_cases import arrays, bits

import bnexp
from bnexp import ConfigError, device
from bnexp.data import load
from bnexp.execution import task as tasks
from bnexp.execution.task import Task, read_record, record_text, train_networks, train_task
from bnexp.runs.records import decode_record
from bnexp.sweep import make_plan, make_stacks

pytestmark = pytest.mark.usefixtures("one_blas_thread")

ALL = [
    {"kind": "layers", "quantities": ["dead", "rank", "mean_ratio", "update_ratio", "bias_norm"]},
    {"kind": "histogram", "bins": 5},
    {"kind": "percentiles", "layer": 2},
    {"kind": "landscape", "steps": [0.5, 2]},
    "covariate_shift",
    {"kind": "filters", "units": 2},
    {"kind": "confusion", "mistakes": 2},
    {"kind": "robustness", "to": "noise", "strengths": [0.2]},
    {"kind": "robustness", "to": "fgsm", "strengths": [0.1]},
]
COMMON = {
    "random.seeds": [0, 1],
    "sweep.model.init.std": [10.0, 0.3],
    "sweep.model.norm": ["batch", "noisy_batch", "weight", "layer", "none"],
    "data.test": 30,
    "train.epochs": None,
    "train.steps": 4,
    "train.evaluate": [0, 2, 4],
}
NORMS = "sweep.model.norm"
CASES = {
    "probes": {"probes.read": ALL, "probes.at": [0, 1, 4], NORMS: ["batch", "weight", "none"]},
    "dropout, adam": {
        "model.dropout": {"ratio": 0.3},
        "train.optimizer": "adam",
        "train.schedule": "cosine",
        "train.l2": 0.001,
        "train.metrics": ["top2_accuracy", "confidence", "book_loss"],
    },
    "short batches": {
        "train.batch_size": 60,
        "data.train": 130,
        "train.sampling": "shuffle",
        "train.precision": "float64",
        "train.evaluate_train": 77,
        NORMS: [{"kind": "batch", "evaluation": "population"}, "none"],
    },
    "batches scored": {
        "train.evaluate": [1, 4],
        "train.evaluate_train": "batch",
        "train.clip_norm": 0.5,
        "data.pixels": "centred",
        NORMS: [
            {"kind": "batch", "evaluation": "batch"},
            "centre",
            {"kind": "weight", "mean_only": True},
            "spectral",
        ],
    },
    "fitted to data": {
        "sweep.model.init.std": None,
        "model.init": "lsuv",
        NORMS: [{"kind": "weight", "start": "data"}, "none"],
        "data.pixels": "binary",
    },
    "divergence": {"train.optimizer.lr": 1e30},
    "early stopping": {
        "data.test": 0,
        "data.validation": 30,
        "train.steps": 12,
        "train.evaluate": [*range(13)],
        "train.early_stopping": {"patience": 1},
        "train.optimizer": "adam",
        "model.dropout": {"ratio": 0.3},
    },
}


def histories(config, where):
    """What training leaves of each stack."""
    stacks = make_stacks(make_plan(config).networks)
    return [train_networks(s.networks, load("synthetic"), device=where).history for s in stacks]


def left(history):
    readings = [(step, [r.values for r in read]) for step, read in history.readings]
    return bits((history.metrics, history.diverged_at, history.parameters, history.state)), bits(
        [values for _, read in readings for values in read]
    )


@pytest.mark.slow
@pytest.mark.parametrize("case", [*CASES, "cnn", "book's stream"])
def test_training_on_a_device_has_the_bits_of_numpy(case, small, config_file, gpu):
    path, changes = small, {**COMMON, **CASES.get(case, {})}
    if case == "cnn":
        norms = {"sweep": {"model.norm": [{"kind": "batch", "dialect": "pytorch"}, "rms"]}}
        path = config_file(CNN)
        changes = {**norms, "model.dropout.ratio": 0.2, "data.test": 30, "data.train": 100}
    if case == "book's stream":
        path = "book_weight_scale"
        changes = {"data": {"name": "synthetic", "train": 200}, "train.precision": "float32"}
        changes |= {"sweep.model.init.std": [0.3, 0.03], "train.epochs": 1}
    config = bnexp.load_config(path, changes)
    expected, before = histories(config, "cpu"), DeviceArray.fetches
    for on_device, on_cpu in zip(histories(config, "cuda"), expected, strict=True):
        assert left(on_device) == left(on_cpu)
        assert not any(isinstance(a, DeviceArray) for a in arrays(on_device.parameters))
    assert DeviceArray.fetches > before


def test_steps_do_not_wait_for_the_device(small, gpu, monkeypatch):
    """Numbers are fetched at evaluations, as many whatever the number of steps between them."""
    fetched = []
    device.device_array("cuda")  # which tries a product
    for steps in (4, 12):
        at_ends = {"train.evaluate": [1, steps], "train.epochs": None, "train.steps": steps}
        norms = {"sweep.model.norm": ["batch", "weight", "layer", "none"]}
        config = bnexp.load_config(small, {**at_ends, **norms, "model.dropout.ratio": 0.2})
        before = DeviceArray.fetches
        histories(config, "cuda")
        fetched.append(DeviceArray.fetches - before)
    assert fetched[0] == fetched[1]


def test_a_stack_that_does_not_fit_is_halved(small, gpu, monkeypatch):
    """Until it fits, and with the same records; a network that does not fit alone is an error."""
    networks = tuple(
        n for n in make_plan(bnexp.load_config(small)).networks if n.setting.model.norm
    )
    limit, released = 2, []
    original = tasks.train

    def train(network, optimizer, lr, *others, **options):
        if len(lr) > limit and isinstance(lr, DeviceArray):
            raise MemoryError("Out of memory allocating 1,024 bytes")
        return original(network, optimizer, lr, *others, **options)

    monkeypatch.setattr(tasks, "train", train)
    cupy = sys.modules["cupy"]
    free = SimpleNamespace(free_all_blocks=lambda: released.append(True))
    cupy.get_default_memory_pool = lambda: free
    on_device = train_task(Task(networks, device="cuda"))
    expected = train_task(Task(networks))
    assert [r.metrics for r in on_device] == [r.metrics for r in expected]
    assert {r.device for r in on_device} == {"cuda"}
    assert len(released) == 3  # of 6 networks: 6, 3, 3
    limit = 0
    with pytest.raises(ConfigError, match=r"out of memory with a single network on cuda \(Out of"):
        train_task(Task(networks[:1], device="cuda"))


def test_a_record_says_its_device_unless_it_is_the_cpu(small, gpu):
    networks = make_plan(bnexp.load_config(small)).networks[:1]
    for where in ("cpu", "cuda"):
        (record,) = train_task(Task(networks, device=where))
        text = record_text(record)
        assert ('"device":"cuda"' in text, "device" in text) == (where == "cuda",) * 2
        assert read_record(text) == decode_record(json.loads(text)) == record


def test_facts_and_memory_are_those_of_cupy(gpu, monkeypatch):
    gpu(free=12345)
    monkeypatch.setattr(device, "_driver", lambda: "560.35")
    assert device.device_facts("cuda") == {
        "kind": "cuda",
        "name": "NVIDIA Paper 1",
        "driver": "560.35",
        "cuda": "12.9",
        "cupy": "14.2.0",
    }
    assert device.free_memory("cuda") == 12345
    assert device.device_facts("cpu") == {}
    assert device.free_memory("cpu") is None


def broken(cupy: ModuleType) -> None:
    def fail(*arguments):
        raise RuntimeError("libnvrtc.so.12: cannot open\n  shared object")

    cupy.matmul = fail


def without_driver(cupy: ModuleType) -> None:
    def fail():
        raise RuntimeError("cudaErrorNoDevice: no CUDA-capable device is detected")

    cupy.cuda.runtime.getDeviceCount = fail


@pytest.mark.parametrize(
    ("change", "text"),
    [
        (None, r"needs CuPy, which cannot be imported .*; pip install 'bnexp\[gpu\]'; or train"),
        (without_driver, "needs an NVIDIA GPU and its driver, got cudaErrorNoDevice.*nvidia-smi"),
        (broken, "cannot compute on it, RuntimeError: libnvrtc.so.12: cannot open shared object"),
    ],
)
def test_messages_say_what_to_install(change, text, gpu, monkeypatch):
    cupy = gpu()
    if change is None:
        monkeypatch.setitem(sys.modules, "cupy", None)
    else:
        change(cupy)
    with pytest.raises(ConfigError, match=text):
        device.device_array("cuda")
    assert type(device.device_array("cpu")) is np.ndarray


def test_no_gpu_and_no_such_device_are_said(gpu):
    gpu(devices=0)
    with pytest.raises(ConfigError, match="found none; CUDA_VISIBLE_DEVICES may hide them"):
        device.device_array("cuda")
    with pytest.raises(ConfigError, match="no such device, expected one of cpu, cuda, got 'tpu'"):
        device.device_array("tpu")
    for name in ("gpu", "cuda:0", "GPU"):
        with pytest.raises(ConfigError, match=f"got '{name}'; write cuda; .*CUDA_VISIBLE_DEVICES"):
            device.device_array(name)
    for name in (None, 0, ["cuda"]):
        with pytest.raises(ConfigError, match=re.escape(f"expected cpu or cuda, got {name!r}")):
            device.device_array(name)
