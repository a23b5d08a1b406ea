"""A user's own classes: registered in a few lines, used from YAML, in workers too."""

from __future__ import annotations

import inspect
import pickle
import subprocess
import sys
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import MISSING, dataclass, fields, replace
from importlib.metadata import EntryPoint
from typing import Annotated

import numpy as np
import pytest
from numeric_cases import images, small_mlp, stacked
from pydantic import TypeAdapter

import bnexp
from bnexp.config import reference
from bnexp.config.options import OneOf, Options, identity, instantiate
from bnexp.nn import (
    ACTIVATIONS,
    INITIALIZERS,
    NORMALIZERS,
    OPTIMIZERS,
    BatchNorm,
    Dense,
    Normal,
    Registry,
    Sequential,
    SoftmaxCrossEntropy,
    gradient_errors,
    option,
)
from bnexp.nn.optimizers import SCHEDULES
from bnexp.nn.pooling import POOLS, Pool
from bnexp.probes import PROBES
from bnexp.training import evaluate
from bnexp.training.evaluation import evaluation_state


@dataclass(frozen=True)
class Triangular:
    """Weights between -width and width, small ones likelier."""

    width: float = option(0.1, doc="the largest weight", gt=0)

    def draw(self, generator, shape, fan_in, fan_out):
        return self.width * (generator.uniform(size=shape) - generator.uniform(size=shape))


@dataclass(frozen=True)
class PowerPool(Pool):
    """The mean of |x|^power over each window."""

    stride: int = option(3, doc="how far the window moves", ge=1)
    power: float = option(2.0, doc="the power", gt=0)

    def forward(self, parameters, state, x, train):
        views = self.window.slices(self.window.framed(x))
        return sum(abs(view) ** self.power for view in views) / self.size**2, x, state

    def backward(self, parameters, cache, dy):
        slope = self.power * np.sign(cache) * abs(cache) ** (self.power - 1) / self.size**2
        framed = np.zeros_like(self.window.framed(cache))
        for view in self.window.slices(framed):
            view += dy
        return self.window.unframed(framed) * slope, {}


@dataclass(frozen=True)
class Halve:
    """Not much of a normalizer, but one that can be told from the others."""

    def init(self, generator, shape):
        return shape, {}, {}

    def forward(self, parameters, state, x, train):
        return x * 0.5, None, state

    def backward(self, parameters, cache, dy):
        return dy * 0.5, {}


@pytest.fixture(autouse=True)
def _registered(monkeypatch):
    """Registers the classes above, for one test."""
    for registry in (ACTIVATIONS, INITIALIZERS, NORMALIZERS, OPTIMIZERS, POOLS):
        monkeypatch.setattr(registry, "_entries", dict(registry))
    INITIALIZERS.register("triangular")(Triangular)
    NORMALIZERS.register("halve")(Halve)
    POOLS.register("power")(PowerPool)


OWN = {
    "sweep.model.init.std": None,
    "model.init": {"kind": "triangular"},
    "sweep.model.init.width": [0.1, 0.5],
    "sweep.model.norm": ["halve", "batch", "none"],
}


@pytest.mark.slow
def test_own_classes_are_swept_and_trained_alike_here_and_in_workers(small):
    config = bnexp.load_config(small, OWN)
    here, workers = bnexp.run(config, jobs=1), bnexp.run(config, jobs=2)
    assert set(here.summary["model.norm"]) == {"halve", "batch", "none"}
    np.testing.assert_array_equal(here.metrics["train_loss"], workers.metrics["train_loss"])
    assert len(set(here.metrics["train_loss"])) == len(here.metrics["train_loss"])


def test_own_bounds_are_checked_like_built_in_ones(small):
    with pytest.raises(bnexp.ConfigError, match=r"model\.init\.width: .* a number > 0, got -1"):
        bnexp.load_config(small, {**OWN, "sweep.model.init.width": None, "model.init.width": -1})


