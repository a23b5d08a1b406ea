"""Scoring a stack of networks over a set of images: its metrics, or the logits themselves.

Images are scored in chunks that stay in the cache, in the same chunks for every stack size, so that
a network's metrics do not depend on its neighbors. Only where a batch norm normalizes with the
statistics of the images at hand, or the book's arithmetic is replayed, are they scored all at once,
one network at a time.

`Images` are what is scored and trained on: bytes or numbers, as pixels in [0, 1], all at once or
batch by batch.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from bnexp.device import to_host
from bnexp.metrics import DEFAULT_METRICS, Metric
from bnexp.nn import Array, Parameters, Sequential, State
from bnexp.nn.loss import Labels

# Below this size the numbers are computed once and kept; above it, batch by batch from the (often
# memory-mapped) bytes, so that 60,000 images in float64 do not cost 376 MB in every process.
KEPT_BYTES = 64 * 2**20


def is_small(pixels: NDArray[np.uint8], dtype: DTypeLike) -> bool:
    """Whether the images' numbers are kept."""
    return pixels.size * np.dtype(dtype).itemsize <= KEPT_BYTES


class Images:
    """Images and their labels, as numbers when a batch of them is asked for.

    Arguments:
        pixels: (n, ...), bytes or numbers. A byte's pixel is byte / 255 in float32 whatever `dtype`
            is, as in the book's loader; pixels that are not bytes are numbers already.
        labels: (n,), whole numbers.
        dtype: float32 or float64, the type of the numbers.
        offset: (...), what is subtracted from each image; None for nothing.
    """

    def __init__(
        self,
        pixels: NDArray[Any],
        labels: Labels,
        dtype: DTypeLike,
        offset: NDArray[np.float64] | None = None,
    ) -> None:
        self.dtype = np.dtype(dtype)
        self.labels = labels
        self.offset = offset
        self._converted = pixels.dtype != np.uint8 or is_small(pixels, dtype)
        self._pixels: NDArray[Any] = self._convert(pixels) if self._converted else pixels

    @property
    def shape(self) -> tuple[int, ...]:
        """One image's shape."""
        return self._pixels.shape[1:]

    def first(self, number: int) -> Images:
        """The first images alone."""
        if not self._converted:
            return Images(self._pixels[:number], self.labels[:number], self.dtype, self.offset)
        images = copy(self)
        images._pixels, images.labels = self._pixels[:number], self.labels[:number]
        return images

    def moved(self, like: Any) -> Images:
        """The same images on the device of the array `like`."""
        images = copy(self)
        images._pixels = np.asarray(self._pixels, like=like)
        images.labels = np.asarray(self.labels, like=like)
        if self.offset is not None:
            images.offset = np.asarray(self.offset, like=like)
        return images

    def __len__(self) -> int:
        return len(self.labels)

    def batch(self, indices: Any) -> tuple[Array, Labels]:
        """Numbers and labels at `indices`, an index array of any shape or a slice."""
        if not isinstance(indices, slice):
            indices = np.asarray(indices, like=self.labels)
        pixels = self._pixels[indices]
        return pixels if self._converted else self._convert(pixels), self.labels[indices]

    def pictures(self, indices: Any, shape: tuple[int, ...]) -> Array:
        """The images at `indices` as they are seen, (n, *shape), with nothing subtracted."""
        x, _ = self.batch(indices)
        pixels = x if self.offset is None else x + self.offset.astype(self.dtype)
        return pixels.reshape(-1, *shape)

    def changed(self, pictures: Array) -> Images:
        """The first images, seen as these `pictures`, (n, height, width, channels)."""
        pixels = pictures.reshape(-1, *self.shape).astype(self.dtype)
        pixels = np.asarray(pixels, like=self.labels)
        return Images(pixels, self.labels[: len(pixels)], self.dtype, self.offset)

    def _convert(self, pixels: NDArray[Any]) -> Array:
        if pixels.dtype == np.uint8:
            pixels = np.divide(pixels, np.float32(255), dtype=np.float32)
        numbers: Array = pixels.astype(self.dtype, copy=False)
        return numbers if self.offset is None else numbers - self.offset.astype(self.dtype)


Numbers = NDArray[np.float64]

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
    """Each metric's mean over all `images`, (K,) in float64, by the metric's name; on the CPU.

    Parameters, state and images are on one device. By default the metrics are those of every run.
    ValueError if a metric's values have another shape than (K, N).
    """
    networks = next(len(array) for layer in parameters for array in layer.values())
    if network.chunk is None and networks > 1:
        alone = [
            evaluate(network, _select(parameters, k), _select(state, k), images, metrics)
            for k in range(networks)
        ]
        return {name: np.concatenate([scores[name] for scores in alone]) for name in metrics}
    sums: dict[str, Any] = dict.fromkeys(metrics, 0.0)
    for logits, labels in _evaluate_chunks(network, parameters, state, images):
        for name, added in _metric_sums(metrics, logits, labels).items():
            sums[name] = sums[name] + added
    return {name: to_host(total) / len(images) for name, total in sums.items()}


