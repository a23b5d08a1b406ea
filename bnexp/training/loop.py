"""The training loop: a stack of networks from step to step, evaluated and probed on the way.

`train` is the only loop of the package. A `Snapshot` is all that the rest of a training depends on,
so that a training that was stopped goes on from one with the same bits; the `History` is what it
leaves at its end. Both are of NumPy's arrays. The arrays between are on the device of the initial
parameters, and steps are made without waiting for it: numbers are fetched at evaluations only.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnexp.device import to_host
from bnexp.metrics import DEFAULT_METRICS, Better, Metric
from bnexp.nn import Array, Dense, Optimizer, Parameters, Sequential, State
from bnexp.nn.protocols import Shape
from bnexp.probes import HeldOut, Probe, Reading, TrainingStep
from bnexp.training.evaluation import (
    Images,
    Numbers,
    evaluate,
    evaluate_batch,
    evaluation_state,
    logits_of,
    loss_gradients,
)
from bnexp.training.random import BatchStream, Indices
from bnexp.training.update import UNADJUSTED, Adjustments, update


@dataclass(frozen=True)
class Probing:
    """Probes and the steps after which they are read, 0 being before the first update."""

    probes: Sequence[Probe] = ()
    steps: Collection[int] = frozenset()


UNPROBED = Probing()


@dataclass(frozen=True)
class EarlyStopping:
    """A network stops after `patience` evaluations that were no better than the best before them.

    column: what is compared, such as "test_loss"; better: whether a higher or lower number is.
    """

    patience: int
    column: str
    better: Better

    def stopped(self, metrics: Mapping[str, Sequence[Numbers]]) -> NDArray[np.bool_]:
        """Which networks have stopped, (K,), by the evaluations so far, (K,) each."""
        values = np.stack(metrics[self.column], axis=-1)
        losses = values if self.better == "lower" else -values
        best = np.where(np.isnan(losses), np.inf, losses).argmin(axis=-1)
        after: NDArray[np.bool_] = values.shape[-1] - 1 - best >= self.patience
        return after


@dataclass(frozen=True)
class Snapshot:
    """A stack of K networks after `step`, and what was recorded until then.

    Arrays have the stack axis first; those without axes are the same for every network. `opt_state`
    has the optimizer's state of each layer, `metrics` are (K, E) of the evaluations so far and
    `readings` the probes' with their steps. The batches made so far are not in it: their stream is
    drawn again up to `step`. A snapshot of the loop is good until the next step is made.
    """

    step: int
    parameters: tuple[Parameters, ...]
    state: tuple[State, ...]
    opt_state: tuple[State, ...]
    metrics: Mapping[str, Numbers]
    diverged_at: NDArray[np.int64]
    readings: tuple[tuple[int, tuple[Reading, ...]], ...]


@dataclass(frozen=True)
class History:
    """What a stack of K networks leaves: E evaluations and the final parameters and state.

    `metrics` maps train_loss, train_accuracy and so on and, with a test set, test_loss and so on to
    (K, E). `diverged_at` (K,) is the first step whose batch's loss, or after which an evaluated
    training loss, was not finite, or in which a statistic overflowed; -1 for none. `readings` are
    the probes', with their steps.
    """

    steps: NDArray[np.int64]
    metrics: dict[str, Numbers]
    diverged_at: NDArray[np.int64]
    readings: tuple[tuple[int, tuple[Reading, ...]], ...]
    parameters: tuple[Parameters, ...]
    state: tuple[State, ...]


@dataclass
class _Stack:
    """The arrays that change: K networks at one step, and what was recorded of them.

    Networks may be left out on the way (`leave_out_lost`). Then arrays are those of the `members`
    alone, metrics are still those of all K, and `whole` is where all K stood when the last network
    was left out. `stopped` has the arrays of networks that have stopped early.
    """

    network: Sequential
    optimizer: Optimizer
    adjustments: Adjustments
    lr: Array
    parameters: tuple[Parameters, ...]
    state: tuple[State, ...]
    opt_state: list[State]
    metrics: dict[str, list[Numbers]]
    diverged_at: NDArray[np.int64]
    readings: list[tuple[int, tuple[Reading, ...]]]
    members: NDArray[np.intp]
    whole: Snapshot | None = None
    stopped: dict[int, _Layers] = field(default_factory=dict)

    def update(self, x: Array, labels: Indices, step: tuple[int, int]) -> Array:
        """Make step (t, of T) on a batch (K or 1, N, ...); returns each network's loss before.

        NaN stands for the loss of a network in which a statistic overflowed.
        """
        loss = self.network.loss
        logits, caches, self.state = self.network.forward(
            self.parameters, self.state, x, train=True
        )
        losses, probabilities = loss.per_sample(logits, labels)
        gradients = self.network.backward(
            self.parameters, caches, loss.gradient(probabilities, labels)
        )
        self.opt_state = update(
            self.adjustments, self.optimizer, self.lr, self.parameters, gradients, self.opt_state,
            step,
        )  # fmt: skip
        self._put_back()
        means: Array = losses.mean(axis=-1)
        overflowed = self.network.overflowed(caches)
        losses = means if overflowed is False else np.where(overflowed, np.nan, means)
        for k in self.stopped:  # of a step that was not made
            losses[k : k + 1] = 0.0
        return losses

    def stop(self, networks: NDArray[np.bool_]) -> None:
        """From now on keep these networks, (K,), as they are."""
        self.state = _copy(self.state)  # of arrays of its own, to be written into
        for k in set(np.flatnonzero(networks).tolist()) - self.stopped.keys():
            rows = (_select(part, slice(k, k + 1)) for part in self._parts)
            self.stopped[k] = tuple(_copy(part) for part in rows)

    def _put_back(self) -> None:
        """Undo a step of the networks that have stopped."""
        for k, parts in self.stopped.items():
            for layers, kept in zip(self._parts, parts, strict=True):
                for layer, rows in zip(layers, kept, strict=True):
                    for name, array in layer.items():
                        if array.ndim:
                            array[k : k + 1] = rows[name]

    @property
    def _parts(self) -> _Layers:
        return self.parameters, self.state, self.opt_state

    def next_step(self, x: Array, labels: Indices, step: tuple[int, int]) -> TrainingStep:
        """What probes are given: step (t, of T), before it is made with the batch x, labels."""

        def advance() -> tuple[Parameters, ...]:
            parameters, opt_state = _copy(self.parameters), _copy(self.opt_state)
            ahead = replace(self, parameters=parameters, opt_state=[*opt_state])
            ahead.update(x, labels, step)
            return ahead.parameters

        lr = self.lr * self.lr.dtype.type(self.adjustments.schedule.factor(*step))
        return TrainingStep(self.network, self.parameters, self.state, x, labels, lr, advance)

    def mark_diverged(self, step: int, losses: Array) -> None:
        """Note the step for networks whose losses are not finite for the first time."""
        losses = np.asarray(losses, like=self.diverged_at)
        first = (self.diverged_at < 0) & ~np.isfinite(losses)
        self.diverged_at = np.where(first, step, self.diverged_at)

    def mark_overflow(self, step: int, evaluated: Sequence[State]) -> None:
        """Note the step for networks whose parameters or states are not all finite.

        Their losses may be: what is divided by an infinite deviation is 0, a weight whose squared
        gradients overflowed no longer moves, and a relu of minus infinity is 0. Whatever has become
        infinite or NaN stays so. `evaluated` is the state that the networks are scored with.
        """
        population = () if evaluated is self.state else evaluated
        layers = (*self.parameters, *self.state, *population, *self.opt_state)
        arrays = [a for layer in layers for a in layer.values() if a.ndim and a.dtype.kind == "f"]
        # Of numbers that are finite the sum is, too, unless they are huge.
        sums = to_host(np.stack([array.sum() for array in arrays]))
        for array, is_finite in zip(arrays, np.isfinite(sums), strict=True):
            if not is_finite:
                finite = np.isfinite(array).reshape(len(array), -1).all(axis=1)
                self.mark_diverged(step, np.where(finite, 0.0, np.nan))

    def record_metrics(self, step: int, scores: Mapping[str, Numbers]) -> None:
        """Add an evaluation of the members; networks that were left out repeat their last one.

        A metric that earlier evaluations lack is NaN in them.
        """
        if len(self.members):
            self.mark_diverged(step, scores["train_loss"])
        if self.whole is not None:
            last = {name: values[-1] for name, values in self.metrics.items()}
            scores = {name: self._of_all(last[name], scores.get(name, ())) for name in last}
        earlier = max(map(len, self.metrics.values()), default=0)
        for name, values in scores.items():
            missing = [np.full(len(values), np.nan)] * earlier
            self.metrics.setdefault(name, missing).append(values)

    def snapshot(self, step: int) -> Snapshot:
        snapshot = Snapshot(
            step,
            _on_host(self.parameters),
            _on_host(self.state),
            _on_host(self.opt_state),
            {name: np.stack(values, axis=-1) for name, values in self.metrics.items()},
            to_host(self.diverged_at),
            tuple(self.readings),
        )
        if self.whole is None:
            return snapshot
        return replace(
            snapshot,
            parameters=self._layers_of_all(self.whole.parameters, self.parameters),
            state=self._layers_of_all(self.whole.state, self.state),
            opt_state=self._layers_of_all(self.whole.opt_state, self.opt_state),
            diverged_at=self._of_all(self.whole.diverged_at, self.diverged_at),
        )

    def leave_out_lost(self, step: int) -> None:
        """Train on without the networks whose output weights are all NaN.

        Whatever the images, their logits are NaN, and with these the gradients of the output
        weights, so that all stays so: the metrics of each later evaluation are those of this one.
        """
        output = self.parameters[-1].get("W")
        if not isinstance(self.network.layers[-1], Dense) or output is None:
            return
        kept = np.flatnonzero(~np.isnan(output).all(axis=(1, 2)))
        if len(kept) == len(self.members):
            return
        self.whole = self.snapshot(step)
        self.parameters, self.state = _select(self.parameters, kept), _select(self.state, kept)
        self.opt_state = list(_select(self.opt_state, kept))
        self.lr, self.diverged_at = self.lr[kept], self.diverged_at[kept]
        self.members = self.members[kept]

    def batch(self, indices: Indices) -> Indices:
        """The members' part of a batch of indices, (K, N), or (1, N) where all see the same."""
        return indices[self.members] if len(indices) > 1 else indices

    def for_test(
        self, full: Callable[[Sequence[Parameters]], Sequence[Parameters]]
    ) -> Sequence[Parameters]:
        """The members' parameters for test images; `full` computes those of all K networks."""
        if self.whole is None:
            return full(self.parameters)
        everything = full(self._layers_of_all(self.whole.parameters, self.parameters))
        return _select(everything, self.members)

    def _layers_of_all(
        self, whole: Sequence[Mapping[str, Any]], layers: Sequence[Mapping[str, Any]]
    ) -> tuple[dict[str, Any], ...]:
        """Layers of all K networks: those of `whole`, with the members' arrays put in."""
        return tuple(
            {name: self._of_all(before[name], layer[name]) for name in layer}
            for before, layer in zip(whole, layers, strict=True)
        )

    def _of_all(self, whole: Any, part: Any) -> Any:
        """An array (K, ...) as in `whole`, the members' part put in; what is shared is `part`."""
        if not np.ndim(whole):
            return part
        array = whole.copy()
        array[self.members] = part
        return array


