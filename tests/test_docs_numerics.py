"""docs/numerics.md: its blocks are what the code computes."""

from __future__ import annotations

import builtins
import re
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from numeric_cases import DIALECTS, layer_start
from numpy.random import Generator, Philox, SeedSequence, default_rng

import bnexp
from bnexp.nn import NORMALIZERS, BatchNorm, Dense, Normal, Sequential, SoftmaxCrossEntropy
from bnexp.probes import HeldOut
from bnexp.probes.robustness import CHANGES, Robustness
from bnexp.runs.stats import interval, t_quantile
from bnexp.training.random import generator

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs" / "numerics.md").read_text()
N, H = 7, 3
HEADINGS = re.findall(r"^### (\w+)\n", PAGE, re.MULTILINE)
SHOWN_DIALECTS = [heading for heading in HEADINGS if heading in DIALECTS]
SHOWN_NORMALIZERS = [heading for heading in HEADINGS if heading not in DIALECTS]
OWN_TESTS = (
    "weight", "noisy_batch", "ghost_batch", "batch_renorm", "weight_standardization", "spectral",
)  # fmt: skip


def section(heading: str) -> str:
    """The text under a heading, up to the next one."""
    found = re.findall(
        rf"^##+ {re.escape(heading)}\n(.*?)(?=^##|\Z)", PAGE, re.DOTALL | re.MULTILINE
    )
    assert len(found) == 1, heading
    return found[0]


def block(heading: str) -> str:
    """The one Python block under a heading."""
    (code,) = re.findall(r"```python\n(.*?)```", section(heading), re.DOTALL)
    return code


def execute(code: str, **names):
    """The names that the code binds, beside NumPy's and those given."""
    functions = {name: getattr(np, name) for name in np.__all__ if not hasattr(builtins, name)}
    bound = {**functions, **names}
    exec(code, bound)
    return bound


def of_rows(**names):
    """Names of the dialects' blocks: `mean` and `sum` go over the batch."""
    return {
        "N": N,
        "mean": lambda a: a.mean(axis=0),
        "sum": lambda a: a.sum(axis=0),
        "average": lambda parts: np.mean(list(parts), axis=0),
        **names,
    }


def same(ours, theirs):
    np.testing.assert_allclose(ours, theirs, rtol=1e-11, atol=1e-13)


def test_blocks_are_of_dialects_and_normalizers_that_there_are():
    assert [*SHOWN_DIALECTS, *SHOWN_NORMALIZERS] == HEADINGS
    assert [name for name in DIALECTS if name in SHOWN_DIALECTS] == SHOWN_DIALECTS
    assert len(SHOWN_DIALECTS) == 10
    assert set(SHOWN_NORMALIZERS) <= NORMALIZERS.builtin
    assert len(SHOWN_NORMALIZERS) == 13


@pytest.mark.parametrize("std", [1.0, 1e-3])
@pytest.mark.parametrize("name", SHOWN_DIALECTS)
def test_a_dialect_is_its_block(name, std):
    norm = DIALECTS[name]
    random = np.random.default_rng(0)
    x, dy, *batches = std * random.standard_normal((5, N, H)) + 0.1
    (gamma, beta), state = random.standard_normal((2, H)), layer_start(norm, 1, (H,))[1]
    parameters = {"gamma": gamma[None, None], "beta": beta[None, None]}
    y, cache, after = norm.forward(parameters, state, x[None], train=True)
    dx, gradients = norm.backward(parameters, cache, dy[None])
    if norm.evaluation == "population":
        given = ([part[None] for part in batches],)
        (after,) = Sequential((norm,)).population_state((parameters,), (state,), *given)
    evaluated, cache, _ = norm.forward(parameters, after, x[None], train=False)

    made = execute(block(name), **of_rows(x=x, dy=dy, gamma=gamma, beta=beta, batches=batches))
    common = execute(block("The dialects of batch norm"), **{**made, **of_rows()})
    same(made["y"], y[0])
    same(made["evaluated"], evaluated[0])
    same(made["dx"], dx[0])
    same(common["dgamma"], gradients["gamma"][0, 0])
    same(common["dbeta"], gradients["beta"][0, 0])
    if norm.evaluation == "running":
        mean, var = norm.statistics(after)
        same(made["running_mean"], mean[0, 0])
        same(made["running_var"], var[0, 0])
        by_root = made["evaluated"] - beta  # dx = gamma * dy over the root
        same(norm.backward(parameters, cache, (x - mean[0])[None])[0][0], by_root)


