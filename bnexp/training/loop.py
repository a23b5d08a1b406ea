"""The training loop: a stack from step to step, scored and probed at its points."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnexp.metrics import DEFAULT_METRICS, Metric
from bnexp.nn import Array, Optimizer, Parameters, Sequential, SoftmaxCrossEntropy, State
from bnexp.probes import Probe, Reading, TrainingStep
from bnexp.training.evaluate import evaluate, evaluation_state
from bnexp.training.images import Images
from bnexp.training.random import Peekable
from bnexp.training.update import UNADJUSTED, Adjustments, update


@dataclass(frozen=True)
class Probing:
    """Probes and the steps after which they are read, 0 being before the first update."""

    probes: Sequence[Probe] = ()
    steps: frozenset[int] = frozenset()

    def read(self, step: TrainingStep) -> tuple[Reading, ...]:
        return tuple(reading for probe in self.probes for reading in probe.read(step))


UNPROBED = Probing()


Indices = NDArray[np.integer[Any]]


@dataclass(frozen=True)
class Snapshot:
    """A stack of K networks after `step`: all that its further course depends on.

    Arrays have the stack axis first; those without axes are the same for every network. `metrics`
    are (K, E) of the evaluations so far, `readings` the probes' so far. The batches made so far are
    not in it: their stream is drawn again up to `step`. It is good until the next step is made.
    """

    step: int
    parameters: tuple[Parameters, ...]
    state: tuple[State, ...]
    moments: tuple[State, ...]
    metrics: Mapping[str, NDArray[np.float64]]
    diverged_at: NDArray[np.int64]
    readings: tuple[tuple[int, tuple[Reading, ...]], ...]


@dataclass(frozen=True)
class History:
    """What a stack of K networks leaves: E evaluations and the final parameters and state.

    `metrics` maps train_loss, train_accuracy and so on and, with a test set, test_loss and so on to
    (K, E). `diverged_at` (K,) is the first step whose batch's loss, or after which an evaluated
    training loss, was not finite; -1 for none. `readings` are the probes', with their steps.
    """

    steps: NDArray[np.int64]
    metrics: dict[str, NDArray[np.float64]]
    diverged_at: NDArray[np.int64]
    readings: tuple[tuple[int, tuple[Reading, ...]], ...]
    parameters: tuple[Parameters, ...]
    state: tuple[State, ...]


@dataclass
class _Stack:
    """The arrays that change: K networks at one step."""

    network: Sequential
    optimizer: Optimizer
    adjustments: Adjustments
    lr: Array
    parameters: tuple[Parameters, ...]
    state: tuple[State, ...]
    moments: list[State]

    def next_step(self, x: Array, labels: Indices, at: tuple[int, int]) -> TrainingStep:
        """What probes see before step `at` (of all), which is made with the batch x, labels."""

        def advance() -> tuple[Parameters, ...]:
            ahead = replace(
                self,
                parameters=_copied(self.parameters),
                moments=list(_copied(self.moments)),
            )
            ahead.update(x, labels, at)
            return ahead.parameters

        lr = self.lr * self.lr.dtype.type(self.adjustments.schedule.factor(*at))
        return TrainingStep(self.network, self.parameters, self.state, x, labels, lr, advance)

    def update(self, x: Array, labels: Indices, at: tuple[int, int]) -> Array:
        """Step `at` (of all) on a batch (K or 1, N, ...); returns each network's loss before it."""
        loss = SoftmaxCrossEntropy()
        logits, caches, self.state = self.network.forward(
            self.parameters, self.state, x, train=True
        )
        losses, probabilities = loss.per_sample(logits, labels)
        gradients = self.network.backward(
            self.parameters, caches, loss.gradient(probabilities, labels)
        )
        self.moments = update(
            self.adjustments,
            self.optimizer,
            self.lr,
            self.parameters,
            gradients,
            self.moments,
            at,
        )
        mean: Array = losses.mean(axis=-1)
        return mean


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
) -> History:
    """Train K networks up to the last of the evaluation `points` (steps, 0 = before the first).

    `lr` is (K, 1, 1); each of `batches` is an index array (K, N), or (1, N) when all networks see
    the same one. `scored` are the training images that are evaluated, by default all. `for_test`
    makes, of the trained parameters, those to score the test images with. `probes` read, at their
    steps, what the networks are before the next one. After each step `on_step` is given what makes
    a snapshot; `start` is one to go on from, with the same bits as without a stop. `metrics` are
    what the networks are scored with, by default those of every run. The given parameters are left
    as they are. Numbers that stop being finite are a result, never a warning.
    """
    start = start or _untrained(optimizer, lr, parameters, state)
    stack = _Stack(
        network, optimizer, adjustments, lr,
        _copied(start.parameters), start.state, list(_copied(start.moments)),
    )  # fmt: skip
    sets = {"train": scored or train_set, **({"test": test_set} if test_set else {})}
    course = _Course.until(start)
    evaluated, last, drawn = set(points), points[-1], Peekable(batches)
    for _ in range(start.step):
        drawn.take()
    with np.errstate(all="ignore"):
        for step in range(start.step + 1, last + 1):
            if step > 0:
                course.judge(step, stack.update(*train_set.batch(drawn.take()), (step, last)))
            if step in evaluated:
                course.score(step, _scores(stack, sets, train_set, batch_size, for_test, metrics))
            if step in probes.steps:
                coming = (min(step + 1, max(last, 1)), max(last, 1))
                next_step = stack.next_step(*train_set.batch(drawn.peek()), coming)
                course.readings.append((step, probes.read(next_step)))
            if step > 0:
                on_step(lambda step=step: course.snapshot(step, stack))  # type: ignore[misc]
    end = course.snapshot(last, stack)
    numbers = np.array(points), dict(end.metrics), end.diverged_at, end.readings
    return History(*numbers, end.parameters, end.state)