def test_a_class_registered_late_is_taken_up(small):
    bnexp.load_config(small)

    @ACTIVATIONS.register("flip")
    @dataclass(frozen=True)
    class Flip(bnexp.nn.activations.Elementwise):
        def value(self, x):
            return -x

        def slope(self, y):
            return np.full_like(y, -1)

    config = bnexp.load_config(small, {"model.activation": "flip", "sweep.model.init.std": [0.1]})
    assert bnexp.run(config).summary["final_train_accuracy"].min() > 0.15
    assert "flip" in str(bnexp.config.json_schema())


def test_an_edited_class_is_another_network(small, monkeypatch):
    ids = {network.id for network in bnexp.sweep.make_plan(bnexp.load_config(small, OWN)).networks}
    monkeypatch.setattr("inspect.getsource", lambda cls: "class Triangular: pass  # edited")
    assert not ids & {c.id for c in bnexp.sweep.make_plan(bnexp.load_config(small, OWN)).networks}


def test_built_in_names_are_taken():
    for registry in (ACTIVATIONS, INITIALIZERS, NORMALIZERS, OPTIMIZERS):
        with pytest.raises(ValueError, match="is built in; choose another name"):
            registry.register(next(iter(registry.builtin)))
    with pytest.raises(ValueError, match="is built in"):
        NORMALIZERS.register("none")


def test_installed_packages_add_entries(monkeypatch):
    point = EntryPoint("mine", "tests_no_such:Mine", "bnexp.thing")
    monkeypatch.setattr(EntryPoint, "load", lambda self: Halve)
    monkeypatch.setattr("bnexp.registry.entry_points", lambda group: [point])
    registry = Registry("thing", {"builtin": Triangular})
    assert dict(registry) == {"builtin": Triangular, "mine": Halve}


@pytest.mark.parametrize(
    ("loaded", "message"),
    [
        (None, "ModuleNotFoundError: No module named 'tests_no_such'"),
        (5, "TypeError: thing 'mine': expected a dataclass, got int"),
    ],
)
def test_an_installed_package_that_cannot_be_used_is_named(monkeypatch, loaded, message):
    point = EntryPoint("mine", "tests_no_such:Mine", "bnexp.thing")
    if loaded:
        monkeypatch.setattr(EntryPoint, "load", lambda self: loaded)
    monkeypatch.setattr("bnexp.registry.entry_points", lambda group: [point])
    registry = Registry("thing", {"builtin": Triangular})
    with pytest.raises(
        bnexp.ConfigError, match=f"thing 'mine' of an installed package .*{message}"
    ):
        dict(registry)


@pytest.mark.slow
def test_a_class_typed_into_a_notebook_is_refused_with_several_jobs(tmp_path, small):
    code = f"""
import bnexp
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from bnexp.nn import INITIALIZERS

@INITIALIZERS.register("ones")
@dataclass(frozen=True)
class Ones:
    def draw(self, generator, shape, fan_in, fan_out):
        return generator.uniform(size=shape)

config = bnexp.load_config({str(small)!r}, {{"sweep.model.init.std": None, "model.init": "ones"}})
print(bnexp.run(config, jobs=1).trained)
try:
    bnexp.run(config, jobs=2)
except bnexp.ConfigError as error:
    print(error)
"""
    result = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert result.stdout.splitlines() == [
        "4",
        "ones: defined in a notebook or at a prompt, expected a class that worker processes can "
        "import; put it into a module, or use jobs=1",
    ]


def test_entries_given_by_place_are_imported_when_they_are_looked_up(monkeypatch):
    places = {"ordered": "collections:OrderedDict", "absent": "tests_no_such:Thing"}
    registry = Registry("thing", places, instance_of=Callable)
    assert list(registry) == ["ordered", "absent"]
    assert "absent" in registry
    assert registry["ordered"] is OrderedDict
    with pytest.raises(ModuleNotFoundError, match="tests_no_such"):
        registry["absent"]


