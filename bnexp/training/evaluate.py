"""The metrics of a stack of networks over a set of images."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnexp.metrics import DEFAULT_METRICS, Metric
from bnexp.nn import Array, Parameters, Sequential, State
from bnexp.nn.loss import Labels
from bnexp.training.images import Images

Numbers = NDArray[np.float64]

# 250 samples of 8 networks stay in the second-level cache; 1,000 at once cost a tenth of a sweep.
CHUNK = 250
# Algorithm 2 averages over training batches of the fixed network: the first ones in order, at most
# this many.
POPULATION_BATCHES = 100


def evaluate(
    network: Sequential,
    parameters: Sequence[Parameters],
    state: Sequence[State],
    images: Images,
    metrics: Mapping[str, Metric] = DEFAULT_METRICS,
) -> dict[str, Numbers]:
    """Score every network of the stack on all `images`: each metric's mean over them, (K,).

    By default the metrics are those of every run.
    """
    if "batch" in network.evaluations:  # all images at once: one network at a time
        alone = [
            _evaluate(network, _one(parameters, k), _one(state, k), images, metrics)
            for k in range(_networks(parameters))
        ]
        return {name: np.concatenate([scores[name] for scores in alone]) for name in metrics}
    return _evaluate(network, parameters, state, images, metrics)


def logits_of(
    network: Sequential, parameters: Sequence[Parameters], state: Sequence[State], images: Images
) -> Array:
    """The logits of all `images` in evaluation, (K, n, C)."""
    chunks = [logits for logits, _ in _chunks(network, parameters, state, images)]
    empty = np.zeros((1, 0, 0), images.dtype)
    return np.concatenate(chunks, axis=1) if chunks else empty


def _evaluate(
    network: Sequential,
    parameters: Sequence[Parameters],
    state: Sequence[State],
    images: Images,
    metrics: Mapping[str, Metric],
) -> dict[str, Numbers]:
    sums: dict[str, Any] = dict.fromkeys(metrics, 0.0)
    for logits, labels in _chunks(network, parameters, state, images):
        for name, metric in metrics.items():
            values = metric.values(logits, labels)
            if values.shape != logits.shape[:2]:
                raise ValueError(
                    f"metric {name}: expected values of shape {logits.shape[:2]}, one for each "
                    f"network and image, got {values.shape}"
                )
            # In one order for every K, so that a network's sum does not depend on the others.
            sums[name] = sums[name] + np.ascontiguousarray(values).sum(axis=-1, dtype=np.float64)
    return {name: total / len(images) for name, total in sums.items()}


def _chunks(
    network: Sequential, parameters: Sequence[Parameters], state: Sequence[State], images: Images
) -> Iterator[tuple[Array, Labels]]:
    """Logits (K, n, C) and labels (n,) of some images after others; all at once where the batch's
    statistics are what they are normalized with."""
    chunk = len(images) if "batch" in network.evaluations else CHUNK
    network, parameters, state = network.folded(parameters, state)
    for rows in _slices(len(images), chunk):
        x, labels = images.batch(rows)
        yield network.evaluated(parameters, state, x[None]), labels


def evaluation_state(
    network: Sequential,
    parameters: Sequence[Parameters],
    state: Sequence[State],
    images: Images,
    batch_size: int,
) -> Sequence[State]:
    """The state to evaluate with: the given one, or population statistics where a layer asks."""
    if "population" not in network.evaluations:
        return state
    size = min(batch_size, len(images))
    slices = _slices(min(len(images) // size, POPULATION_BATCHES) * size, size)
    batches = (images.batch(rows)[0][None] for rows in slices)
    return network.population_state(parameters, state, batches)


def _networks(parameters: Sequence[Parameters]) -> int:
    return next(len(array) for layer in parameters for array in layer.values())


def _one(arrays: Sequence[Mapping[str, Any]], k: int) -> list[dict[str, Any]]:
    return [{name: array[k : k + 1] for name, array in layer.items()} for layer in arrays]


def _slices(total: int, size: int) -> Iterator[slice]:
    return (slice(i, min(i + size, total)) for i in range(0, total, size))
