"""A network that goes on from its checkpoint ends with the bits of one that was never stopped."""

from __future__ import annotations

from dataclasses import dataclass, replace

import pytest

import bnexp
from bnexp.execution import checkpoints
from bnexp.execution.checkpoints import Checkpoints
from bnexp.execution.processes import Local
from bnexp.execution.task import Task, dataset, train_task
from bnexp.files import decode_npz, encode_npz
from bnexp.progress import Progress
from bnexp.sweep import make_plan

pytestmark = pytest.mark.usefixtures("one_blas_thread")

NEVER = 1e9
FOUR = {
    "data.train": 110,
    "data.test": 20,
    "model.hidden": [6, 5],
    "train.batch_size": 40,
    "train.sampling": "shuffle",
    "train.epochs": None,
    "train.steps": 12,
    "train.evaluate": [0, 1, 4, 6, 9, 12],
    "sweep.model.init.std": [0.3, 0.05],
    "sweep.model.norm": None,
}
CONV = {"kind": "conv", "features": 3, "size": 3}
IMAGES = {
    "kind": "cnn",
    "blocks": [CONV, {"kind": "max_pool", "size": 4}, {"kind": "dense", "features": 5}],
    "init": {"kind": "normal", "std": 0.1},
    "norm": "batch",
}
DECAY = {"kind": "step", "every": 3, "gamma": 0.5, "warmup": 2}


def optimizer(kind, **options):
    return {"train.optimizer": {"kind": kind, "lr": 0.05, **options}}


def evaluated(how):
    return {"model.norm": {"kind": "batch", "evaluation": how}}


CASES = {
    **{kind: optimizer(kind) for kind in ("sgd", "momentum", "nesterov")},
    **{kind: optimizer(kind) for kind in ("adagrad", "rmsprop", "adam")},
    "the book's adam": optimizer("adam", dialect="book"),
    **{f"batch norm, {how}": evaluated(how) for how in ("running", "debiased", "population")},
    "batch norm, batch": evaluated("batch"),
    "batch norm, cumulative": {"model.norm": {"kind": "batch", "average": "cumulative"}},
    "batch norm, frozen": {"model.norm": {"kind": "batch", "freeze_after": 5}},
    "decay of gamma": {"train.weight_decay": 0.1, "train.decay_also": ["gamma", "bias"]},
    "noisy_batch": {"model.norm": "noisy_batch"},
    "layer": {"model.norm": "layer"},
    "weight norm": {"model.norm": {"kind": "weight", "start": "data"}},
    "mean-only": {"model.norm": {"kind": "weight", "mean_only": True}},
    "spectral": {"model.norm": "spectral"},
    "dropout": {"model.dropout": {"ratio": 0.4}, **optimizer("adam")},
    "with_replacement": {"train.sampling": "with_replacement"},
    "by class": {"train.sampling": "by_class", "train.classes_per_batch": 2},
    "stream book": {
        "random.stream": "book",
        "train.sampling": "with_replacement",
        "train.evaluate": "book",
    },
    "step": {"train.schedule": DECAY},
    "cosine": {"train.schedule": {"kind": "cosine", "warmup": 3}},
    "decay": {"train.l2": 0.01, "train.weight_decay": 0.01, "train.clip_norm": 0.5},
    "float64": {"train.precision": "float64", **optimizer("adam"), **evaluated("running")},
    "cnn": {
        "sweep.model.init.std": None,
        "model": IMAGES,
        "sweep.train.optimizer.lr": [0.1, 0.01],
    },
    "probes": {"probes": {"read": ["layers", "landscape"], "at": [0, 3, 5, 7, 12]}},
    "own rates": {"sweep.model.init.std": None, "sweep.train.optimizer.lr": [0.5, 0.01]},
    "early stopping": {
        "data.validation": 20,
        "data.test": 0,
        "train.early_stopping": {"patience": 1, "metric": "accuracy"},
        "model.dropout": {"ratio": 0.4},
        **evaluated("running"),
        **optimizer("adam"),
    },
    "diverged": {"sweep.model.init.std": [1e25, 0.05], **evaluated("running")},
}


class Stopped(Exception):
    """Stands for whatever ends a process."""


