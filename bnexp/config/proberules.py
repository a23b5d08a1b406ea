"""What must hold of an experiment's probes, beyond what each option allows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from bnexp.config.messages import Problem
from bnexp.config.network import ConvBlock, DenseBlock, Mlp
from bnexp.config.schema import Setting
from bnexp.config.yaml_text import Path


def probe_problems(setting: Setting) -> Iterator[Problem]:
    """Probes of a layer that is not there, or at steps that are not reached."""
    probes, layers = setting.probes, setting.model.weighted() + 1
    if probes is None:
        return
    for i, probe in enumerate(probes.read):
        layer = getattr(probe, "layer", 1)
        if layer > layers:
            text = f"no such layer, expected at most {layers}, the output layer, got {layer}"
            yield Problem(("probes", "read", i, "layer"), text)
        yield from _probe_options(i, probe, setting)
    names = [(p.kind, getattr(p, "of", None), getattr(p, "layer", None)) for p in probes.read]
    for i, name in enumerate(names):
        if name in names[:i]:
            text = f"a probe twice, expected each once, got {name[0]!r} again"
            yield Problem(("probes", "read", i), f"{text}: its numbers would have one name")
    if isinstance(probes.at, tuple) and list(probes.at) != sorted(set(probes.at)):
        yield Problem(("probes", "at"), "not in order, expected ascending steps, each once")


def _probe_options(i: int, probe: Any, setting: Setting) -> Iterator[Problem]:
    """Bins, percentiles and units that there are."""
    path: Path = ("probes", "read", i)
    if probe.kind == "histogram" and not probe.low < probe.high:
        text = f"not above low, expected a number > {probe.low:g}, got {probe.high:g}"
        yield Problem((*path, "high"), text)
    if probe.kind == "percentiles":
        for j, value in enumerate(probe.percentiles):
            if not 0 <= value <= 100:
                text = f"not a percentile, expected a number from 0 to 100, got {value:g}"
                yield Problem((*path, "percentiles", j), text)
        width = dict(enumerate(_widths(setting), 1)).get(probe.layer, probe.unit + 1)
        if probe.unit >= width:
            text = f"no such unit, expected at most {width - 1}, got {probe.unit}"
            yield Problem((*path, "unit"), text)


def _widths(setting: Setting) -> Sequence[int]:
    """How many units each layer with weights has, the output layer apart."""
    model = setting.model
    if isinstance(model, Mlp):
        return model.hidden
    blocks = model.blocks
    return [block.features for block in blocks if isinstance(block, ConvBlock | DenseBlock)]
