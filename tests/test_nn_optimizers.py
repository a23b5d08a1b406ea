"""Update rules against loops written from their papers and the book."""

from __future__ import annotations

import secrets

import numpy as np
import pytest

from bnexp.nn import OPTIMIZERS, SGD, Momentum
from bnexp.nn.optimizers import AdaGrad, Adam, Nesterov, RMSprop

STEPS = 10
RATES = np.array([0.1, 0.5, 2.0])[:, None, None]


def drawn(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape)


def updates(optimizer, start, gradients, rates=RATES):
    """Parameters after each of the gradients in turn; networks have learning rates of their own."""
    parameters = {"w": start.copy()}
    state = optimizer.init(parameters)
    for g in gradients:
        state = optimizer.update(parameters, {"w": g.copy()}, state, rates)
        yield parameters["w"].copy()


def sgd(rule, w, gradients, lr):
    for g in gradients:
        w -= lr * g
        yield w


def momentum(rule, w, gradients, lr):
    v = 0.0
    for g in gradients:
        v = rule.momentum * v - lr * g
        w += v
        yield w


def nesterov(rule, w, gradients, lr):
    """Bengio et al. 2012: what is kept is Theta = theta + m v, where the gradient is taken."""
    theta, v, m = w, 0.0, rule.momentum
    for g in gradients:
        v = m * v - lr * g
        theta += v
        yield theta + m * v


def nesterov_2016(rule, w, gradients, lr):
    """The book's code before 2021-01-18: v is updated before it is used."""
    v, m = 0.0, rule.momentum
    for g in gradients:
        v = m * v
        v -= lr * g
        w += m * m * v
        w -= (1 + m) * lr * g
        yield w


def adagrad(rule, w, gradients, lr):
    h = 0.0
    for g in gradients:
        h += g * g
        w -= lr * g / (h**0.5 + rule.eps)
        yield w


def rmsprop(rule, w, gradients, lr):
    h = 0.0
    for g in gradients:
        h = rule.decay * h + (1 - rule.decay) * g * g
        w -= lr * g / (h**0.5 + rule.eps)
        yield w


def adam(rule, w, gradients, lr):
    """Algorithm 1 of Kingma & Ba."""
    m = v = 0.0
    for t, g in enumerate(gradients, start=1):
        m = rule.beta1 * m + (1 - rule.beta1) * g
        v = rule.beta2 * v + (1 - rule.beta2) * g**2
        m_hat, v_hat = m / (1 - rule.beta1**t), v / (1 - rule.beta2**t)
        w -= lr * m_hat / (v_hat**0.5 + rule.eps)
        yield w


def adam_book(rule, w, gradients, lr):
    m = v = 0.0
    for t, g in enumerate(gradients, start=1):
        lr_t = lr * (1 - rule.beta2**t) ** 0.5 / (1 - rule.beta1**t)
        m += (1 - rule.beta1) * (g - m)
        v += (1 - rule.beta2) * (g**2 - v)
        w -= lr_t * m / (v**0.5 + rule.eps)
        yield w


RULES = [
    (SGD(), sgd),
    (Momentum(), momentum),
    (Momentum(momentum=0.0), momentum),
    (Nesterov(), nesterov),
    (Nesterov(momentum=0.5), nesterov),
    (Nesterov(**Nesterov.DIALECTS["book"]), nesterov),
    (Nesterov(**Nesterov.DIALECTS["book_2016"]), nesterov_2016),
    (AdaGrad(), adagrad),
    (AdaGrad(eps=0.1), adagrad),
    (RMSprop(), rmsprop),
    (RMSprop(decay=0.5, eps=0.1), rmsprop),
    (Adam(), adam),
    (Adam(beta1=0.5, beta2=0.9, eps=0.1), adam),
    (Adam(beta1=0.0), adam),
    (Adam(**Adam.DIALECTS["book"]), adam_book),
    (Adam(eps=0.1, correction="rate"), adam_book),
]


@pytest.mark.parametrize(
    ("optimizer", "loop"), RULES, ids=lambda value: None if callable(value) else repr(value)
)
def test_ten_steps_number_by_number(optimizer, loop):
    """Gradients of very different sizes, so that eps matters for some of them."""
    start, gradients = drawn(3, 2, 4), drawn(STEPS, 3, 2, 4, seed=1)
    gradients *= 10.0 ** np.arange(-6, 2).reshape(2, 4)
    made = np.array(list(updates(optimizer, start, gradients)))
    for k, i, j in np.ndindex(start.shape):
        rate = RATES[k].item()
        expected = list(loop(optimizer, start[k, i, j], gradients[:, k, i, j], rate))
        np.testing.assert_allclose(made[:, k, i, j], expected, rtol=1e-12, atol=1e-13)


