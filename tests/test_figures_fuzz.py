"""Random options of all kinds of figures, of random plans: what `check` allows is drawn.

And what it refuses is refused by drawing in the same words, so that nothing is refused in vain.
"""

from __future__ import annotations

import os
import random
import re
from dataclasses import fields
from typing import get_args

import pytest
from fuzzing import no_hang

import bnexp
from bnexp import running
from bnexp.config.yaml import flow
from bnexp.errors import ConfigError
from bnexp.figures import FIGURES, FigureError, draw, render_files
from bnexp.figures.series import Spread

QUANTITIES = [
    *("activation_std", "dead", "similarity", "gradient_norm", "update_ratio"),
    *("activation_density", "preactivation_density", "percentile"),
    *("loss_along", "loss_range", "smoothness", "shift", "shift_cosine", "nothing"),
]
METRICS = ["train_loss", "train_accuracy", "test_loss", "test_accuracy", "train_confidence"]
NUMBERS = [-1.0, 0.0, 1e-300, 1e-12, 0.1, 0.5, 1.0, 1.5, 7.0, 100.0, 1e99, 1e300]
PLACES = [0.0, 0.25, 0.5, 1.0, 2.0, 10.0, 50.0, 90.0]


class Generator:
    """Texts of experiments and of figures, by a seed."""

    def __init__(self, seed):
        self.random = random.Random(seed)
        self.axes = {}
        self.quantities = QUANTITIES

    def one(self, *values):
        return self.random.choice(values)

    def some(self, values, least=0, most=3):
        return self.random.sample(values, self.random.randint(least, min(most, len(values))))

    def rarely(self, chance=0.25):
        return self.random.random() < chance

    def plan(self):
        """The text of an experiment without figures, of some ten tiny networks."""
        layers = self.one([], [3], [4, 3], [5, 4, 3], [2] * 6, [2] * 13)
        model = {"hidden": layers, "init": {"kind": "normal", "std": 0.3}}
        model["norm"] = self.one("batch", "layer", "none")
        blocks = [{"kind": "conv", "features": 2, "stride": 3}, {"kind": "dense", "features": 3}]
        if is_cnn := self.rarely(0.1):
            del model["hidden"]
            model |= {"kind": "cnn", "blocks": blocks}
        train = {"batch_size": 10, "steps": self.one(1, 3, 14)}
        train["evaluate"] = self.one("epoch", "book", {"every": 1}, {"every": 2}, [1], [0, 1])
        train |= {"optimizer": {"kind": "sgd", "lr": self.one(0.1, 0.1, 1e30)}}
        if self.rarely():
            train["metrics"] = ["confidence"]
        if self.rarely(0.2) and train["evaluate"] != [0, 1]:
            train["evaluate_train"] = "batch"
        swept = {
            "model.norm": self.some(["batch", "none", "layer"], 1),
            "model.init.std": self.some([0.1, 0.2, 0.3, 1e-200, 1e18], 1, 5),
            "train.optimizer.lr": self.some([0.1, 0.2, 1e-9, 1e25], 1),
            "train.optimizer": self.some(["sgd", "adam", {"kind": "momentum", "lr": 0.3}], 1),
            "train.batch_size": self.some([5, 10, 20, 7, 9], 1, 5),
            "train.l2": self.some([n / 100 for n in range(40)], 2, self.one(3, 3, 40)),
            "train.steps": self.some([1, 3, 9], 1),
            "data.test": self.some([0, 4, 7], 1),
            "data.draw": ["first", "seed"],
            "model.bias": [True, False],
        }
        if not is_cnn:
            swept["model.hidden"] = self.some([[], [3], [2, 2], [2, 2, 2]], 1)
        keys = self.some([*swept], 0, 3)
        if self.rarely(0.4):  # what changes what is recorded
            key = self.one("data.test", "train.steps", "train.batch_size", [*swept][-1])
            keys = [key, *(other for other in keys if other != key)][:3]
        if {"train.optimizer", "train.optimizer.lr"} <= {*keys}:
            keys.remove("train.optimizer")
        self.axes = {key: swept[key] for key in keys}
        if "train.steps" in self.axes:
            train["evaluate"] = {"every": 1}
        sweep = dict(self.axes)
        if len(keys) >= 2 and self.rarely():
            number = min(len(self.axes[key]) for key in keys[:2])
            zipped = {key: sweep.pop(key)[:number] for key in keys[:2]}
            self.axes |= zipped
            sweep["zip"] = zipped
        value = {
            "name": "tiny",
            "data": {"name": "synthetic", "train": 20, "test": self.one(0, 0, 5)},
            "model": model,
            "train": train,
            "random": {"seeds": self.one([0], [0, 1], [0, 1, 2])},
            "sweep": sweep,
        }
        if self.rarely(0.9):
            is_tested = value["data"]["test"] > 0 and 0 not in self.axes.get("data.test", [])
            value["probes"] = self.probes(len(layers) if not is_cnn else 2, is_tested)
        return value

    def probes(self, hidden, is_tested):
        names = self.some(QUANTITIES[:5], 1)
        probes = [
            {"kind": "layers", "quantities": names},
            {"kind": "histogram", "bins": self.one(1, 3, 40)},
            {"kind": "histogram", "of": "preactivation", "low": -1.0, "bins": 4},
            {"kind": "landscape", "steps": self.some(PLACES, 1, 8)},
            "covariate_shift",
            {"kind": "percentiles", "layer": 1, "percentiles": self.some(PLACES, 1, 8)},
            {"kind": "percentiles", "layer": hidden + 1, "percentiles": [1.0, 50.0]},
        ]
        if hidden == 0:
            del probes[-1]
        probes.append({"kind": "filters", "units": self.one(1, 3)})
        if is_tested:
            probes.append({"kind": "confusion", "mistakes": self.one(0, 1, 4)})
            strengths = self.some(PLACES, 1, 4)
            probes.append({"kind": "robustness", "to": "blur", "strengths": strengths})
            probes.append({"kind": "robustness", "to": "fgsm", "strengths": [0.5]})
        read = self.some(probes, 2, 6)
        if "model.hidden" in self.axes:
            read = [p for p in read if "layer" not in p] or ["landscape"]
        value = {"read": read}
        self.quantities = [name for probe in read for name in self.quantities_of(probe)]
        if self.rarely(0.7) and not self.axes.get("train.batch_size"):
            value["at"] = self.one("ends", [0], [0, 1], [1], {"every": 1}, {"every": 2})
        return value

    def quantities_of(self, probe):
        if probe == "covariate_shift":
            return ["shift", "shift_cosine"]
        names = {
            "layers": lambda: probe["quantities"],
            "histogram": lambda: [f"{probe.get('of', 'activation')}_density"],
            "percentiles": lambda: ["percentile"],
            "landscape": lambda: ["loss_along", "loss_range", "smoothness"],
            "filters": lambda: ["filter"],
            "confusion": lambda: ["confusion"],
            "robustness": lambda: [f"accuracy_{probe['to']}"],
        }
        return names["landscape" if isinstance(probe, str) else probe["kind"]]()

    def quantity(self, kind):
        """One that suits the kind and is read, more often than not."""
        ends = {"histograms": "_density", "percentiles": "percentile", "landscape": "_along"}
        suitable = [name for name in self.quantities if name.endswith(ends.get(kind, ""))]
        if suitable and self.rarely(0.9):
            return self.one(*suitable)
        return self.one(*self.quantities, *QUANTITIES)

    def key(self):
        if self.axes and self.rarely(0.9):
            return self.one(*self.axes)
        return self.one("model.norm", "train.batch_size", "nothing")

    def where(self, chance=0.5):
        if not self.axes or self.rarely(chance):
            return {}
        key = self.one(self.key(), next(iter(self.axes)))
        values = self.axes.get(key, [1])
        return {key: self.one(self.one(*values), self.some(values, 1))}

    def option(self, kind, name):
        """A value for an option, valid more often than not."""
        if name == "law":
            laws = [
                {"label": "a", "rate": self.one(0.5, 1.0, 1e200)},
                {"label": "b", "values": self.some(NUMBERS, 1, 4)},
                {"label": "c", "rate": 2.0, "where": self.where()},
                {"label": "d"},
            ]
            return self.some(laws, 1)
        table = {
            "where": self.where(0.1),
            "limits": sorted(self.some(NUMBERS, 2, 2)),
            "log": self.one(True, False),
            "metrics": self.some([*METRICS, "gap"], 1, 5),
            "metric": self.one(*METRICS),
            "value": self.one("final_", "best_") + self.one(*METRICS),
            "quantity": self.quantity(kind),
            "layers": [self.one(0, 1, 2), self.one(1, 2, 3, 9)],
            "layer": self.one(0, 1, 1, 2, 3, 9),
            "at": self.one(self.one(*PLACES), self.some(PLACES, 1, self.one(1, 2, 8))),
            "against": self.one("step", "epoch"),
            "together": self.one(True, False),
            "best": self.one(2, 3, 9),
            "smooth": self.one(True, False),
            "step": self.one("first", "last", 0, 1, 1, 2, 3, 9),
            "backwards": True,
            "units": self.one(1, 2, 50),
            "mistakes": self.one(0, 1, 50),
            "optimizers": self.one("swept", ["sgd"], [{"kind": "adam", "lr": 1e30}, "nesterov"]),
            "steps": self.one(1, 500),
            "start": self.one([1.0, 1.0], [0.0, 0.0], [0.0, -1e-9], [11.0, 0.0]),
            "caption": "What one sees.",
            "name": self.one("", "mine", "mine-2", "Mine", "panels"),
            "band": self.one(*get_args(Spread)),
            "accuracy": self.one("final", "best"),
            **{name: self.key() for name in ("axis", "panel_axis", "x", "y")},
        }
        if kind == "curves" and name == "layer" and self.rarely():
            return self.some([0, 1, 2, 3], 1)
        return table[name]

    def figure(self):
        """The options of a figure as plain values."""
        kind = self.one(*FIGURES, "curves", "curves", "depth")
        names = [field.name for field in fields(FIGURES[kind])]
        chance = self.one(0.1, 0.2, 0.4)
        chosen = [name for name in names if self.random.random() < chance]
        if "quantity" in names and "metrics" not in chosen and self.rarely(0.6):
            chosen.append("quantity")
        if "where" in names and self.rarely(0.4):
            chosen.append("where")
        if kind == "depth" and "quantity" not in chosen:
            chosen.append("quantity")
        return {"kind": kind, **{name: self.option(kind, name) for name in dict.fromkeys(chosen)}}