@dataclass(frozen=True)
class Stopping(Checkpoints):
    """Saves after step `at`, and stops there."""

    at: int = 0

    def saver(self, networks, data_sha256):
        def keep(snapshot):
            if snapshot().step == self.at:
                self.save(networks, data_sha256, snapshot())
                raise Stopped

        return keep


def cells_of(small, changes):
    plan = make_plan(bnexp.load_config(small, {**FOUR, **changes}))
    assert len(plan.networks) == 4
    return plan.networks


def numbers(records):
    """All that is recorded, but the time."""
    return {record.cell: repr(replace(record, seconds=0.0)) for record in records}


def stop(networks, folder, at):
    with pytest.raises(Stopped):
        train_task(Task(tuple(networks), None, Stopping(folder, NEVER, at=at)))


def resumed(networks, folder):
    return numbers(train_task(Task(tuple(networks), None, Checkpoints(folder, NEVER))))


@pytest.mark.slow
@pytest.mark.parametrize("changes", CASES.values(), ids=CASES)
def test_stopped_at_any_step_it_ends_with_the_same_bits(small, tmp_path, changes):
    networks = cells_of(small, changes)
    records = train_task(Task(networks))
    expected = numbers(records)
    assert len(set(expected.values())) == 4
    for at in (1, 2, 5, 6, records[0].steps[-1]):
        folder = tmp_path / str(at)
        stop(networks, folder, at)
        assert resumed(networks, folder) == expected


OTHERS = ("adam", "noisy_batch", "dropout", "cnn", "early stopping", "diverged", "probes")


@pytest.mark.slow
@pytest.mark.parametrize("name", OTHERS)
def test_beside_other_networks_than_before_the_stop(small, tmp_path, name):
    networks = cells_of(small, CASES[name])
    expected = numbers(train_task(Task(networks)))
    stop(networks[:3], tmp_path, 3)
    stop(networks[3:], tmp_path, 3)
    pairs = [resumed(some, tmp_path) for some in (networks[2:], networks[1::-1])]
    assert pairs[0] | pairs[1] == expected
    alone = [resumed([network], tmp_path) for network in networks]
    assert {network: text for made in alone for network, text in made.items()} == expected


def test_stopped_again_and_again(small, tmp_path):
    networks = cells_of(small, CASES["dropout"] | evaluated("population"))
    for at in range(1, 13):
        stop(networks if at % 2 else networks[::-1], tmp_path, at)
    assert resumed(networks, tmp_path) == numbers(train_task(Task(networks)))


def test_a_snapshot_reads_back_bit_for_bit(small, tmp_path):
    networks = cells_of(small, CASES["probes"] | optimizer("adam") | evaluated("running"))
    kept, sha256 = [], dataset("synthetic", None).sha256

    class Keeping(Checkpoints):
        def saver(self, networks, data_sha256):
            return lambda snapshot: (
                kept.append(repr(snapshot())) or self.save(networks, data_sha256, snapshot())
            )

    train_task(Task(networks, None, Keeping(tmp_path, NEVER)))
    assert repr(Checkpoints(tmp_path, NEVER).load(networks, sha256)) == kept[-1]
    assert len(kept) == 12


ODD_READINGS = [
    (0, 2**63), (0, -1), (1, "x" * 201), (1, "\x1b[2J"), (1, None), (2, [10**30]), (2, [99]),
    (2, [True]), (2, "1"), (3, [10**30]), (3, [10**400]), (3, [None]), (3, [0.5]), (3, []),
]  # fmt: skip


@pytest.mark.parametrize(("fact", "odd"), ODD_READINGS)
def test_a_reading_that_no_probe_made_is_ignored(small, tmp_path, fact, odd):
    """`fact`: of the step, the quantity, the layers and the places of the last reading."""
    networks = cells_of(small, {"probes": {"read": ["layers"], "at": [0, 3]}})[:1]
    stop(networks, tmp_path, 5)
    path, kind = Checkpoints(tmp_path, NEVER).path(networks[0].id), checkpoints.KIND
    header, arrays = decode_npz(kind, checkpoints.FORMAT, path.read_bytes(), path)
    header["readings"][-1][fact] = odd
    path.write_bytes(encode_npz(kind, header, arrays))
    planned = []
    task = Task(networks, None, Checkpoints(tmp_path, NEVER))
    assert numbers(train_task(task, planned.append)) == numbers(train_task(Task(networks)))
    assert sum(planned) == 12


