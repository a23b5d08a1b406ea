"""The rows of the benchmark's tables: what is trained, and by which programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from peers.blocks import BLOCKS, Scales
from peers.contestants import FLOAT32, INDEPENDENT, Again, Command, Contestant, Ours, Processes
from peers.convnets import ConvNets
from peers.sweep import QUICK, Sweep


@dataclass(frozen=True)
class Row:
    """A line of a table; `package` must be installed for it, `networks` make `steps` steps."""

    name: str
    what: str
    contestant: Contestant
    package: str = "numpy"
    networks: int = 1
    steps: int = 1

    def per_step(self, seconds: float) -> float:
        """Milliseconds for one step of one network."""
        return 1000 * seconds / (self.networks * self.steps)


@dataclass(frozen=True)
class Table:
    """Rows, their times also as ratios to the row `baseline`'s; all in seconds, or all per step."""

    title: Sequence[str]
    rows: Sequence[Row]
    baseline: str
    per_step: bool = False


def tables(data: str, quick: bool) -> list[Table]:
    sweep = Sweep(*((QUICK.exponents, QUICK.epochs) if quick else ()), data=data)
    return [
        _of_sweep(sweep),
        _of_blocks(Scales(sweep.exponents, sweep.epochs, data)),
        _of_convnets(data, steps=3 if quick else 30),
    ]


def _of_sweep(sweep: Sweep) -> Table:
    title = (
        f"{sweep.networks} networks 784-100x5-10, half of them with batch norm; batch 100,",
        f"{sweep.updates} updates, evaluated every 10 on the 1000 images of the training set",
    )
    rows = [*_floor(sweep), *_bnexp(sweep), *_peers(sweep), *_commands(sweep)]
    return Table(title, rows, "bnexp32-2")


def _floor(sweep: Sweep) -> list[Row]:
    return [
        Row(
            f"floor{bits}-{shares}",
            f"the products alone, float{bits}, {shares} x 1 thread",
            Processes("floor", (sweep, f"float{bits}"), shares),
        )
        for bits in (32, 64)
        for shares in (1, 2)
    ]


def _bnexp(sweep: Sweep) -> list[Row]:
    return [
        Row("bnexp32-1", "bnexp, float32, 1 worker", Ours(sweep, FLOAT32, 1)),
        Row("bnexp32-2", "bnexp, float32, 2 workers", Ours(sweep, FLOAT32, 2)),
        Row("bnexp64-1", "bnexp, float64 as shipped, 1 worker", Ours(sweep, {}, 1)),
        Row("bnexp64-2", "bnexp, float64 as shipped, 2 workers", Ours(sweep, {}, 2)),
        Row(
            "bnexp64i-2",
            "bnexp, float64, independent, 2 workers",
            Ours(sweep, INDEPENDENT, 2),
        ),
    ]


def _peers(sweep: Sweep) -> list[Row]:
    return [
        Row("plain-1", "plain NumPy loop, float64, 1 thread", Processes("plain", (sweep,))),
        Row(
            "plain-all",
            "plain NumPy loop, float64, all threads",
            Processes("plain", (sweep,), threads=None),
        ),
        Row(
            "torch-2x1",
            "PyTorch eager, float32, 2 x 1 thread",
            Processes("pytorch", (sweep, 1), shares=2),
            "torch",
        ),
        Row(
            "torch-1x2",
            "PyTorch eager, float32, 1 x 2 threads",
            Processes("pytorch", (sweep, 2), threads=2),
            "torch",
        ),
        Row(
            "jax",
            "JAX jit + vmap over 16, float32, run",
            Processes("jaxvmap", (sweep,), threads=None),
            "jax",
        ),
    ]


def _commands(sweep: Sweep) -> list[Row]:
    def arguments(overrides: Mapping[str, Any]) -> tuple[str, ...]:
        settings = {**sweep.overrides(), **overrides}
        pairs = [("--set", f"{key}={json.dumps(value)}") for key, value in settings.items()]
        texts = [text for pair in pairs for text in pair]
        return ("run", sweep.base, "--quiet", "-j", "2", *texts)

    return [
        Row("command32", "bnexp run, float32, whole process", Command(arguments(FLOAT32))),
        Row("command64", "bnexp run as shipped, whole process", Command(arguments({}))),
        Row("again", "bnexp run, nothing to do, CPU, of 5", Again(arguments(FLOAT32))),
        Row("help", "bnexp --help, median of 5", Command(("--help",), times=5)),
    ]


def _of_blocks(scales: Scales) -> Table:
    title = (
        f"{scales.networks} of these networks with one normalizer each time, or skip connections;",
        "float32, one process",
    )
    floor = Row("block-floor", "the products alone", Processes("floor", (scales, "float32")))
    rows = [
        Row(f"block-{name}", f"bnexp, {name}", Ours(replace(scales, changes=changes), FLOAT32, 1))
        for name, changes in BLOCKS.items()
    ]
    return Table(title, [floor, *rows], "block-floor")


def _of_convnets(data: str, steps: int) -> Table:
    title = (
        "The book's ConvNet: conv 30 of 5x5, max pool 2, dense 100; Adam, batch 100;",
        f"cnn: without batch norm; cnnbn: with it, per channel; {steps} steps on one core",
        "cnn8: 4 scales, with batch norm and without, on two cores",
    )
    plain = ConvNets(steps=steps, data=data)
    normed = ConvNets(norms=(True,), steps=steps, data=data)
    several = ConvNets((0.1, 0.03, 0.01, 0.003), (True, False), steps, data)
    rows = [*_one_core("cnn", plain), *_one_core("cnnbn", normed), *_two_cores("cnn8", several)]
    return Table(title, rows, "cnn-bnexp", per_step=True)


def _one_core(name: str, nets: ConvNets) -> list[Row]:
    numpy, torch = Processes("im2col", (nets,)), Processes("convtorch", (nets, 1))
    size = {"networks": nets.networks, "steps": nets.steps}
    return [
        Row(f"{name}-bnexp", "bnexp, float32, 1 worker", Ours(nets, FLOAT32, 1), **size),
        Row(f"{name}-numpy", "plain im2col, float64, 1 thread", numpy, **size),
        Row(f"{name}-torch", "PyTorch eager, float32, 1 thread", torch, "torch", **size),
    ]


def _two_cores(name: str, nets: ConvNets) -> list[Row]:
    torch = Processes("convtorch", (nets, 1), shares=2)
    size = {"networks": nets.networks, "steps": nets.steps}
    return [
        Row(f"{name}-bnexp", "bnexp, float32, 2 workers", Ours(nets, FLOAT32, 2), **size),
        Row(f"{name}-torch", "PyTorch eager, float32, 2 x 1 thread", torch, "torch", **size),
    ]