def test_packages_for_the_british_groups_are_found(monkeypatch):
    point = EntryPoint("mine", "tests_no_such:Mine", "bnexp.normaliser")
    monkeypatch.setattr(EntryPoint, "load", lambda self: Halve)
    monkeypatch.setattr(
        "bnexp.registry.entry_points", lambda group: [point] if group == point.group else []
    )
    assert Registry("normalizer", {})["mine"] is Halve


def test_functions_and_values_are_registered():
    functions = Registry("reader", {"length": len}, instance_of=Callable)

    @functions.register("largest")
    def largest(values):
        return max(values)

    assert functions["largest"]([1, 2]) == 2
    assert functions.register("smallest", min) is min
    assert list(functions) == ["length", "largest", "smallest"]
    sizes = Registry("batch size", {"small": 10}, instance_of=int)
    assert sizes.register("large", 100) == sizes["large"] == 100


def test_what_does_not_belong_into_a_registry_is_refused():
    functions = Registry("reader", {"length": len}, instance_of=Callable)
    with pytest.raises(TypeError, match=r"^reader 'five': expected a function, got int$"):
        functions.register("five", 5)
    with pytest.raises(ValueError, match=r"^reader 'length' is built in; choose another name$"):
        functions.register("length", min)
    sizes = Registry("batch size", {}, instance_of=int)
    with pytest.raises(TypeError, match=r"^batch size 'half': expected int, got float$"):
        sizes.register("half", 0.5)
    with pytest.raises(TypeError, match=r"^optimizer 'five': expected a dataclass, got int; put "):
        OPTIMIZERS.register("five", 5)
    with pytest.raises(
        TypeError,
        match=r"^normalizer 'no': expected the methods init, forward, backward, "
        r"got Triangular without init, forward, backward$",
    ):
        NORMALIZERS.register("no", Triangular)


@pytest.mark.slow
def test_an_own_dialect_is_a_choice_everywhere_and_trained_in_workers(small, monkeypatch):
    dialects = BatchNorm.DIALECTS
    monkeypatch.setattr(dialects, "_entries", dict(dialects))
    own = {"kind": "batch", "dialect": "slow"}
    sweep = {"sweep.model.init.std": [0.1], "sweep.model.norm": None, "model.norm": own}
    with pytest.raises(bnexp.ConfigError, match="got 'slow'"):
        bnexp.load_config(small, sweep)
    dialects.register("slow", {"stat_decay": 0.999, "eps": 1e-2})
    config = bnexp.load_config(small, sweep)
    assert "dialect=slow" in {topic.name.partition(" ")[2] for topic in reference.all_topics()}
    assert "slow" in str(bnexp.config.json_schema())
    here, workers = bnexp.run(config, jobs=1), bnexp.run(config, jobs=2)
    np.testing.assert_array_equal(here.metrics["train_loss"], workers.metrics["train_loss"])
    same = {"kind": "batch", "stat_decay": 0.999, "eps": 1e-2}
    written_out = bnexp.run(bnexp.load_config(small, {**sweep, "model.norm": same}))
    assert [*written_out.summary["cell"]] == [*here.summary["cell"]]
    with pytest.raises(ValueError, match="batch norm dialect 'keras' is built in"):
        dialects.register("keras", {})


@dataclass(frozen=True)
class Scaled:
    """Divide by the deviation over the batch, without centering."""

    evaluation: str = option("running", doc="running, population or batch")
    stat_decay: float = option(0.9, doc="the fraction of the average that is kept", ge=0, le=1)

    def init(self, generator, shape):
        return shape, {}, {"square": np.zeros((1, shape[-1]))}

    def forward(self, parameters, state, x, train):
        square = state["square"]
        if train or self.evaluation == "batch":
            square = (x * x).mean(axis=-2, keepdims=True)
        if train:
            keep = self.stat_decay
            state = {"square": keep * state["square"] + (1 - keep) * square}
        return x / np.sqrt(square + 1e-5), square, state

    def backward(self, parameters, cache, dy):
        return dy / np.sqrt(cache + 1e-5), {}

    def averaging(self, seen):
        return replace(self, stat_decay=seen / (seen + 1))