def train(
    network: Sequential,
    optimizer: Optimizer,
    lr: Array,
    parameters: Sequence[Parameters],
    state: Sequence[State],
    batches: Iterator[Indices],
    points: Sequence[int],
    train_set: Images,
    test_set: Images | None = None,
    scored: Images | None = None,
    batch_size: int = 100,
    on_step: Callable[[Callable[[], Snapshot]], None] = lambda snapshot: None,
    adjustments: Adjustments = UNADJUSTED,
    for_test: Callable[[Sequence[Parameters]], Sequence[Parameters]] = lambda trained: trained,
    probes: Probing = UNPROBED,
    start: Snapshot | None = None,
    metrics: Mapping[str, Metric] = DEFAULT_METRICS,
    score_batch: bool = False,
    image_shape: Shape = (),
    leave_out_lost: bool = False,
    early_stopping: EarlyStopping | None = None,
) -> History:
    """Train K networks up to the last of the evaluation `points`.

    Arguments:
        network, optimizer: of all K networks, which differ in the values of their arrays only.
        lr: learning rates, (K, 1, 1), on the device that the networks are to be trained on.
        parameters, state: what the networks start from; they are left as they are.
        batches: index arrays (K, N), or (1, N) where all networks see the same images.
        points: the steps to evaluate after, ascending; 0 is before the first update.
        train_set, test_set: images to train on, and to score besides; on the device, too.
        scored: the training images that are scored; by default all.
        batch_size: of the batches that population statistics are averaged over.
        on_step: called after each step with a function that makes a snapshot.
        adjustments: what stands between gradients and steps.
        for_test: computes, from trained parameters, those to score test images with.
        probes: are read, at their steps, with the step that comes next.
        start: a snapshot to go on from, with the same bits as without a stop.
        metrics: what the networks are scored with, by default the metrics of every run.
        score_batch: whether, in place of `scored`, each step's own batch is scored after its
            update; then 0 is none of the `points`.
        image_shape: height, width and channels of an image, for probes that record images.
        leave_out_lost: whether networks whose logits are NaN for good are trained no further once
            no probe reads them any more. Their metrics are the same; their final parameters are
            those at which they were left out. On the CPU only, and not with `early_stopping`.
        early_stopping: when networks stop before the end. A network that has stopped keeps all its
            arrays, so that later evaluations are those at which it stopped; the others train on.

    Numbers that are not finite any more are a result, never an error or a warning.
    """
    if start is None:  # before step 0 is evaluated
        opt_states = tuple(optimizer.init(layer) for layer in parameters)
        undiverged = np.full(len(lr), -1)
        start = Snapshot(-1, tuple(parameters), tuple(state), opt_states, {}, undiverged, ())
    stack = _Stack(
        network,
        optimizer,
        adjustments,
        lr,
        _copy(moved(start.parameters, lr)),
        moved(start.state, lr),
        list(_copy(moved(start.opt_state, lr))),
        {name: list(values.T) for name, values in start.metrics.items()},
        np.asarray(start.diverged_at, like=lr),
        list(start.readings),
        np.arange(len(lr)),
    )
    last, stream = points[-1], BatchStream(batches)
    if early_stopping and stack.metrics:
        stack.stop(early_stopping.stopped(stack.metrics))

    def score_test_set() -> HeldOut:
        assert test_set is not None
        used = evaluation_state(network, stack.parameters, stack.state, train_set, batch_size)
        full = for_test(stack.parameters)

        def alone(function: Callable[..., Array], k: int, pictures: Array) -> Array:
            one, images = slice(k, k + 1), test_set.changed(pictures)
            array = function(network, _select(full, one), _select(used, one), images)
            of_network: Array = to_host(array)[0]
            return of_network

        return HeldOut(
            to_host(logits_of(network, full, used, test_set)),
            to_host(test_set.labels),
            lambda indices: to_host(test_set.pictures(indices, image_shape)),
            partial(alone, logits_of),
            lambda k, x: alone(loss_gradients, k, x).reshape(x.shape),
        )

    evaluated, probed = _looked_up(points), _looked_up(probes.steps)
    last_probed = max(probes.steps, default=-1)
    for _ in range(start.step):
        stream.take()
    with np.errstate(all="ignore"):
        for step in range(start.step + 1, last + 1):
            if step > 0:
                batch = train_set.batch(stack.batch(stream.take()))
                if len(stack.members) > len(stack.stopped):
                    stack.mark_diverged(step, stack.update(*batch, (step, last)))
            if step in evaluated and not len(stack.members):
                stack.record_metrics(step, {})
            elif step in evaluated:
                used = evaluation_state(
                    network, stack.parameters, stack.state, train_set, batch_size
                )
                if score_batch:
                    sets = {
                        "train": evaluate_batch(network, stack.parameters, used, *batch, metrics)
                    }
                else:
                    images = scored or train_set
                    sets = {"train": evaluate(network, stack.parameters, used, images, metrics)}
                if test_set:
                    whole = stack.for_test(for_test)
                    sets["test"] = evaluate(network, whole, used, test_set, metrics)
                scores = {
                    f"{prefix}_{name}": values
                    for prefix, columns in sets.items()
                    for name, values in columns.items()
                }
                stack.record_metrics(step, scores)
                stack.mark_overflow(step, used)
                if early_stopping:
                    stack.stop(early_stopping.stopped(stack.metrics))
            if step in probed:
                coming = (min(step + 1, max(last, 1)), max(last, 1))
                following = replace(
                    stack.next_step(*train_set.batch(stream.peek()), coming),
                    image_shape=image_shape,
                    full_parameters=for_test,
                    score=score_test_set if test_set else None,
                )
                readings = (reading for probe in probes.probes for reading in probe.read(following))
                stack.readings.append((step, tuple(readings)))
            # Each step's own batch has other labels, of which NaN logits have other metrics.
            if leave_out_lost and step in evaluated and step >= last_probed and not score_batch:
                stack.leave_out_lost(step)
            if step > 0:
                on_step(lambda step=step: stack.snapshot(step))  # type: ignore[misc]
    end = stack.snapshot(last)
    return History(
        np.array(points), dict(end.metrics), end.diverged_at, end.readings,
        end.parameters, end.state,
    )  # fmt: skip


