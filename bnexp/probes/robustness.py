"""The accuracy on held-out images that are changed: by noise, blur, a shift, inversion, or FGSM."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from bnexp.nn import Array
from bnexp.probes.base import Grid, Reading, Site, TrainingStep
from bnexp.registry import option


@dataclass(frozen=True)
class Robustness:
    """The accuracy on held-out images x that are changed, with the statistics of evaluation.

    inversion: x + s (1 - 2 x). blur: a Gaussian of s pixels. noise: x + s times a standard normal
    number, the same for all networks and steps. shift: s pixels to the right. fgsm: x + s sign(g),
    g the gradient of the network's loss with respect to x (Goodfellow et al. 2015).

    accuracy_inversion, accuracy_blur and so on: at = the strength s, of which 0 changes nothing.
    Pixels go from 0 to 1 and are cut off there. A gradient that is exactly 0 has the sign 0.
    """

    to: Literal["inversion", "blur", "noise", "shift", "fgsm"] = option(doc="the change")
    strengths: tuple[float, ...] = option(doc="the values of s")
    images: int = option(
        1000, doc="how many held-out images, from the first; all where there are fewer", ge=1
    )

    needs_test = True

    @property
    def quantity_names(self) -> tuple[str, ...]:
        """The quantity that `read` returns."""
        return (f"accuracy_{self.to}",)

    def grids(self, sites: Sequence[Site]) -> Sequence[Grid]:
        """One quantity of the network at each strength."""
        return [Grid(self.quantity_names[0], at=tuple(self.strengths))]

    def read(self, step: TrainingStep) -> Sequence[Reading]:
        """`accuracy_...`, (K, 1, strengths); nothing if no image is held out."""
        held_out = step.held_out
        if held_out is None:
            return []
        labels = held_out.labels[: self.images]
        pictures = held_out.pixels(np.arange(len(labels)))
        # Pixels that are not made of bytes may reach farther.
        ends = min(0.0, float(pictures.min())), max(1.0, float(pictures.max()))
        values = np.empty((step.networks, 1, len(self.strengths)))
        for k in range(step.networks):
            if self.to == "fgsm":
                direction = np.sign(held_out.loss_gradient(k, pictures))
            for i, strength in enumerate(self.strengths):
                if self.to == "fgsm":
                    changed: Array = pictures + strength * direction
                else:
                    changed = CHANGES[self.to](pictures, strength)
                logits = held_out.answers(k, np.clip(changed, *ends).astype(pictures.dtype))
                values[k, 0, i] = np.mean(logits.argmax(axis=-1) == labels)
        return [grid.reading(values) for grid in self.grids(step.sites)]


def _inverted(x: Array, strength: float) -> Array:
    return x + strength * (1.0 - 2.0 * x)


def _blurred(x: Array, std: float) -> Array:
    """x smoothed along both sides; the weights of the pixels that there are add up to 1."""
    for axis in (1, 2):
        places = np.arange(x.shape[axis])
        distances = places[:, None] - places
        weights = np.exp(-0.5 * np.square(distances / std)) if std else np.equal(distances, 0.0)
        weights = weights / weights.sum(axis=1, keepdims=True)
        x = np.moveaxis(np.tensordot(x, weights, axes=(axis, 1)), -1, axis)
    return x


def _noisy(x: Array, std: float) -> Array:
    return x + std * np.random.default_rng(0).standard_normal(x.shape)


def _shifted(x: Array, pixels: float) -> Array:
    """x moved to the right; what comes in is 0."""
    width = x.shape[2]
    moved = min(round(pixels), width)
    return np.pad(x, ((0, 0), (0, 0), (moved, 0), (0, 0)))[:, :, :width]


CHANGES: Mapping[str, Callable[[Array, float], Array]] = {
    "inversion": _inverted,
    "blur": _blurred,
    "noise": _noisy,
    "shift": _shifted,
}
