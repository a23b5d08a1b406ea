"""Registries: what they refuse, and names of version 0.1, which still work."""

from __future__ import annotations

import dataclasses
import inspect
import subprocess
import sys
import types
from dataclasses import dataclass
from typing import Literal

import pytest

from bnexp import nn, probes
from bnexp.registry import Registry, former_keywords, option

RELU, HE, NORM = nn.Relu(), nn.He(), nn.LayerNorm()

# Callable, its arguments, and its keywords by former and by present name.
CALLS = [
    (nn.Dense, (3,), {"initialiser": HE}, {"initializer": HE}),
    (nn.Conv, (3, 5), {"initialiser": HE}, {"initializer": HE}),
    (nn.mlp, ([4, 2], RELU), {"normaliser": NORM, "initialisers": [HE, HE]},
     {"normalizer": NORM, "initializers": [HE, HE]}),
    (nn.block, (RELU,), {"normaliser": NORM}, {"normalizer": NORM}),
    (nn.Registry, ("shape",), {"classes": {"he": nn.He}}, {"entries": {"he": nn.He}}),
]  # fmt: skip
calls = pytest.mark.parametrize(
    ("target", "arguments", "former", "present"), CALLS, ids=[call[0].__name__ for call in CALLS]
)


@calls
def test_former_keywords_are_taken(target, arguments, former, present):
    assert target(*arguments, **former) == target(*arguments, **present)


@calls
def test_signatures_have_present_names_alone(target, arguments, former, present):
    assert set(present) <= set(inspect.signature(target).parameters)
    assert not set(former) & set(inspect.signature(target).parameters)


@calls
def test_one_argument_by_both_names_is_refused(target, arguments, former, present):
    with pytest.raises(TypeError, match=r"is the former name of .* got both"):
        target(*arguments, **former, **present)


def test_unknown_keywords_are_refused():
    with pytest.raises(TypeError, match="initialisor"):
        nn.Dense(3, initialisor=HE)


def test_former_attributes_are_read():
    assert nn.Dense(3, HE).initialiser is HE
    assert nn.Conv(3, 5, HE).initialiser is HE
    assert nn.LayerNorm().centred
    assert not nn.RMSNorm.centred
    assert probes.Moment is probes.TrainingStep
    assert probes.Moment.here.func is probes.Moment.current.func


def test_former_names_of_bnexp_nn_are_the_present_ones():
    for former in ("INITIALISERS", "NORMALISERS", "OPTIMISERS", "Initialiser", "Normaliser"):
        assert getattr(nn, former) is getattr(nn, former.replace("IS", "IZ").replace("is", "iz"))
    assert nn.Optimiser is nn.Optimizer
    assert nn.Network is nn.Sequential
    assert nn.knob is nn.option


def test_functions_keep_their_names():
    @former_keywords(colour="color")
    def paint(color):
        """Paint."""
        return color

    assert (paint.__name__, paint.__doc__, paint(colour=1)) == ("paint", "Paint.", 1)


@pytest.mark.parametrize("layer", [nn.Dense(5, nn.He()), nn.Conv(4, 3, nn.He())])
def test_a_copy_with_a_former_name_has_the_new_value(layer):
    for name in ("initialiser", "initializer"):
        copy = dataclasses.replace(layer, **{name: nn.Xavier()})
        assert copy.initializer == nn.Xavier()
        assert copy == dataclasses.replace(copy)


# Registration.


@dataclass(frozen=True)
class Ring:
    """A class with options of several types, and dialects."""

    width: float = option(0.5, doc="how wide", gt=0, le=2)
    turns: int = option(1, doc="how often", ge=1)
    closed: bool = option(True, doc="whether it is closed")
    side: Literal["left", "right"] = option("left", doc="which side")
    size: Literal[0, 1] = option(0, doc="how large")
    label: str = option("", doc="what it is called")

    DIALECTS = Registry("ring dialect", {"plain": {}}, instance_of=dict)


def rings():
    return Registry("ring", {}, methods=("__eq__",))