@pytest.mark.parametrize("average", ["exponential", "cumulative"])
def test_the_averages_are_their_block(average):
    norm = BatchNorm(average=average)
    _, state = layer_start(norm, 1, (H,))
    random, (mean, var) = np.random.default_rng(8), np.zeros((2, H))
    code = block("Options beyond the dialects")
    for t in range(1, 5):
        x = random.standard_normal((N, H)) + 1
        parameters = {"gamma": np.ones((1, 1, H)), "beta": np.zeros((1, 1, H))}
        _, _, state = norm.forward(parameters, state, x[None], train=True)
        text = code if average == "cumulative" else code.replace("(t - 1) / t", "0.9")
        names = {"running_mean": mean, "running_var": var, "mu": x.mean(axis=0)}
        made = execute(text, t=t, var=x.var(axis=0), **names)
        mean, var = made["running_mean"], made["running_var"]
        same(mean, state["mean"][0, 0])
        same(var, state["var"][0, 0])


def images(kind, **names):
    """A layer of this kind with random parameters, and what its block gives for the same images."""
    norm, shape = NORMALIZERS[kind](), (4, 5, 6)
    parameters, state = layer_start(norm, 1, shape)
    random = np.random.default_rng(1)
    x, dy = random.standard_normal((2, 3, *shape)) + 0.5
    own = {name: a[0, 0].reshape(-1) for name, a in parameters.items()}
    own = {name: a.reshape(shape) if a.size > shape[-1] else a for name, a in own.items()}
    sizes = dict(zip("NHWC", x.shape, strict=True))
    made = execute(block(kind), x=x, dy=dy, **own, **sizes, **names)
    return norm, parameters, state, made


@pytest.mark.parametrize("kind", [k for k in SHOWN_NORMALIZERS if k not in OWN_TESTS])
def test_a_normalizer_is_its_block(kind):
    norm, parameters, state, made = images(kind)
    y, cache, _ = norm.forward(parameters, state, made["x"][None], train=True)
    same(made["y"], y[0])
    if "dx" in made:
        same(made["dx"], norm.backward(parameters, cache, made["dy"][None])[0][0])


def test_noise_is_its_block():
    norm = NORMALIZERS["noisy_batch"]()
    parameters, state = layer_start(norm, 1, (4, 5, 6))
    x = np.random.default_rng(2).standard_normal((3, 4, 5, 6))
    state = {**state, "key": np.full((1, 1), 77, np.uint64), "steps": np.full((1, 1), 5, np.uint64)}
    normalized = norm.norm.forward(parameters, state, x[None], train=True)[0][0]
    names = {"Generator": Generator, "Philox": Philox, "key": 77, "steps": 5}
    sizes = dict(zip("NHWC", x.shape, strict=True))
    made = execute(block("noisy_batch"), normalized=normalized, **names, **sizes)
    same(made["y"], norm.forward(parameters, state, x[None], train=True)[0][0])


def test_weight_norm_is_its_block():
    layer = NORMALIZERS["weight"]().around(Dense(4, Normal(1.0)))
    parameters, state = layer_start(layer, 1, (5,))
    x, dy = np.random.default_rng(3).standard_normal((2, 6, 5))
    dy = dy[:, :4]
    y, cache, _ = layer.forward(parameters, state, x[None], train=True)
    _, gradients = layer.backward(parameters, cache, dy[None])
    own = {"direction": parameters["direction"][0], "length": parameters["length"][0, 0]}
    made = execute(block("weight"), x=x, dy=dy, b=parameters["b"][0, 0], **own)
    same(made["y"], y[0])
    same(made["dlength"], gradients["length"][0, 0])
    same(made["ddirection"], gradients["direction"][0])


@pytest.mark.parametrize("n", [7, 16, 40])
def test_ghost_batch_norm_is_its_block(n):
    norm = NORMALIZERS["ghost_batch"]()
    parameters, state = layer_start(norm, 1, (2, 3, 4))
    x = np.random.default_rng().standard_normal((n, 2, 3, 4))
    own = {name: a[0, 0] for name, a in parameters.items()}
    made = execute(block("ghost_batch"), x=x, N=n, **own)
    same(made["y"], norm.forward(parameters, state, x[None], train=True)[0][0])