@pytest.mark.parametrize("keep", [0.0, 0.9])
def test_momentum_unrolled(keep):
    """The book's form: w_t = w_0 - lr sum_i g_i (1 + m + ... + m^(t - i))."""
    start, gradients = drawn(3, 2, 4), drawn(5, 3, 2, 4, seed=1)
    for t, made in enumerate(updates(Momentum(momentum=keep), start, gradients)):
        weights = [sum(keep**j for j in range(t - i + 1)) for i in range(t + 1)]
        moved = np.tensordot(weights, gradients[: t + 1], 1) * RATES
        np.testing.assert_allclose(made, start - moved, rtol=1e-13, atol=1e-13)


def test_every_optimizer_and_dialect_of_the_package_is_tested():
    assert {OPTIMIZERS[name] for name in OPTIMIZERS.builtin} == {type(rule) for rule, _ in RULES}
    tested = [rule for rule, _ in RULES]
    for kind in (Nesterov, Adam):
        assert all(kind(**options) in tested for options in kind.DIALECTS.values())


def test_dialects_are_different_methods():
    start, gradients = drawn(3, 2, 4), drawn(STEPS, 3, 2, 4, seed=1)
    for kind, other in ((Nesterov, "book_2016"), (Adam, "book")):
        standard, book = (
            list(updates(kind(**kind.DIALECTS[name]), start, 1e-6 * gradients))[-1] - start
            for name in ("standard", other)
        )
        assert np.abs(book / standard - 1).min() > 1e-3


@pytest.mark.parametrize("kind", ["nesterov", "rmsprop", "adam"])
def test_the_books_rules_round_as_its_code_does(kind):
    """Bit for bit, on gradients drawn at run time, one weight after another."""
    lr, seed = 0.1234567, secrets.randbelow(2**32)
    start, gradients = drawn(1, 30, 4, seed=seed), drawn(STEPS, 1, 30, 4, seed=seed + 1)
    rule = OPTIMIZERS[kind](**getattr(OPTIMIZERS[kind], "DIALECTS", {}).get("book", {}))
    parameters, state = {"W": start.copy()}, rule.init({"W": start})
    w, m, v = start.copy(), np.zeros_like(start), np.zeros_like(start)
    for t, g in enumerate(gradients, start=1):
        state = rule.update(parameters, {"W": g.copy()}, state, np.full((1, 1, 1), lr))
        if kind == "nesterov":
            w += 0.9 * 0.9 * v
            w -= (1 + 0.9) * lr * g
            v *= 0.9
            v -= lr * g
        elif kind == "rmsprop":
            v *= 0.99
            v += (1 - 0.99) * g * g
            w -= lr * g / (np.sqrt(v) + 1e-7)
        else:
            rate = lr * np.sqrt(1.0 - 0.999**t) / (1.0 - 0.9**t)
            m += (1 - 0.9) * (g - m)
            v += (1 - 0.999) * (g**2 - v)
            w -= rate * m / (np.sqrt(v) + 1e-7)
        np.testing.assert_array_equal(parameters["W"], w, err_msg=f"seed {seed}, step {t}")


def test_the_first_step_of_adam_is_the_rate():
    """Whatever the gradient's size: m' = g and v' = g^2."""
    start, g = drawn(3, 2, 4), drawn(1, 3, 2, 4, seed=1)
    (made,) = updates(Adam(eps=0.0), start, 1e-5 * g)
    np.testing.assert_allclose(start - made, RATES * np.sign(g[0]), rtol=1e-10)


def test_a_parameter_that_has_no_gradient_stays():
    """At 0 / (0 + eps), for a dead unit's weights; networks beside it move."""
    for optimizer, _ in RULES:
        start, gradients = drawn(3, 2, 4), drawn(3, 3, 2, 4, seed=1)
        gradients[:, 1] = 0
        made = list(updates(optimizer, start, gradients))[-1]
        np.testing.assert_array_equal(made[1], start[1])
        assert np.abs(made[[0, 2]] - start[[0, 2]]).min() > 1e-4


@pytest.mark.parametrize(
    ("optimizer", "loop"), RULES, ids=lambda value: None if callable(value) else repr(value)
)
def test_several_parameters_have_a_state_each(optimizer, loop):
    """Updated together they move as each alone."""
    starts = {"W": drawn(3, 2, 4), "b": drawn(3, 1, 4, seed=1)}
    gradients = {"W": drawn(4, 3, 2, 4, seed=2), "b": drawn(4, 3, 1, 4, seed=3)}
    parameters = {name: w.copy() for name, w in starts.items()}
    state = optimizer.init(parameters)
    for t in range(4):
        g = {name: g[t].copy() for name, g in gradients.items()}
        state = optimizer.update(parameters, g, state, RATES)
    for name, start in starts.items():
        alone = list(updates(optimizer, start, gradients[name]))[-1]
        np.testing.assert_array_equal(parameters[name], alone)


def test_adam_counts_its_steps():
    parameters = {"w": drawn(1, 2, 2)}
    state = Adam().init(parameters)
    assert sorted(state) == ["m w", "steps", "v w"]
    for t in range(1, 4):
        state = Adam().update(parameters, {"w": drawn(1, 2, 2)}, state, RATES[:1])
        assert state["steps"] == t
