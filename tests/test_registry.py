"""Names of version 0.1: what was called by them still is."""

from __future__ import annotations

import inspect

import pytest

from bnexp import nn, probes
from bnexp.registry import former_keywords

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
