"""Every accuracy that the book's own script printed, digit for digit, from real MNIST.

The golden file has what the script printed with one BLAS kernel. test_nn_book.py compares with an
independent replay on the machine at hand, for any seed.
"""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import bnexp
from bnexp.data.datasets import DATA_VARIABLE
from bnexp.execution.task import Task, train_task
from bnexp.sweep import make_plan, make_stacks

GOLDEN = json.loads((Path(__file__).parent / "golden/book_weight_scale.json").read_text())
RUNS = {run["seed"]: run for run in GOLDEN["runs"]}
# The two panels that the plain network wins, one that batch norm wins, and the last, chaotic one.
QUICK = (2, 3, 6, 15)
# Other kernels round products differently. Only batch norm in these panels, of the smallest scales,
# amplifies that to other accuracies; there the first accuracy alone is compared.
CHAOTIC = (13, 14, 15)


@pytest.fixture(autouse=True)
def _real_mnist():
    folder = os.environ.get(DATA_VARIABLE)
    if not folder or not any(Path(folder).expanduser().glob("train-images*")):
        pytest.skip(f"{DATA_VARIABLE} does not name a folder with the four MNIST files")


def different(seed, panels=range(16)):
    """The networks, (panel, norm), with an accuracy that is not the printed one; and their number.

    Accuracies are after updates 1, 11, ..., 191.
    """
    kernels = {info.get("architecture") for info in threadpool_info() if info["user_api"] == "blas"}
    plan = make_plan(bnexp.load_config("book_weight_scale", {"random.seeds": [seed]}))
    chosen = [network for network in plan.networks if network.place.round in panels]
    names = []
    with threadpool_limits(1, "blas"):
        for stack in make_stacks(chosen):
            for network, record in zip(
                stack.networks, train_task(Task(stack.networks)), strict=True
            ):
                assert record.steps == tuple(range(1, 192, 10))
                panel, norm = network.place.round, network.point["model.norm"]
                printed = RUNS[seed]["batch_norm" if norm == "batch" else "plain"][panel]
                compared = 20
                if GOLDEN["kernel"] not in kernels and norm == "batch" and panel in CHAOTIC:
                    compared = 1
                ours = [round(1000 * value) for value in record.metrics["train_accuracy"]]
                if ours[:compared] != printed[:compared]:
                    names.append((panel, norm))
    return names, len(chosen)


def test_four_panels():
    assert different(next(iter(RUNS)), QUICK) == ([], 8)


@pytest.mark.slow
@pytest.mark.parametrize("seed", RUNS)
def test_all_panels(seed):
    assert different(seed) == ([], 32)