_Layers = tuple[Sequence[Mapping[str, Any]], ...]  # parameters, state, optimizer state


def _looked_up(steps: Collection[int]) -> Collection[int]:
    """The steps in a form in which one is found quickly; a range is, without a copy of it."""
    return steps if isinstance(steps, range) else frozenset(steps)


def moved(layers: Sequence[Mapping[str, Any]], like: Any) -> tuple[dict[str, Any], ...]:
    """The layers with their numbers on the device of the array `like`.

    Keys and counts stay, as they are integers, and what is the same for all networks: these decide
    what the CPU draws and calls.
    """
    return tuple(
        {
            name: np.asarray(a, like=like) if a.ndim and a.dtype.kind == "f" else a
            for name, a in layer.items()
        }
        for layer in layers
    )


def _select(
    layers: Sequence[Mapping[str, Any]], networks: NDArray[np.intp] | slice
) -> tuple[dict[str, Any], ...]:
    """The layers of some networks; what is the same for all stays."""
    return tuple({n: a[networks] if a.ndim else a for n, a in layer.items()} for layer in layers)


def _on_host(layers: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], ...]:
    """The layers with NumPy's arrays."""
    return tuple({name: to_host(array) for name, array in layer.items()} for layer in layers)


def _copy(layers: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], ...]:
    """The layers with arrays of their own, which may be changed in place."""
    return tuple({name: array.copy() for name, array in layer.items()} for layer in layers)