def test_an_own_normalizer_is_evaluated_with_population_statistics():
    network = Sequential((Scaled("population"),))
    set_ = images(n=30)
    ((parameters,), (state,)) = stacked(network, 2, (16,))
    (after,) = evaluation_state(network, (parameters,), (state,), set_, 10)
    squares = [(set_.batch(slice(i, i + 10))[0] ** 2).mean(axis=0) for i in (0, 10, 20)]
    np.testing.assert_allclose(after["square"][0, 0], np.mean(squares, axis=0), rtol=1e-12)
    running = Sequential((Scaled(),))
    assert evaluation_state(running, (parameters,), (state,), set_, 10) == (state,)


def test_an_own_normalizer_is_evaluated_with_the_images_own_statistics():
    network, set_ = small_mlp(Scaled("batch")), images(n=513)
    parameters, state = stacked(network, 2, (16,))
    x, labels = set_.batch(slice(None))
    logits, _, _ = network.forward(parameters, state, x[None], train=True)
    expected = SoftmaxCrossEntropy().per_sample(logits, labels[None])[0].mean(axis=1)
    scores = evaluate(network, parameters, state, set_)
    np.testing.assert_allclose(scores["loss"], expected, rtol=1e-12)


@pytest.mark.parametrize("evaluation", ["running", "population", "batch"])
def test_an_own_normalizer_is_trained_from_yaml_with_each_evaluation(small, evaluation):
    NORMALIZERS.register("scaled")(Scaled)
    own = {"kind": "scaled", "evaluation": evaluation}
    changes = {"sweep.model.init.std": [0.1], "sweep.model.norm": None, "model.norm": own}
    losses = bnexp.run(bnexp.load_config(small, changes)).metrics["train_loss"]
    assert np.isfinite(losses).all()


@dataclass(frozen=True)
class HalfWeights:
    """The layer with weights W / 2."""

    def around(self, layer):
        return Halved(layer)


@dataclass(frozen=True)
class Halved:
    layer: Dense

    calibrates = False

    @property
    def features(self):
        return self.layer.features

    def init(self, generator, shape):
        return self.layer.init(generator, shape)

    def forward(self, parameters, state, x, train):
        halved = {**parameters, "W": parameters["W"] / 2}
        y, cache, state = self.layer.forward(halved, state, x, train)
        return y, (halved, cache), state

    def backward(self, parameters, cache, dy):
        dx, gradients = self.layer.backward(*cache, dy)
        return dx, {**gradients, "W": gradients["W"] / 2}

    def gradients(self, parameters, cache, dy):
        return self.backward(parameters, cache, dy)[1]

    def calibrated(self, parameters, x):
        return parameters


@pytest.mark.slow
def test_an_own_norm_of_the_weights_needs_only_around(small):
    """Every first loss is that of a network with weights half as large."""
    NORMALIZERS.register("half_weights")(HalfWeights)
    x = np.random.default_rng(0).standard_normal((2, 6, 5))
    wrapped = HalfWeights().around(Dense(3, Normal(0.5)))
    assert max(gradient_errors(wrapped, x).values()) < 1e-7
    changes = {"sweep.model.init.std": [0.2], "sweep.model.norm": None}
    halved = bnexp.load_config(small, {**changes, "model.norm": "half_weights"})
    metrics = bnexp.run(halved).metrics
    assert np.isfinite(metrics["train_loss"]).all()
    assert len(set(metrics["train_loss"])) > 2


