#!/usr/bin/env python3
"""Whether a GPU trains the networks that the CPU trains, and how fast.

Needs this checkout, NumPy and CuPy: no network and no data set, as images are drawn. It compares
every layer, forward and back, and the accuracies of the book's sweep on both devices; then it
measures 32, 2,048 and 8,192 networks of that sweep and the book's ConvNet, and prints a table. JAX
trains the same sweep where it is installed. It takes less than eight minutes: what does not fit
into --seconds is left out by name. Exit status 1 if the devices disagree.
"""

from __future__ import annotations

import argparse
import importlib.util
import json
import os
import platform
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from bnexp import nn
from bnexp.device import device_array, device_facts, free_memory, release_memory, to_host
from bnexp.errors import ConfigError
from bnexp.nn.activations import ACTIVATIONS
from bnexp.nn.normalizers import NORMALIZERS
from bnexp.nn.optimizers import SGD, Adam
from bnexp.nn.pooling import POOLS
from bnexp.training import History, Images, train
from bnexp.training.loop import moved
from bnexp.training.random import generator, stack_batches, with_replacement

WIDTHS = (784, 100, 100, 100, 100, 100, 10)
IMAGES, BATCH, RATE, CLASSES = 1000, 100, 0.01, 10
SCALES = np.logspace(0, -4, 16)
POINTS = range(1, 192, 10)  # 20 epochs; nothing is seen of the updates after the last
NORMS: Mapping[str, nn.Layer | None] = {"batch": nn.BatchNorm(), "none": None}
LAYER_ERROR = 1e-10  # relative, in float64
ACCURACY_ERROR = 0.002
# Rounding moves some networks by more. How far is seen on the CPU: weights are moved at random, by
# this share of themselves, which is about float32's last bit, so many times.
NUDGE, NUDGES = 2e-7, 3
MARGIN = 3  # a GPU may move a network that many times as far
MOST = 4096  # networks of a stack


def images(number: int = IMAGES, side: int | None = None) -> Images:
    """Images of ten classes: a pattern of each, and noise; rows, or squares of a channel."""
    random = np.random.default_rng(0)
    patterns = random.random((CLASSES, 784)) < 0.2
    labels = random.integers(0, CLASSES, number)
    noise = random.random((number, 784)) * (random.random((number, 784)) < 0.3)
    pixels = np.round(255 * (0.5 * patterns[labels] + 0.5 * noise)).astype(np.uint8)
    shape = (784,) if side is None else (side, side, 1)
    return Images(pixels.reshape(number, *shape), labels, np.float32)


@dataclass(frozen=True)
class Sweep:
    """The book's weight scales times some seeds, with and without batch norm."""

    seeds: int = 1
    points: Sequence[int] = POINTS
    scales: Sequence[float] = tuple(SCALES)

    @property
    def networks(self) -> int:
        return 2 * self.seeds * len(self.scales)

    def draws(self) -> dict[int, list[np.ndarray]]:
        """The weights of each seed for a scale of 1; its networks share them."""
        shapes = [*pairwise(WIDTHS)]
        drawn = {}
        for seed in range(self.seeds):
            random = generator(seed, "weights")
            drawn[seed] = [random.standard_normal(shape) for shape in shapes]
        return drawn

    def members(self) -> list[tuple[int, float]]:
        """Seed and scale of each network of a norm."""
        return [(seed, scale) for seed in range(self.seeds) for scale in self.scales]


def sweep_stack(
    members: Sequence[tuple[int, float]], drawn: Mapping[int, list[np.ndarray]], norm: Any
) -> tuple[nn.Sequential, list[dict[str, np.ndarray]], list[dict[str, np.ndarray]]]:
    """A network, and the parameters and states of a stack on the CPU."""
    network = nn.mlp(WIDTHS[1:], nn.Relu(), norm, [nn.Normal(1.0)] * (len(WIDTHS) - 1))
    first, state = network.init(np.random.default_rng(0), (WIDTHS[0],))
    parameters, number = [], 0
    for layer in first:
        row = {n: np.repeat(a[None].astype(np.float32), len(members), 0) for n, a in layer.items()}
        if "W" in layer:
            weights = [(scale * drawn[seed][number]).astype(np.float32) for seed, scale in members]
            row["W"] = np.stack(weights)
            number += 1
        parameters.append(row)
    states = [
        {n: np.repeat(a[None].astype(np.float32), len(members), 0) for n, a in layer.items()}
        for layer in state
    ]
    return network, parameters, states