def evaluate_batch(
    network: Sequential,
    parameters: Sequence[Parameters],
    state: Sequence[State],
    x: Array,
    labels: Labels,
    metrics: Mapping[str, Metric],
) -> dict[str, Numbers]:
    """Each metric's mean over a batch, (K,): x is (K, N, ...) and labels (K, N), or K is 1.

    ValueError as from `evaluate`.
    """
    sums: list[dict[str, Numbers]] = []
    for k in range(next(len(array) for layer in parameters for array in layer.values())):
        batch = k if len(x) > 1 else 0
        logits = network.evaluated(_select(parameters, k), _select(state, k), x[batch : batch + 1])
        sums.append(_metric_sums(metrics, logits, labels[batch]))
    joined = {name: np.concatenate([each[name] for each in sums]) for name in metrics}
    return {name: to_host(total) / x.shape[1] for name, total in joined.items()}


def _metric_sums(
    metrics: Mapping[str, Metric], logits: Array, labels: Labels
) -> dict[str, Numbers]:
    """Each metric's sum over the images of logits (K, N, C) and labels (N,), (K,) in float64."""
    logits, labels = logits.view(), labels.view()
    for array in (logits, labels):  # a metric must not change them
        if isinstance(array, np.ndarray):
            array.flags.writeable = False
    sums: dict[str, Numbers] = {}
    for name, metric in metrics.items():
        values = np.asarray(metric.values(logits, labels), like=logits)
        if values.shape != logits.shape[:2]:
            raise ValueError(
                f"metric {name}: expected values of shape {logits.shape[:2]}, one for each "
                f"network and image, got {values.shape}"
            )
        # In one order for every K, so that a network's sum does not depend on the others.
        values = np.ascontiguousarray(values, like=logits)
        sums[name] = values.sum(axis=-1, dtype=np.float64)
    return sums


def logits_of(
    network: Sequential, parameters: Sequence[Parameters], state: Sequence[State], images: Images
) -> Array:
    """The logits of all `images` in evaluation, (K, N, C)."""
    networks = next(len(array) for layer in parameters for array in layer.values())
    if network.chunk is None and networks > 1:
        alone = [
            logits_of(network, _select(parameters, k), _select(state, k), images)
            for k in range(networks)
        ]
        return np.concatenate(alone)
    chunks = [logits for logits, _ in _evaluate_chunks(network, parameters, state, images)]
    empty = np.zeros((1, 0, 0), images.dtype)
    return np.concatenate(chunks, axis=1) if chunks else empty


def loss_gradients(
    network: Sequential, parameters: Sequence[Parameters], state: Sequence[State], images: Images
) -> Array:
    """The gradient of the sum of the losses with respect to each image, (K, N, ...), in evaluation.

    The statistics of a batch norm are constants, unless they are those of the images themselves.
    """
    gradients = []
    for rows in _slices(len(images), network.chunk or len(images)):
        x, labels = images.batch(rows)
        logits, caches, _ = network.forward(parameters, state, x[None], train=False)
        _, probabilities = network.loss.per_sample(logits, labels[None])
        dy = network.loss.gradient(probabilities, labels[None]) * len(labels)
        gradients.append(network.input_gradient(parameters, caches, dy))
    return np.concatenate(gradients, axis=1)


def evaluation_state(
    network: Sequential,
    parameters: Sequence[Parameters],
    state: Sequence[State],
    images: Images,
    batch_size: int,
) -> Sequence[State]:
    """The state to evaluate with: population statistics if a layer asks for them, else `state`.

    They are averages over batches of the training images (Ioffe & Szegedy 2015, algorithm 2).
    """
    if "population" not in network.evaluations:
        return state
    size = min(batch_size, len(images))
    rows = _slices(min(len(images) // size, POPULATION_BATCHES) * size, size)
    batches = (images.batch(indices)[0][None] for indices in rows)
    return network.population_state(parameters, state, batches)


def _evaluate_chunks(
    network: Sequential, parameters: Sequence[Parameters], state: Sequence[State], images: Images
) -> Iterator[tuple[Array, Labels]]:
    """Logits (K, n, C) and labels (n,) of some images after others, or of all at once."""
    chunk = network.chunk or len(images)
    network, parameters, state = network.folded(parameters, state)
    for rows in _slices(len(images), chunk):
        x, labels = images.batch(rows)
        yield network.evaluated(parameters, state, x[None]), labels


def _select(layers: Sequence[Mapping[str, Any]], k: int) -> list[dict[str, Any]]:
    """The arrays of network k alone."""
    return [{name: array[k : k + 1] for name, array in layer.items()} for layer in layers]


def _slices(total: int, size: int) -> Iterator[slice]:
    return (slice(i, min(i + size, total)) for i in range(0, total, size))