GOOD = {"width": 2, "turns": 3, "closed": False, "side": "right", "size": 1, "label": "a"}
BAD = {
    "no option of Ring, expected one of width, turns, .*, got 'breadth'": {"breadth": 1},
    "width: expected > 0, got 0": {"width": 0},
    "width: expected <= 2, got 2.5": {"turns": 2, "width": 2.5},
    "width: expected a number, got '1'": {"width": "1"},
    "width: expected a number, got True": {"width": True},
    "width: expected a number, got nan": {"width": float("nan")},
    "turns: expected a whole number, got 2.0": {"turns": 2.0},
    "turns: expected >= 1, got 0": {"turns": 0},
    "closed: expected true or false, got 1": {"closed": 1},
    "side: expected one of left, right, got 'lefft'": {"side": "lefft"},
    "size: expected one of 0, 1, got 1.0": {"size": 1.0},
    "label: expected a text, got None": {"label": None},
}


def test_a_dialect_with_valid_values_is_registered():
    Ring.DIALECTS.register("good", GOOD)
    assert Ring(**Ring.DIALECTS["good"]).turns == 3


@pytest.mark.parametrize("message", BAD)
def test_a_dialect_is_checked_against_the_options_of_its_class(message):
    with pytest.raises(TypeError, match=f"^ring dialect 'bad': {message}"):
        Ring.DIALECTS.register("bad", BAD[message])
    assert "bad" not in Ring.DIALECTS


@pytest.mark.parametrize("message", BAD)
def test_dialects_of_a_class_are_checked_when_it_is_registered(message):
    cls = dataclass(frozen=True)(type("Mine", (Ring,), {"DIALECTS": {"bad": BAD[message]}}))
    with pytest.raises(
        TypeError, match=f"^ring 'mine', dialect 'bad': {message}".replace("Ring", "Mine")
    ):
        rings().register("mine", cls)


def test_options_that_the_yaml_has_another_use_for_are_refused():
    cls = dataclasses.make_dataclass("Own", [("kind", str, option("x", doc="a kind"))])
    with pytest.raises(TypeError, match=r"ring 'own': 'kind' chooses the ring .* another name"):
        rings().register("own", cls)
    fields = [("dialect", str, option("x", doc="a dialect"))]
    rings().register("own", dataclasses.make_dataclass("Own", fields))
    with pytest.raises(TypeError, match="ring 'own': 'dialect' chooses"):
        rings().register(
            "own", dataclasses.make_dataclass("Own", fields, bases=(Ring,), frozen=True)
        )


@pytest.mark.parametrize("name", [5, "", None])
def test_a_name_is_a_text(name):
    with pytest.raises(TypeError, match="expected a text as its name"):
        rings().register(name, Ring)


def test_a_name_of_two_modules_is_warned_of():
    registry = rings()
    registry.register("ring", Ring)
    registry.register("ring", Ring)
    other = dataclasses.make_dataclass("Ring", [])
    other.__module__ = "other"
    with pytest.warns(RuntimeWarning, match=f"ring 'ring' of {__name__} is replaced by .* other"):
        registry.register("ring", other)
    assert registry["ring"] is other


THREADS = """
import threading, bnexp
start, texts = threading.Barrier(4), []
def load():
    start.wait()
    config = bnexp.load_config("quickstart", {"data.name": "synthetic"})
    texts.append(config.name)
threads = [threading.Thread(target=load) for _ in range(4)]
for thread in threads: thread.start()
for thread in threads: thread.join()
print(texts)
"""


@pytest.mark.slow
def test_threads_that_look_up_names_first_of_all_find_all_of_them(tmp_path):
    for _ in range(3):
        command = [sys.executable, "-c", THREADS]
        done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
        assert (done.stdout, done.stderr) == (f"{['quickstart'] * 4}\n", "")


def test_a_table_that_looks_its_own_registry_up_is_loaded_once(monkeypatch):
    module = types.ModuleType("table_of_rings")
    registry = Registry("ring", {}, tables=("table_of_rings:TABLE",))
    seen = []
    looks = {"__getattr__": lambda name: seen.append(list(registry)) or {"ring": Ring}}
    module.__dict__.update(looks)
    monkeypatch.setitem(sys.modules, "table_of_rings", module)
    assert list(registry) == ["ring"]
    assert seen == [[]]
    assert registry.builtin == {"ring"}
    assert seen == [[]]