def text_of(value):
    """The experiment as YAML, a key a line."""
    return "".join(f"{key}: {flow(inner)}\n" for key, inner in value.items())


def run_plan(generator, path):
    """A plan and what it records; one that would record too many numbers is drawn anew."""
    while True:
        plan = generator.plan()
        path.write_text(text_of(plan))
        try:
            return plan, bnexp.run(bnexp.load_config(path)).results
        except ConfigError as error:
            if "too many readings" not in str(error):
                raise


def examine(seed, figures, path, counts):
    """Check so many figures of a plan, train it, and draw them."""
    generator = Generator(seed)
    with no_hang():
        plan, tables = run_plan(generator, path)
        for _ in range(figures):
            figure = generator.figure()
            path.write_text(text_of({**plan, "figures": [figure]}))
            try:
                config = bnexp.load_config(path)
                (options,) = config.experiment.figures
            except ConfigError as error:  # the option alone is none
                place_of(error, path)
                counts["invalid"] += 1
                continue
            try:
                running.prepare(config)
            except ConfigError as error:
                said = place_of(error, path)
                with pytest.raises(FigureError) as caught:
                    draw(options, tables)
                assert said == caught.value.text
                counts["refused"] += 1
                continue
            assert render_files(options, tables, ["png"])["png"].startswith(b"\x89PNG")
            counts["drawn"] += 1


def place_of(error, path):
    """What an error says behind its place, which is in the figure's line."""
    number = len(path.read_text().splitlines())
    lines = str(error).splitlines()
    found = [re.match(rf"{re.escape(str(path))}:{number}:\d+: figures\[0\]\S*: ", s) for s in lines]
    assert all(found), str(error)
    return lines[0][found[0].end() :]


@pytest.mark.slow
@pytest.mark.parametrize("plans", [3, pytest.param(40, marks=pytest.mark.slow)])
def test_what_check_allows_is_drawn_and_what_it_refuses_is_not(tmp_path, plans):
    first = int(os.environ.get("BNEXP_FUZZ_SEED") or random.SystemRandom().randrange(10**9))
    counts = dict.fromkeys(("invalid", "refused", "drawn"), 0)
    for seed in range(first, first + plans):
        path = tmp_path / "tiny.yaml"
        try:
            examine(seed, 8, path, counts)
        except BaseException as error:
            error.add_note(f"BNEXP_FUZZ_SEED={seed}\n{path.read_text()}")
            raise
    assert sum(counts.values()) == 8 * plans
    assert counts["drawn"] > 0
    assert counts["refused"] > 0
