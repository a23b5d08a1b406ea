"""One BLAS thread for all that is computed, in whatever thread of the process."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier, Event, Thread

import numpy as np
import pytest
from threadpoolctl import threadpool_info, threadpool_limits

import bnexp
from bnexp.comparison import verify
from bnexp.data import load
from bnexp.execution.blas import one_blas_thread
from bnexp.progress import Progress

WIDE = {
    "data.name": "synthetic",
    "data.train": 400,
    "train.batch_size": 200,
    "train.epochs": 3,
    "model.hidden": [400, 300],
    "sweep.model.init.std": [0.1],
    "claims": None,
    "figures": None,
}


def blas_threads():
    return {pool["num_threads"] for pool in threadpool_info() if pool["user_api"] == "blas"}


@pytest.fixture
def several_threads():
    """Products are computed with two BLAS threads, unless someone sets another number."""
    with threadpool_limits(2, "blas"):
        if blas_threads() != {2}:
            pytest.skip("this BLAS has one thread")
        yield
        assert blas_threads() == {2}  # what was set here is set again


@pytest.mark.parametrize("first_to_leave", [0, 1])
def test_the_limit_holds_until_the_last_block_is_left(several_threads, first_to_leave):
    entered = Barrier(3)
    leave = [Event(), Event()]

    def block(number):
        with one_blas_thread():
            entered.wait(60)
            leave[number].wait(60)

    threads = [Thread(target=block, args=(number,)) for number in range(2)]
    for thread in threads:
        thread.start()
    entered.wait(60)
    assert blas_threads() == {1}
    for number in (first_to_leave, 1 - first_to_leave):
        assert blas_threads() == {1}
        leave[number].set()
        threads[number].join(60)
    assert blas_threads() == {2}


def test_a_block_within_a_block_and_an_error_in_it(several_threads):
    def fail():
        with one_blas_thread():
            with one_blas_thread():
                pass
            assert blas_threads() == {1}
            return 1 / 0

    with pytest.raises(ZeroDivisionError):
        fail()
    assert blas_threads() == {2}


def of_length(epochs, seed=0):
    return bnexp.load_config("quickstart", {**WIDE, "train.epochs": epochs, "random.seeds": [seed]})


@pytest.mark.slow
def test_runs_in_threads_have_the_bits_of_a_run_alone(several_threads):
    """Shorter runs end while longer ones train."""
    configs = [of_length(epochs, seed) for epochs, seed in ((1, 1), (2, 0), (4, 3), (6, 0))]
    alone = [bnexp.run(config) for config in configs]
    steps = [[] for _ in configs]

    def count(counted):
        return Progress(steps=counted.append)

    for _ in range(2):
        with ThreadPoolExecutor(len(configs)) as pool:
            runs = [
                pool.submit(bnexp.run, config, progress=count(counted))
                for config, counted in zip(configs, steps, strict=True)
            ]
        for expected, run in zip(alone, runs, strict=True):
            for column in ("train_loss", "test_loss", "train_accuracy"):
                got = run.result().metrics[column]
                np.testing.assert_array_equal(got, expected.metrics[column])
    # Each run is told of its own steps: two of 200 images an epoch, of two networks.
    assert [max(counted) for counted in steps] == [
        run.metrics["step"].max() * len(run.summary["cell"]) for run in alone
    ]


@pytest.mark.slow
def test_fits_models_and_verifications_in_threads_have_the_same_bits(several_threads, tmp_path):
    config = of_length(2)
    point = {"model.norm": "batch"}
    images = load("synthetic").test_images
    expected = bnexp.fit(config, point)
    logits = expected.logits(images)
    path = bnexp.save_model(expected, tmp_path / "model.npz")
    directory = Path(bnexp.run(config, tmp_path / "run").directory)

    def logits_of_file():
        return [bnexp.load_model(path).logits(images) for _ in range(3)]

    with ThreadPoolExecutor(4) as pool:
        loaded = [pool.submit(logits_of_file) for _ in range(2)]
        fitted = pool.submit(bnexp.fit, config, point)
        verified = pool.submit(verify, directory)
    for part in (*loaded[0].result(), *loaded[1].result(), fitted.result().logits(images)):
        np.testing.assert_array_equal(part, logits)
    assert verified.result().counts == {"identical": 2}


@pytest.mark.slow
def test_figures_are_drawn_by_one_thread_at_a_time(tmp_path):
    """Matplotlib's parameters belong to the process."""
    import matplotlib

    before = dict(matplotlib.rcParams)
    results = [bnexp.run(of_length(1, seed)) for seed in range(3)]
    expected = [result.figure("curves")._repr_png_() for result in results]
    with ThreadPoolExecutor(3) as pool:
        drawn = list(pool.map(lambda result: result.figure("curves")._repr_png_(), results))
    assert drawn == expected
    assert dict(matplotlib.rcParams) == before