@pytest.mark.parametrize(("r_max", "d_max"), [(1.1, 0.1), (100.0, 100.0)])
def test_batch_renormalization_is_its_block(r_max, d_max):
    norm = NORMALIZERS["batch_renorm"](r_max, d_max)
    parameters, state = layer_start(norm, 1, (2, 3, 4))
    first, x, dy = np.random.default_rng().standard_normal((3, 8, 2, 3, 4))
    _, _, state = norm.forward(parameters, state, first[None], train=True)
    running = {f"running_{name}": state[name][0, 0] / 0.01 for name in ("mean", "std")}
    own = {name: a[0, 0] for name, a in parameters.items()}
    limits = {"r_max": r_max, "d_max": d_max}
    made = execute(block("batch_renorm"), x=x, dy=dy, **own, **running, **limits)
    y, cache, _ = norm.forward(parameters, state, x[None], train=True)
    same(made["y"], y[0])
    same(made["dx"], norm.backward(parameters, cache, dy[None])[0][0])


def test_weight_standardization_is_its_block():
    layer = NORMALIZERS["weight_standardization"]().around(Dense(4, Normal(1.0)))
    parameters, state = layer_start(layer, 1, (5,))
    x, dy = np.random.default_rng().standard_normal((2, 6, 5))
    dy = dy[:, :4]
    y, cache, _ = layer.forward(parameters, state, x[None], train=True)
    own = {"W": parameters["W"][0], "b": parameters["b"][0, 0]}
    made = execute(block("weight_standardization"), x=x, dy=dy, **own)
    same(made["y"], y[0])
    same(made["dW"], layer.backward(parameters, cache, dy[None])[1]["W"][0])


def test_mean_only_batch_norm_is_its_text():
    layer = NORMALIZERS["weight"](mean_only=True).around(Dense(4, Normal(1.0)))
    parameters, state = layer_start(layer, 1, (5,))
    x, dy = np.random.default_rng().standard_normal((2, 6, 5))
    dy = dy[:, :4]
    y, cache, _ = layer.forward(parameters, state, x[None], train=True)
    _, gradients = layer.backward(parameters, cache, dy[None])
    own = {"direction": parameters["direction"][0], "length": parameters["length"][0, 0]}
    b = parameters["b"][0, 0]
    made = execute(block("weight"), x=x, dy=dy - dy.mean(axis=0), b=b, **own)
    (text,) = re.findall(r"```text\n(.*?)```", section("weight"), re.DOTALL)
    same(execute(text, x=x, W=made["W"], b=b)["y"], y[0])
    same(made["dlength"], gradients["length"][0, 0])
    same(made["ddirection"], gradients["direction"][0])
    same(dy.sum(axis=0), gradients["b"][0, 0])


def test_spectral_norm_is_its_block():
    layer = NORMALIZERS["spectral"]().around(Dense(4, Normal(1.0)))
    parameters, state = layer_start(layer, 1, (5,))
    x, dy = np.random.default_rng().standard_normal((2, 6, 5))
    dy = dy[:, :4]
    y, cache, after = layer.forward(parameters, state, x[None], train=True)
    own = {"W": parameters["W"][0], "b": parameters["b"][0, 0], "right": state["right"][0, 0]}
    made = execute(block("spectral"), x=x, dy=dy, sum=sum, **own)
    same(made["y"], y[0])
    same(made["right"], after["right"][0, 0])
    same(made["dW"], layer.backward(parameters, cache, dy[None])[1]["W"][0])


def test_the_loss_is_its_block():
    random = np.random.default_rng(4)
    logits, labels = 30 * random.standard_normal((6, 5)), random.integers(0, 5, 6)
    made = execute(
        block("Loss, accuracy, epochs"), logits=logits, labels=labels, N=6, classes=5, max=max
    )
    losses, probabilities = SoftmaxCrossEntropy().per_sample(logits[None], labels[None])
    same(made["loss"], losses.mean())
    same(made["probabilities"], probabilities[0])
    same(made["dlogits"], SoftmaxCrossEntropy().gradient(probabilities, labels[None])[0])
    assert made["accuracy"] == (logits.argmax(axis=1) == labels).mean()