POOLED = """\
name: pooled
data: {name: synthetic, train: 40, test: 0}
model:
  kind: cnn
  blocks:
    - {kind: conv, features: 2}
    - {kind: power, size: 4, power: 1.5}
    - {kind: dense, features: 5}
train: {steps: 3, batch_size: 10, optimizer: {kind: sgd, lr: 0.05}}
"""


def test_an_own_pooling_is_a_block(config_file):
    x = np.random.default_rng(0).standard_normal((2, 4, 5, 5, 3))
    assert max(gradient_errors(PowerPool(3, 2, 1), x).values()) < 1e-6
    path = config_file(POOLED)
    model = bnexp.fit(bnexp.load_config(path))
    assert PowerPool(4, 3, 0, 1.5) in model.network.layers
    assert np.isfinite(bnexp.run(path).metrics["train_loss"]).all()
    # 26 - 4 pixels in steps of 3: 8 x 8 of 2 channels
    assert bnexp.load_config(path).experiment.model.weight_count() == 9 * 2 + 8 * 8 * 2 * 5 + 5 * 10


@pytest.mark.slow
def test_workers_know_an_own_pooling(config_file):
    path = config_file(POOLED)
    assert bnexp.run(path, jobs=2).metrics.keys() == bnexp.run(path).metrics.keys()
    block = bnexp.load_config(path).experiment.model.blocks[1]
    assert pickle.loads(pickle.dumps(block)) == block


def test_the_options_of_an_own_pooling_are_keys(config_file):
    with pytest.raises(bnexp.ConfigError, match=r"blocks\[1\].power: not a valid value"):
        bnexp.load_config(config_file(POOLED.replace("1.5", "-1")))
    with pytest.raises(bnexp.ConfigError, match=r"max_pool, .*, dense, power, got 'nothing'"):
        bnexp.load_config(config_file(POOLED.replace("kind: power", "kind: nothing")))
    assert "model.blocks[]=power" in {topic.name for topic in reference.all_topics()}


def test_the_id_depends_on_the_text_of_an_own_pooling(config_file):
    setting = bnexp.load_config(config_file(POOLED)).experiment
    assert "PowerPool" in identity(setting.model)["blocks"][1]["code"]


REGISTRIES = (ACTIVATIONS, INITIALIZERS, NORMALIZERS, OPTIMIZERS, SCHEDULES, POOLS, PROBES)
CLASSES = [(registry, name) for registry in REGISTRIES for name in sorted(registry.builtin)]
classes = pytest.mark.parametrize(
    ("registry", "name"), CLASSES, ids=[f"{r.noun}-{name}" for r, name in CLASSES]
)


@classes
def test_yaml_and_python_have_the_same_defaults(registry, name):
    cls = registry[name]
    required = [f.name for f in fields(cls) if f.default is MISSING]
    given = {option: REQUIRED[option] for option in required}
    field = Annotated[Options, OneOf(registry)]
    options = TypeAdapter(field).validate_python({"kind": name, **given})
    assert instantiate(options) == cls(**given)


REQUIRED = {"std": 0.5, "limit": 0.5, "value": 0.5, "layer": 1, "to": "blur", "strengths": (1.0,)}


@classes
def test_help_lists_every_option(registry, name):
    cls = registry[name]
    text = inspect.getdoc(cls)
    assert text.count("\n\nOptions:\n") == bool(fields(cls))
    section = " ".join(text.partition("\n\nOptions:\n")[2].split())
    for field in fields(cls):
        default = "" if field.default is MISSING else f" = {field.default!r}"
        line = f"{field.name}: {field.type}{default}"
        bounds = field.metadata["bounds"]
        for bound, sign in (("gt", ">"), ("ge", ">="), ("lt", "<"), ("le", "<=")):
            line += f", {sign} {bounds[bound]}" if bound in bounds else ""
        assert " ".join(f"{line} {field.metadata['doc']}".split()) in section