def _untrained(
    optimizer: Optimizer, lr: Array, parameters: Sequence[Parameters], state: Sequence[State]
) -> Snapshot:
    """Before anything is scored: the step before step 0."""
    copies = _copied(parameters)
    moments = tuple(optimizer.init(p) for p in copies)
    return Snapshot(-1, copies, tuple(state), moments, {}, np.full(len(lr), -1), ())


@dataclass
class _Course:
    """What is recorded on the way."""

    metrics: dict[str, list[NDArray[np.float64]]]
    diverged_at: NDArray[np.int64]
    readings: list[tuple[int, tuple[Reading, ...]]]

    @classmethod
    def until(cls, start: Snapshot) -> _Course:
        return cls(
            {name: list(values.T) for name, values in start.metrics.items()},
            start.diverged_at.copy(),
            list(start.readings),
        )

    def judge(self, step: int, losses: Array) -> None:
        """Note which networks' losses are not finite for the first time."""
        self.diverged_at[(self.diverged_at < 0) & ~np.isfinite(losses)] = step

    def score(self, step: int, row: Mapping[str, NDArray[np.float64]]) -> None:
        for name, values in row.items():
            self.metrics.setdefault(name, []).append(values)
        self.judge(step, row["train_loss"])

    def snapshot(self, step: int, stack: _Stack) -> Snapshot:
        return Snapshot(
            step,
            stack.parameters,
            stack.state,
            tuple(stack.moments),
            {name: np.stack(values, axis=-1) for name, values in self.metrics.items()},
            self.diverged_at,
            tuple(self.readings),
        )


def _copied(layers: Sequence[Mapping[str, Any]]) -> tuple[dict[str, Any], ...]:
    return tuple({name: array.copy() for name, array in layer.items()} for layer in layers)


def _scores(
    stack: _Stack,
    sets: dict[str, Images],
    train_set: Images,
    batch_size: int,
    for_test: Callable[[Sequence[Parameters]], Sequence[Parameters]],
    metrics: Mapping[str, Metric],
) -> dict[str, NDArray[np.float64]]:
    network, parameters = stack.network, stack.parameters
    state = evaluation_state(network, parameters, stack.state, train_set, batch_size)
    row: dict[str, NDArray[np.float64]] = {}
    for name, images in sets.items():
        own = for_test(parameters) if name == "test" else parameters
        scores = evaluate(network, own, state, images, metrics)
        row |= {f"{name}_{metric}": values for metric, values in scores.items()}
    return row