def test_changed_images_are_their_block():
    x = np.random.default_rng(2).random((3, 1, 5, 2))  # of a single row, which a blur leaves
    names = {"width": 5, "gradient": x - 0.5, "default_rng": default_rng}
    made = execute(block("Changed images"), x=x, s=0.7, **names)
    for change in ("inversion", "noise"):
        same(CHANGES[change](x, 0.7), made[change])
    same(CHANGES["blur"](x, 0.7), made["blur_of_rows"])
    answers = []
    held_out = HeldOut(
        None, np.zeros(3), lambda rows: x[rows],
        lambda k, images: answers.append(images) or np.zeros((3, 2)), lambda k, images: x - 0.5,
    )  # fmt: skip
    step = SimpleNamespace(held_out=held_out, networks=1, sites=())
    Robustness("fgsm", (0.7,)).read(step)
    same(answers[0], np.clip(made["fgsm"], 0, 1))


@pytest.mark.parametrize("seed", [0, 7])
def test_streams_are_their_block(seed):
    names = {"default_rng": default_rng, "SeedSequence": SeedSequence}
    labels = np.random.default_rng(seed).permutation(np.arange(100) % 5)
    names |= {"labels": labels, "label_noise": 0.3, "classes": 5}
    made = execute(block("Random streams"), seed=seed, images=100, **names)
    noisy = bnexp.training.random.noisy_labels(generator(seed, "labels"), labels, 0.3)
    np.testing.assert_array_equal(made["noisy"], noisy)
    parameters, _ = Sequential((Dense(100, Normal(0.1)),)).init(generator(seed, "weights"), (784,))
    np.testing.assert_array_equal(made["W"], parameters[0]["W"])
    shuffled = bnexp.training.random.shuffle(generator(seed, "batches"), 100, 30)
    order = np.concatenate([next(shuffled) for _ in range(4)])
    np.testing.assert_array_equal(made["shuffled"], order)
    key = generator(seed, "dropout").integers(2**63, dtype=np.uint64)
    assert made["dropout"].integers(2**63, dtype=np.uint64) == key


def test_the_gradient_check_is_its_block():
    """Of one direction, so that there is one slope and one product."""
    at, gradient = np.array([0.3, -0.2]), np.array([1.0, 2.0])
    v = np.random.default_rng(5).standard_normal(2)
    v /= np.linalg.norm(v)

    def value(x):
        return float(np.sin(x).sum())

    code = block("The gradient check").replace("error =", "slopes = array([slope])\nerror =")
    names = {"f": lambda t: value(at + t * v), "h": 1e-5, "norm": np.linalg.norm}
    made = execute(code, products=np.array([gradient @ v]), **names)
    assert made["slope"] == pytest.approx(np.cos(at) @ v, rel=1e-9)
    off = abs(gradient @ v - np.cos(at) @ v) / abs(np.cos(at) @ v)
    assert made["error"] == pytest.approx(off, rel=1e-6)


def test_the_laws_are_their_block():
    """The rates that the experiment claims, and the fixed points; theory for large batches."""
    made = execute(block("Laws"))
    claims = bnexp.load_config("gradient_growth").experiment.claims
    for claim, rate in zip(claims, (1.788, 1.522, 1.480), strict=False):
        grown = made["growth"](claim.where["train.batch_size"])
        assert grown == pytest.approx(rate, abs=5e-4)
        assert claim.within.of == pytest.approx(1 / grown, rel=5e-4)
    assert made["growth"](10**6) == pytest.approx(made["limit"], rel=1e-5)
    assert made["J"](-1 / 31) == pytest.approx(0.3023, abs=5e-5)
    assert made["J"](-1 / 3) == pytest.approx(0.1695, abs=5e-5)
    assert made["J"](1.0) == 1
    for claim in bnexp.load_config("correlation").experiment.claims:
        if claim.within and claim.where["model.norm"] == "batch":
            cosine = made["J"](-1 / (claim.where["train.batch_size"] - 1))
        elif claim.within:
            cosine = 0.0
            for _ in range(claim.measure.layer):
                cosine = made["J"](cosine)
        else:
            continue
        assert claim.within.of == pytest.approx(cosine, abs=5e-4)


def test_batch_norm_gives_samples_that_are_alike_the_cosine_of_the_law():
    """Of one wide layer of relus behind batch norm, whatever cosine its inputs have."""
    made, random, B = execute(block("Laws")), default_rng(4), 5
    for cosine in (0.0, 0.6):
        h = np.sqrt(1 - cosine) * random.standard_normal((200_000, B))
        h += np.sqrt(cosine) * random.standard_normal((200_000, 1))
        h -= h.mean(axis=1, keepdims=True)
        y = np.maximum(h / h.std(axis=1, keepdims=True), 0)
        products = y.T @ y
        assert products[0, 1] / products[0, 0] == pytest.approx(made["J"](-1 / (B - 1)), abs=5e-3)