def trained(
    sweep: Sweep, drawn: Mapping[int, list[np.ndarray]], device: str, nudge: int = 0
) -> dict[str, np.ndarray]:
    """The accuracies (networks, evaluations) by norm. Stacks that do not fit are made smaller.

    nudge: 0, or the seed by which initial weights are moved at random, relatively by `NUDGE`.
    """
    like, data = device_array(device), images().moved(device_array(device))
    accuracies: dict[str, np.ndarray] = {}
    for name, norm in NORMS.items():
        members, parts, size = sweep.members(), [], MOST
        while members:
            part = members[:size]
            try:
                history = _train_part(sweep, part, drawn, norm, data, like, nudge)
            except MemoryError:
                release_memory(device)
                size = max(len(part) // 2, 1)
                if len(part) == 1:
                    raise
                continue
            parts.append(history.metrics["train_accuracy"])
            members = members[size:]
        accuracies[name] = np.concatenate(parts)
    return accuracies


def _train_part(
    sweep: Sweep,
    members: Sequence[tuple[int, float]],
    drawn: Mapping[int, list[np.ndarray]],
    norm: Any,
    data: Images,
    like: Any,
    nudge: int,
) -> History:
    network, parameters, states = sweep_stack(members, drawn, norm)
    random = np.random.default_rng(nudge)
    for layer in parameters:
        if nudge and "W" in layer:
            layer["W"] *= 1 + np.float32(NUDGE) * random.standard_normal(layer["W"].shape, "f4")
    seeds = [*dict.fromkeys(seed for seed, _ in members)]
    streams = [with_replacement(generator(seed, "batches"), IMAGES, BATCH) for seed in seeds]
    rows = [seeds.index(seed) for seed, _ in members] if len(seeds) > 1 else None
    lr = np.full((len(members), 1, 1), RATE, np.float32)
    return train(
        network, SGD(), np.asarray(lr, like=like), parameters, states,
        stack_batches(streams, rows), sweep.points, data,
    )  # fmt: skip


# Agreement


def layers() -> Iterator[tuple[str, Any, tuple[int, ...]]]:
    """Each kind of layer with its name and the shape of a sample."""
    rows, squares = (8,), (6, 6, 4)
    for name in ACTIVATIONS.builtin:
        yield f"activation {name}", ACTIVATIONS[name](), rows
    dense, conv = nn.Dense(5, nn.Normal(1.0)), nn.Conv(5, 3, nn.Normal(1.0), 1, 1)
    for name in NORMALIZERS.builtin:
        layer = NORMALIZERS[name]()
        if hasattr(layer, "around"):
            yield f"norm {name}", layer.around(dense), rows
            yield f"norm {name}, conv", layer.around(conv), squares
        else:
            yield f"norm {name}", layer, squares
    for name in nn.BatchNorm.DIALECTS.builtin:
        norm = nn.BatchNorm(**nn.BatchNorm.DIALECTS[name])
        yield f"dialect {name}", norm, rows
        yield f"dialect {name}, images", norm, squares
    for name in POOLS.builtin:
        yield f"pool {name}", POOLS[name](3, 2, 1), squares
    yield "dense", dense, rows
    yield "conv", conv, squares
    yield "dropout", nn.Dropout(0.3), rows
    yield "global pool", nn.GlobalAveragePool(), squares
    yield "flatten", nn.Flatten(), squares


def layer_error(layer: Any, shape: tuple[int, ...], like: Any) -> float:
    """The largest relative difference of a layer's outputs and gradients on the two devices."""
    random = np.random.default_rng(0)
    starts = [layer.init(random, shape)[1:] for _ in range(3)]
    (parameters,), (state,) = (nn.stack([[s[i]] for s in starts], np.float64) for i in (0, 1))
    x = random.standard_normal((3, 20, *shape))
    results = []
    for there in (np.empty(0), like):
        on = [*moved([parameters, state], there)]
        y, cache, after = layer.forward(*on, np.asarray(x, like=there), train=True)
        dy = np.random.default_rng(1).standard_normal(y.shape)
        dx, gradients = layer.backward(on[0], cache, np.asarray(dy, like=there))
        evaluated, _, _ = layer.forward(on[0], after, np.asarray(x, like=there), train=False)
        numbers = [y, dx, evaluated, *gradients.values(), *after.values()]
        results.append([to_host(array).astype(np.float64) for array in numbers])
    return max(
        float(np.abs(a - b).max() / max(np.abs(a).max(), 1e-300))
        for a, b in zip(*results, strict=True)
    )


def layer_errors(like: Any) -> dict[str, float]:
    """The error of each layer by its name; infinite where the GPU raises an error."""
    errors = {}
    for name, layer, shape in layers():
        try:
            errors[name] = layer_error(layer, shape, like)
        except Exception as error:  # all of them are to be seen
            print(f"  {name}: {type(error).__name__}: {error}", file=sys.stderr)
            errors[name] = np.inf
    return errors


@dataclass(frozen=True)
class Panel:
    """A network of the sweep on both devices."""

    norm: str
    scale: float
    cpu: float
    gpu: float
    apart: float  # the largest difference of all evaluations
    nudged: float  # the same of the CPU's networks with weights moved in their last bits

    @property
    def agrees(self) -> bool:
        return self.apart <= max(ACCURACY_ERROR, MARGIN * self.nudged)


def panels(sweep: Sweep, device: str = "cuda") -> list[Panel]:
    """The sweep on both devices, and on the CPU with weights moved in their last bits."""
    drawn = sweep.draws()
    cpu, gpu = trained(sweep, drawn, "cpu"), trained(sweep, drawn, device)
    nudged = [trained(sweep, drawn, "cpu", nudge) for nudge in range(1, NUDGES + 1)]
    result = []
    for norm, accuracies in cpu.items():
        for k, (_, scale) in enumerate(sweep.members()):
            moves = max(float(np.abs(n[norm][k] - accuracies[k]).max()) for n in nudged)
            apart = float(np.abs(gpu[norm][k] - accuracies[k]).max())
            ends = float(accuracies[k, -1]), float(gpu[norm][k, -1])
            result.append(Panel(norm, float(scale), *ends, apart, moves))
    return result


# Speed


@dataclass
class Clock:
    """The time that the script has."""

    seconds: float
    started: float = field(default_factory=time.perf_counter)

    @property
    def left(self) -> float:
        return self.seconds - (time.perf_counter() - self.started)


def timed(function: Callable[[], Any]) -> float:
    started = time.perf_counter()
    function()
    return time.perf_counter() - started


def sweep_seconds(seeds: int, device: str = "cuda") -> dict[str, float]:
    """Seconds to draw a sweep's weights, and to train it, evaluations and moving included."""
    sweep, drawn = Sweep(seeds), {}
    drawing = timed(lambda: drawn.update(sweep.draws()))
    few = Sweep(seeds, points=(1, 2))
    trained(few, drawn, device)  # kernels are compiled, memory is taken
    seconds = timed(lambda: trained(sweep, drawn, device))
    return {"networks": sweep.networks, "drawing": drawing, "training": seconds}


def jax_seconds(seeds: int) -> dict[str, float]:
    """The same sweep in JAX: seconds to compile, and to train."""
    os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")  # else CuPy has no memory
    import jax
    import jax.numpy as jnp
    from peers import jaxvmap

    jax.config.update("jax_default_matmul_precision", "highest")
    sweep, data = Sweep(seeds), images()
    drawn, members = sweep.draws(), sweep.members()
    x, labels = (jnp.asarray(part) for part in data.batch(slice(None)))
    streams = [with_replacement(generator(s, "batches"), IMAGES, BATCH) for s in range(seeds)]
    rows = [seed for seed, _ in members]
    steps = stack_batches(streams, rows)
    batches = jnp.asarray(np.stack([next(steps) for _ in range(sweep.points[-1])]))
    weights = [[scale * w for w in drawn[seed]] for seed, scale in members]
    compiling = training = 0.0
    for norm in (True, False):
        first = jaxvmap.start(weights, norm=norm)
        started = time.perf_counter()
        program = jaxvmap.program(first, batches, x, labels)
        compiling += time.perf_counter() - started
        np.asarray(program())
        started = time.perf_counter()
        np.asarray(program())
        training += time.perf_counter() - started
    return {"networks": sweep.networks, "compiling": compiling, "training": training}


def convnet_seconds(networks: int, norm: bool, steps: int, device: str = "cuda") -> float:
    """Seconds of a step of the book's ConvNet, all networks of a stack together."""
    normalizer = nn.BatchNorm(**nn.BatchNorm.DIALECTS["pytorch"]) if norm else None
    he = nn.He()
    layers = [nn.Conv(30, 5, he), normalizer, nn.Relu(), nn.MaxPool(2), nn.Flatten()]
    layers += [nn.Dense(100, he), normalizer, nn.Relu(), nn.Dense(10, he)]
    network = nn.Sequential(tuple(layer for layer in layers if layer is not None))
    starts = [network.init(generator(seed, "weights"), (28, 28, 1)) for seed in range(networks)]
    parameters, states = (nn.stack(part, np.float32) for part in zip(*starts, strict=True))
    like = device_array(device)
    data, lr = images(side=28).moved(like), np.full((networks, 1, 1), 0.001, np.float32)

    def run(last: int) -> None:
        batches = stack_batches([with_replacement(generator(0, "batches"), IMAGES, BATCH)])
        rates = np.asarray(lr, like=like)
        few = data.first(BATCH)
        train(network, Adam(), rates, parameters, states, batches, (last,), data, scored=few)

    run(2)
    return timed(lambda: run(steps)) / steps


# The report


def measured(clock: Clock, quick: bool, left_out: list[str]) -> Iterator[list[str]]:
    """Rows of the table: what, networks, seconds, networks a second."""
    seeds = (1,) if quick else (1, 64, 256)
    programs: dict[str, Callable[[int], dict[str, float]]] = {"bnexp": sweep_seconds}
    if importlib.util.find_spec("jax"):
        programs["jax"] = jax_seconds
    for number in seeds:
        for name, program in programs.items():
            networks = f"{2 * number * len(SCALES):,}"
            if clock.left < 60 * (number > 1):
                left_out.append(f"{name}, {networks} networks")
                continue
            try:
                times = program(number)
            except MemoryError as error:
                left_out.append(f"{name}, {networks} networks: {' '.join(str(error).split())}")
                continue
            finally:
                release_memory("cuda")
            other = ", ".join(
                f"{part} {times[part]:.2f} s" for part in ("drawing", "compiling") if part in times
            )
            rate = times["networks"] / times["training"]
            yield [name, networks, f"{times['training']:.2f} s", f"{rate:,.0f} a second", other]
    steps = 3 if quick else 50
    for stack in (1,) if quick else (1, 8):
        for norm in (False, True):
            what = f"ConvNet{', batch norm' if norm else ''}"
            if clock.left < 20:
                left_out.append(f"{what} of {stack}")
                continue
            seconds = 1000 * convnet_seconds(stack, norm, steps)
            yield [what, str(stack), f"{seconds:.2f} ms", "a step", f"{seconds / stack:.2f} each"]


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  ".join(f"{cell:<{w}}" for cell, w in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="few networks, few steps")
    parser.add_argument("--seconds", type=float, default=440.0, help="time it has (default 440)")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the numbers there, too")
    options = parser.parse_args(arguments)
    clock, left_out = Clock(options.seconds), []
    try:
        like = device_array("cuda")
    except ConfigError as error:
        print(error, file=sys.stderr)
        return 2
    facts = device_facts("cuda")
    free = free_memory("cuda") or 0
    print(f"GPU     {facts['name']}, {free / 1e9:.1f} GB free, driver {facts['driver']}")
    print(f"CuPy    {facts['cupy']}, CUDA {facts['cuda']}, NumPy {np.__version__}")
    print(
        f"CPU     {os.cpu_count()} cores, {platform.machine()}, Python {platform.python_version()}"
    )

    errors = layer_errors(like)
    wrong = {name: error for name, error in errors.items() if not error <= LAYER_ERROR}
    worst = max(errors, key=lambda name: errors[name])
    print(f"\n{len(errors)} layers, forward and back in float64: {len(errors) - len(wrong)} agree")
    print(f"  the farthest: {worst}, relative {errors[worst]:.1e} (limit {LAYER_ERROR:g})")
    for name, error in wrong.items():
        print(f"  {name}: {error:.1e}  DISAGREES")

    sweep = Sweep(points=(1, 4), scales=(0.1, 0.01)) if options.quick else Sweep()
    compared = panels(sweep)
    disagreeing = [panel for panel in compared if not panel.agrees]
    within = sum(panel.apart <= ACCURACY_ERROR for panel in compared)
    other = len(compared) - within - len(disagreeing)
    print(
        f"\n{len(compared)} networks of the book's sweep in float32, {sweep.points[-1]} updates: "
        f"{within} within {ACCURACY_ERROR:g}, {other} within {MARGIN} times what last bits change "
        f"on the CPU, {len(disagreeing)} apart"
    )
    head = ["norm", "scale", "CPU", "GPU", "largest difference", "of last bits", ""]
    rows = [
        [p.norm, f"{p.scale:.4g}", f"{p.cpu:.4f}", f"{p.gpu:.4f}", f"{p.apart:.4f}",
         f"{p.nudged:.4f}", "" if p.agrees else "DISAGREES"]
        for p in compared
    ]  # fmt: skip
    print(*aligned([head, *rows]), sep="\n")

    table = [["program", "networks", "time", "", ""], *measured(clock, options.quick, left_out)]
    print("", *aligned(table), sep="\n")
    for what in left_out:
        print(f"left out: {what}")
    print(f"\n{time.perf_counter() - clock.started:.0f} s in all")
    if options.json:
        numbers = {
            "device": facts,
            "layers": errors,
            "panels": [vars(panel) for panel in compared],
            "table": table,
            "left_out": left_out,
        }
        options.json.write_text(json.dumps(numbers, indent=1))
    return int(bool(wrong or disagreeing))


if __name__ == "__main__":
    sys.exit(main())
