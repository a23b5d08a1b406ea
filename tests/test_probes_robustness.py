"""The accuracy on changed images, against changes written out and answers of `bnexp.fit`."""

from __future__ import annotations

import math

import numpy as np
import pytest

import bnexp
from bnexp.data import load
from bnexp.probes.robustness import CHANGES, Robustness

pytestmark = pytest.mark.usefixtures("one_blas_thread")

N = 25
COMMON = {
    "name": "robust",
    "data": {"name": "synthetic", "train": 200, "test": 50},
    "model": {"hidden": [12], "norm": "batch"},
    "train": {
        "epochs": 3,
        "batch_size": 20,
        "optimizer": {"kind": "sgd", "lr": 0.2},
        "precision": "float64",
    },
}
BATCH = {"kind": "batch", "evaluation": "batch"}
CNN = {"kind": "cnn", "blocks": [{"kind": "conv", "features": 3, "size": 4}, {"kind": "max_pool"}]}
CASES = {
    "mlp": {},
    "cnn": {"model": CNN},
    "centered pixels": {"data": {**COMMON["data"], "pixels": "centred"}},
    "statistics of the images": {"model": {"hidden": [12], "norm": BATCH}},
    "population": {"model": {"hidden": [12], "norm": {**BATCH, "evaluation": "population"}}},
    "book": {
        "random": {"stream": "book"},
        "train": {**COMMON["train"], "sampling": "with_replacement"},
    },
}  # fmt: skip


def read(experiment, **strengths):
    """By change and strength the accuracy after the last step, of one network."""
    options = [{"to": to, "strengths": values, "images": N} for to, values in strengths.items()]
    probes = {"at": "ends", "read": [{"kind": "robustness", **each} for each in options]}
    table = bnexp.run({**experiment, "probes": probes}).probes
    last = table["step"] == table["step"].max()
    keys = zip(table["quantity"][last].tolist(), table["at"][last].tolist(), strict=True)
    return dict(zip(keys, table["value"][last].tolist(), strict=True))


def test_changes_of_a_small_image():
    """Number by number: a row of three pixels, and one of other channels."""
    x = np.array([[0.0, 0.5, 1.0], [0.2, 0.1, 0.9]]).reshape(1, 2, 3, 1)
    inverted = CHANGES["inversion"](x, 1.0)
    np.testing.assert_allclose(inverted.ravel(), [1.0, 0.5, 0.0, 0.8, 0.9, 0.1])
    np.testing.assert_allclose(CHANGES["inversion"](x, 0.5), 0.5)
    shifted = CHANGES["shift"](x, 2.0)
    assert shifted.ravel().tolist() == [0.0, 0.0, 0.0, 0.0, 0.0, 0.2]
    assert not CHANGES["shift"](x, 9.0).any()
    rows = [(1.0, math.exp(-2)), (math.exp(-2), 1.0)]  # a Gaussian of half a pixel
    columns = [[math.exp(-2 * (i - j) ** 2) for j in range(3)] for i in range(3)]
    for i in range(2):
        for j in range(3):
            weights = [[rows[i][a] * columns[j][b] for b in range(3)] for a in range(2)]
            total = sum(map(sum, weights))
            mean = sum(weights[a][b] * x[0, a, b, 0] for a in range(2) for b in range(3)) / total
            assert CHANGES["blur"](x, 0.5)[0, i, j, 0] == pytest.approx(mean, rel=1e-12)


def test_noise_has_its_deviation_and_is_the_same_at_each_strength():
    x = np.random.default_rng(0).random((50, 20, 20, 3))
    noise, double = (CHANGES["noise"](x, std) - x for std in (0.2, 0.4))
    assert abs(noise.std() / 0.2 - 1) < 0.02
    assert abs(noise.mean()) < 0.01
    np.testing.assert_allclose(double, 2 * noise, atol=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize("case", CASES)
def test_the_accuracy_is_what_the_network_answers_to_changed_images(case):
    experiment = {**COMMON, **CASES[case]}
    model, data = bnexp.fit(experiment), load("synthetic")
    labels = data.test_labels[:N]
    images = data.test_images[:N] / np.float32(255)

    def accuracy(changed):
        return np.mean(model.predict(np.clip(changed, 0, 1).astype(np.float32)) == labels)

    strengths = {"inversion": 1.0, "blur": 1.5, "noise": 0.4, "shift": 3.0}
    made = read(experiment, **{to: [0.0, strength] for to, strength in strengths.items()})
    for to, strength in strengths.items():
        assert made[f"accuracy_{to}", 0.0] == accuracy(images) > 0.6
        assert made[f"accuracy_{to}", strength] == accuracy(CHANGES[to](images, strength))


@pytest.mark.parametrize("case", ["mlp", "book"])
def test_fgsm_moves_each_pixel_to_where_the_loss_is_larger(case):
    """The signs are those of differences of the loss, one pixel after another."""
    experiment = {**COMMON, **CASES[case]}
    model, data = bnexp.fit(experiment), load("synthetic")
    labels = data.test_labels[:N]
    images = (data.test_images[:N] / np.float32(255)).astype(np.float64)
    step, signs = 1e-5, np.empty(images.shape)
    for n, (image, label) in enumerate(zip(images, labels, strict=True)):
        sides = np.where(image.ravel() < 0.5, 1, -1)  # so that pixels stay within 0 and 1
        moved = image + step * np.diag(sides).reshape(-1, *image.shape)
        z = model.logits(np.concatenate([moved, image[None]]))
        losses = np.log(np.exp(z).sum(axis=1)) - z[:, label]
        change = sides * (losses[:-1] - losses[-1])
        signs[n] = np.sign(np.where(np.abs(change) > 1e-12, change, 0)).reshape(image.shape)
    strengths = (0.05, 0.1, 0.3)
    attacked = [np.clip(images + s * signs, 0, 1) for s in strengths]
    expected = [np.mean(model.predict(x) == labels) for x in attacked]
    made = [*read(experiment, fgsm=[0.0, *strengths]).values()]
    assert made[0] == np.mean(model.predict(images) == labels)
    assert made[1:] == pytest.approx(expected, abs=1.5 / N)  # a slope of nearly 0 may decide one
    assert made[0] - made[2] > 0.2


def test_what_diverged_answers_as_nan_does():
    train = {**COMMON["train"], "optimizer": {"kind": "sgd", "lr": 1e200}}
    experiment = {**COMMON, "train": train, "model": {"hidden": [12]}}
    zeros = np.mean(load("synthetic").test_labels[:N] == 0)  # argmax of NaN is 0
    assert [*read(experiment, fgsm=[0.0, 0.1]).values()] == [zeros, zeros]


def test_each_change_has_a_quantity_of_its_own():
    assert Robustness("blur", (1.0,)).quantity_names == ("accuracy_blur",)
    (grid,) = Robustness("fgsm", (0.1, 0.2)).grids(())
    assert (grid.quantity, grid.layers, grid.at) == ("accuracy_fgsm", (0,), (0.1, 0.2))