def test_a_quantity_read_twice_in_a_step_is_ignored(small, tmp_path):
    networks = cells_of(small, {"probes": {"read": ["layers"], "at": [0, 3]}})[:1]
    stop(networks, tmp_path, 5)
    path, kind = Checkpoints(tmp_path, NEVER).path(networks[0].id), checkpoints.KIND
    header, arrays = decode_npz(kind, checkpoints.FORMAT, path.read_bytes(), path)
    header["readings"][0] = header["readings"][1]
    path.write_bytes(encode_npz(kind, header, arrays))
    assert resumed(networks, tmp_path) == numbers(train_task(Task(networks)))


@pytest.fixture
def half(small, tmp_path):
    """A run directory of 12 networks, of which 6 have made 5 of their 12 steps."""
    config, out = bnexp.load_config(small), tmp_path / "out"
    half = make_plan(config).networks[::2]
    for norm in (None, "batch"):
        stack = [c for c in half if (c.setting.model.norm is None) == (norm is None)]
        if stack:
            stop(stack, out / "checkpoints", 5)
    return config, out, half


def planned(config, out, **options):
    """The result of a run, and how many steps it was to make."""
    steps = []
    progress = Progress(planned=lambda networks, known, number, others: steps.append(number))
    return bnexp.run(config, out, progress=progress, **options), steps[0]


@pytest.mark.slow
@pytest.mark.parametrize("jobs", [1, pytest.param(2, marks=pytest.mark.slow)])
def test_a_run_goes_on_from_checkpoints_and_removes_them(half, tmp_path, jobs):
    config, out, networks = half
    assert len(list((out / "checkpoints").iterdir())) == len(networks) == 6
    result, steps = planned(config, out, jobs=jobs)
    assert steps == 12 * 12 - 6 * 5
    assert result.trained == 12
    assert list((out / "checkpoints").iterdir()) == []
    bnexp.run(config, tmp_path / "whole")
    for name in ("metrics.csv", "figures/scale.svg"):
        assert (out / name).read_bytes() == (tmp_path / "whole" / name).read_bytes()


def test_fresh_begins_again(half):
    config, out, _ = half
    _, steps = planned(config, out, fresh=True)
    assert steps == 12 * 12
    assert list((out / "checkpoints").iterdir()) == []


@pytest.mark.slow
def test_anothers_checkpoint_is_not_used(half):
    config, out, networks = half
    folder = Checkpoints(out / "checkpoints", NEVER)
    first, second = (folder.path(network.id) for network in networks[:2])
    first.write_bytes(second.read_bytes())
    result, steps = planned(config, out)
    assert steps == 12 * 12 - 5 * 5
    expected = numbers(train_task(Task((networks[0],))))[networks[0].id]
    assert repr(result.metrics["train_loss"][0].item()) in expected


def test_a_checkpoint_of_other_data_is_not_used(half):
    _, out, networks = half
    folder, sha256 = Checkpoints(out / "checkpoints", NEVER), dataset("synthetic", None).sha256
    assert folder.step(networks[0], sha256) == 5
    assert folder.step(networks[0], "0" * 64) == 0
    assert folder.load(networks[:1], "0" * 64) is None
    assert folder.step(replace(networks[0], id="c0ffee"), sha256) == 0


def test_networks_at_different_steps_do_not_go_on_together(half):
    _, out, networks = half
    folder, sha256 = Checkpoints(out / "checkpoints", NEVER), dataset("synthetic", None).sha256
    stop(networks[:1], out / "checkpoints", 7)
    assert [folder.step(network, sha256) for network in networks[:2]] == [7, 5]
    assert folder.load(networks[:2], sha256) is None


@pytest.mark.slow
def test_a_failed_network_keeps_its_checkpoint(half):
    config, out, networks = half

    class Broken(Local):
        def records(self, tasks, on_steps):
            for task in tasks:
                yield [
                    bnexp.execution.processes.failed_record(network.id, "broken")
                    for network in task.networks
                ]

    with pytest.raises(bnexp.NetworksFailed, match="12 x broken"):
        bnexp.run(config, out, executor=Broken())
    assert planned(config, out)[1] == 12 * 12 - 6 * 5
    assert len(networks) == 6
