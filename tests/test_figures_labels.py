"""What people read on figures: numbers, symbols of keys, names of normalizations."""

import pytest
from figure_results import NORM, W

from bnexp.figures.labels import symbol, value_label, value_text
from bnexp.nn import ACTIVATIONS, INITIALIZERS, NORMALIZERS, OPTIMIZERS
from bnexp.runs.tables import Axis


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.025118864, "0.0251"), (1.0, "1"), (1e-4, "0.0001"), (1e-5, "1e-05"), (10000, "10000"),
        (60000.0, "60000"), (128, "128"), ("relu", "relu"), (True, "True"), (-0.5, "-0.5"),
    ],
)  # fmt: skip
def test_numbers_have_three_digits(value, text):
    assert value_text(value) == text


def test_values_that_agree_in_three_digits_get_more():
    axis = Axis("train.optimizer.lr", (0.10001, 0.10002))
    assert value_label(axis, 0.10002, [axis.key]) == "learning rate 0.10002"


def test_the_symbol_of_a_key():
    keys = [W, "model.layer_init.output.std", "train.optimizer.kind", "model.activation.kind"]
    assert symbol(W, keys) == "W"
    assert symbol("train.optimizer.kind", keys) == "optimizer.kind"
    assert symbol("train.optimizer.kind", [W]) == "kind"
    assert symbol("kind", ["kind", "model.kind"]) == "kind"


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("batch", "with batch norm"),
        ("none", "without normalization"),
        ("layer", "with layer norm"),
        ("group groups=2", "with group norm (groups 2)"),
        ("batch dialect=keras", "with batch norm (Keras)"),
        ("l1_batch", "with l1_batch"),
    ],
)
def test_the_names_of_normalizations(value, text):
    assert value_label(Axis(NORM, ("batch", value)), value, [NORM]) == text


@pytest.mark.parametrize(
    ("values", "numeric"), [((1, 0.5), True), ((True, False), False), ((0.1, "he"), False)]
)
def test_which_axes_are_numbers(values, numeric):
    assert Axis("key", values).numeric is numeric


@pytest.mark.parametrize(
    ("key", "value", "text"),
    [
        ("model.hidden", "[8, 8, 8]", "3 layers of 8"),
        ("model.hidden", "[8]", "1 layer of 8"),
        ("model.hidden", "[8, 88]", "[8, 88]"),
        ("model.residual", "none", "without skip connections"),
        ("model.residual", "{order: pre, scale: 0}", "skip connections (pre-activation, scale 0)"),
        ("model.residual", "{layers: 2}", "skip connections"),
        ("data.label_noise", 0.2, "label noise 0.2"),
        ("train.only", "none", "all parameters trained"),
        ("train.only", "[gamma, beta]", "only gamma and beta trained"),
        ("train.optimizer", "adam", "Adam"),
        ("train.optimizer", "momentum lr=0.01", "momentum (lr 0.01)"),
        ("model.init", "he", "He"),
        ("model.init", "normal std=1.0", "normal (std 1.0)"),
        ("model.activation", "relu", "relu"),
        ("train.batch_size", 5, "batch size 5"),
        ("model.dropout", "none", "no dropout"),
        ("model.dropout", "{ratio: 0.2}", "dropout 0.2"),
        ("model.norm_position", "after", "norm after the activation"),
        ("model.bias", "false", "without bias"),
        ("train.epochs", 20, "20 epochs"),
        ("train.schedule.decay", 0.1, "decay = 0.1"),
        (NORM, "batch dialect=book stat_decay=0.5", "with batch norm (the book's, stat_decay 0.5)"),
        (NORM, "a b\x1b[0m=c", "with a b\\x1b[0m=c"),
    ],
)
def test_values_have_the_names_of_the_field(key, value, text):
    assert value_label(Axis(key, (value, "other")), value, [key]) == text


@pytest.mark.parametrize(
    ("key", "kinds"),
    [
        (NORM, NORMALIZERS), ("model.init", INITIALIZERS), ("model.activation", ACTIVATIONS),
        ("train.optimizer", OPTIMIZERS),
    ],
)  # fmt: skip
def test_no_kind_or_dialect_has_the_underscore_of_its_key(key, kinds):
    for kind in kinds.builtin:
        dialects = getattr(kinds[kind], "DIALECTS", ())
        names = [kind, *(f"{kind} dialect={dialect}" for dialect in dialects)]
        labels = [value_label(Axis(key, (name, "other")), name, [key]) for name in names]
        assert "_" not in "".join(labels)
        assert len({*labels}) == len(labels)