def test_the_law_of_any_activation_is_that_of_relu_and_of_linear_layers(sphere):
    """And what is claimed of sigmoid and tanh, whose integrals have no closed form."""
    made = execute(block("Laws"))
    rate = {
        "relu": made["any_growth"](lambda z: np.maximum(z, 0), lambda z: 1.0 * (z > 0), sphere),
        "identity": made["any_growth"](lambda z: z, np.ones_like, sphere),
        "tanh": made["any_growth"](np.tanh, lambda z: 1 - np.tanh(z) ** 2, sphere),
        "sigmoid": made["any_growth"](sigmoid, lambda z: sigmoid(z) * sigmoid(-z), sphere),
    }
    assert rate["relu"] == pytest.approx(made["growth"](32), rel=3e-3)
    assert rate["identity"] == pytest.approx(30 / 29, rel=1e-12)
    for claim in bnexp.load_config("gradient_growth_activations").experiment.claims:
        if claim.within and claim.where["model.norm"] == "batch":
            name = claim.where["model.activation"]
            assert claim.within.of == pytest.approx(1 / rate.pop(name), rel=1e-3)
    assert list(rate) == ["relu", "identity"]


@pytest.fixture
def sphere():
    """Batches of 32 numbers of mean 0 and variance 1, in uniformly random directions."""
    z = default_rng(3).standard_normal((40_000, 32))
    z -= z.mean(axis=1, keepdims=True)
    return z / z.std(axis=1, keepdims=True)


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def test_the_growth_of_a_narrow_network_is_its_block():
    """Mean and deviation over random relu networks, and what is claimed of a width of 100."""
    typical = execute(block("Laws"))["typical_growth"]
    random, n, networks = default_rng(8), 60, 1000
    x = np.broadcast_to(np.eye(n), (networks, n, n))  # as many samples, of cosine 0
    logs = []
    for _ in range(3):
        x = np.maximum(random.standard_normal((networks, n, n)) * np.sqrt(2 / n) @ x, 0)
        logs.append(np.log((x**2).mean(axis=(1, 2))))
    grown = np.exp((logs[2] - logs[0]) / 2)
    mean, deviation = typical(n, 1, 3)
    assert grown.mean() == pytest.approx(mean, abs=0.004)
    assert np.log(grown).std() == pytest.approx(deviation, rel=0.1)
    (claim,) = bnexp.load_config("critical_weight_scale").experiment.claims
    assert claim.within.of == pytest.approx(typical(100, 1, 5)[0], abs=1e-4)


def test_what_an_initializer_says_of_its_deviation_is_what_it_draws(script):
    """`std = FORMULA` of each docstring, at fans that differ, and with options."""
    page, random = script("pages.numerics"), np.random.default_rng(6)
    said = 0
    for cls in bnexp.nn.INITIALIZERS.values():
        found = re.search(r"\bstd = ([^:]+?)(?:$|:|\.$)", page.documented(cls)[0].rstrip("."))
        if found is None:
            continue
        said += 1
        given = {"gain": 1.7, "slope": 0.5, "fan": "out"}
        fields = cls.__dataclass_fields__
        options = {k: given.get(k, 0.3) for k in fields if k in given or k not in vars(cls)}
        w = cls(**options).draw(random, (600, 80), 600, 500)
        names = {**options, "fan_in": 600, "fan_out": 500, "fan": 500, "units": 80, "max": max}
        formula = found[1].replace("^", "**")
        assert w.std() == pytest.approx(execute(f"std = {formula}", **names)["std"], rel=0.02), cls
    assert said >= 11


@pytest.mark.parametrize("limits", [(0, 1), (-1, 1), (0, np.inf)])
def test_an_interval_is_its_block(limits):
    quantiles = {n: t_quantile(n - 1) for n in (2, 3, 5, 10)}
    names = {"t": quantiles, "inf": np.inf}
    code = block("Intervals and verdicts")
    for n in quantiles:
        values = np.random.default_rng(n).uniform(0.1, 0.9, n)
        low, high = execute(code, **names)["interval"](values, *limits)
        same((low, high), interval(values.tolist(), limits)[1:])
