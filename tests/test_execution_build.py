"""From settings to what the training loop takes."""

from __future__ import annotations

from dataclasses import dataclass, replace
from itertools import islice

import numpy as np
import pytest

import bnexp
from bnexp import nn
from bnexp.errors import ConfigError
from bnexp.execution import build
from bnexp.execution.build import ImageSets, draw_start, make_image_sets
from bnexp.execution.task import Task, dataset, train_task
from bnexp.running import prepare
from bnexp.sweep import make_plan, make_stacks
from bnexp.training import Images, train
from bnexp.training.schedule import make_schedule


@pytest.fixture
def framed():
    """Synthetic images; of the training images the outer three rows and columns are blank."""
    images = dataset("synthetic", None)
    blank = np.zeros_like(images.train_images)
    blank[:, 3:-3, 3:-3] = images.train_images[:, 3:-3, 3:-3]
    return replace(images, train_images=blank)


@pytest.mark.parametrize("norm", ["none", "batch"])
def test_blank_pixels_are_left_out_and_change_no_result(small, framed, norm):
    config = bnexp.load_config(
        small,
        {
            "train.precision": "float64",
            "data.test": 100,
            "sweep.model.norm": [norm],
            "sweep.model.init.std": [0.3],
        },
    )
    cells = make_plan(config).networks
    plan = make_schedule(cells[0], 200)
    networks = [build.build_architecture(network.setting, 10) for network in cells]
    sets = make_image_sets(cells[0].setting, framed, np.dtype(np.float64))
    assert len(sets.used) == 22 * 22
    assert sets.train.shape == (22 * 22,)
    assert sets.shape == (28 * 28,)
    rows = framed.train_images.reshape(-1, 784)[:200]
    tests = framed.test_images.reshape(-1, 784)[:100]
    whole = ImageSets(
        Images(rows, framed.train_labels[:200], "float64"),
        Images(rows, framed.train_labels[:200], "float64"),
        Images(tests, framed.test_labels[:100], "float64"),
        (784,),
        None,
    )
    histories = [_trained(cells, networks, plan, data) for data in (sets, whole)]
    for name in ("train_loss", "test_loss", "train_accuracy", "test_accuracy"):
        few, all_ = (history.metrics[name] for history in histories)
        np.testing.assert_allclose(few, all_, rtol=1e-9)
    start = draw_start(cells, networks, plan, whole, np.dtype(np.float64))
    blank = np.setdiff1d(np.arange(784), sets.used)
    untouched = histories[1].parameters[0]["W"][:, blank]
    np.testing.assert_array_equal(untouched, start.parameters[0]["W"][:, blank])
    again = draw_start(cells, networks, plan, sets, np.dtype(np.float64))
    made_whole = again.full_parameters(histories[0].parameters)[0]["W"]
    np.testing.assert_allclose(made_whole, histories[1].parameters[0]["W"], rtol=1e-7, atol=1e-12)


def _trained(cells, networks, plan, data):
    start = draw_start(cells, networks, plan, data, np.dtype(np.float64))
    return train(
        networks[0],
        nn.SGD(),
        np.full((len(cells), 1, 1), 0.1),
        start.parameters,
        start.state,
        start.batches,
        plan.evaluations,
        data.train,
        data.test,
        data.scored,
        50,
        for_test=start.full_parameters,
    )


def test_scoring_test_images_changes_no_bit_of_the_training(small):
    runs = [bnexp.run(bnexp.load_config(small, {"data.test": size})) for size in (0, 7, 500)]
    for name in ("train_loss", "train_accuracy"):
        for other in runs[1:]:
            np.testing.assert_array_equal(other.metrics[name], runs[0].metrics[name])


def test_large_sets_stay_as_they_are(small):
    setting = make_plan(bnexp.load_config(small, {"data.train": "all"})).networks[0].setting
    images = dataset("synthetic", None)
    many = replace(
        images,
        train_images=np.broadcast_to(images.train_images[:1], (60_000, 28, 28, 1)),
        train_labels=np.zeros(60_000, np.int64),
    )
    sets = make_image_sets(setting, many, np.dtype(np.float32))
    assert sets.used is None
    assert sets.train.shape == (784,)


def test_too_few_test_images(small):
    setting = make_plan(bnexp.load_config(small, {"data.test": 500})).networks[0].setting
    few = replace(dataset("synthetic", None), test_labels=np.zeros(5, np.int64))
    with pytest.raises(ConfigError, match="too few test images, expected at least 500"):
        make_image_sets(setting, few, np.dtype(np.float32))


def faulty(monkeypatch, **methods):
    """A registered normalizer with these methods; those of no effect are added."""
    members = {
        "init": lambda self, generator, shape: (shape, {}, {}),
        "forward": lambda self, parameters, state, x, train: (x, None, state),
        "backward": lambda self, parameters, cache, dy: (dy, {}),
        **methods,
    }
    monkeypatch.setattr(nn.NORMALIZERS, "_entries", dict(nn.NORMALIZERS))
    nn.NORMALIZERS.register("faulty", dataclass(frozen=True)(type("Faulty", (), members)))
    return {"sweep.model.norm": ["faulty"]}


@pytest.mark.parametrize("result", [None, (), ((3,), {})])
def test_an_init_that_returns_something_else_is_named(small, monkeypatch, result):
    norm = faulty(monkeypatch, init=lambda self, generator, shape: result)
    with pytest.raises(ConfigError, match=r"model\.norm\[0\]: Faulty\.init: expected the shape"):
        bnexp.run(bnexp.load_config(small, norm))


@pytest.mark.parametrize("result", [None, 3])
def test_an_around_that_returns_no_layer_is_named(small, monkeypatch, result):
    norm = faulty(monkeypatch, around=lambda self, layer: result)
    kind = type(result).__name__
    message = (
        rf"model\.norm: Faulty\.around: expected a layer, got {kind} without init, forward, back"
    )
    with pytest.raises(ConfigError, match=message):
        bnexp.run(bnexp.load_config(small, norm))


def test_an_around_may_return_the_layer_itself(small, monkeypatch):
    norm = faulty(monkeypatch, around=lambda self, layer: layer)
    sweep = {"sweep.model.norm": ["faulty", "none"], "sweep.model.init.std": [0.1]}
    losses = bnexp.run(bnexp.load_config(small, {**norm, **sweep})).summary["final_train_loss"]
    np.testing.assert_allclose(losses[:2], losses[2:], rtol=1e-5)


def chosen(small, seed=5, **data):
    config = bnexp.load_config(
        small, {"random.seeds": [seed], **{f"data.{k}": v for k, v in data.items()}}
    )
    loaded = dataset("synthetic", None)
    return build.choose_images(make_plan(config).networks[0], loaded), loaded


def test_the_seed_decides_which_images_are_the_first(small):
    images, loaded = chosen(small, draw="seed", test=10)
    again, _ = chosen(small, draw="seed", test=10)
    other, _ = chosen(small, seed=6, draw="seed", test=10)
    for part in ("train", "test"):
        pixels, before = (getattr(set_, f"{part}_images") for set_ in (images, loaded))
        assert (pixels == getattr(again, f"{part}_images")).all()
        assert not (pixels == getattr(other, f"{part}_images")).all()
        assert sorted(map(bytes, pixels)) == sorted(map(bytes, before))  # a permutation
    pairs = set(zip(map(bytes, loaded.train_images), loaded.train_labels, strict=True))
    assert set(zip(map(bytes, images.train_images), images.train_labels, strict=True)) == pairs


def test_validation_images_are_held_out_and_stand_for_test_images(small):
    images, loaded = chosen(small, validation=30)
    assert (images.test_images == loaded.train_images[:30]).all()
    assert (images.test_labels == loaded.train_labels[:30]).all()
    assert (images.train_images == loaded.train_images[30:]).all()
    with pytest.raises(bnexp.ConfigError, match="no image is left to train on"):
        chosen(small, validation=len(loaded.train_images), train="all")


@pytest.mark.parametrize("draw", ["first", "seed"])
def test_label_noise_changes_labels_of_training_images_alone(small, draw):
    options = {"validation": 30, "draw": draw}
    clean, noisy, again, other = (
        chosen(small, seed=seed, label_noise=noise, **options)[0]
        for seed, noise in ((5, 0.0), (5, 0.5), (5, 0.5), (6, 0.5))
    )
    for part in ("train_images", "test_images", "test_labels"):
        assert (getattr(noisy, part) == getattr(clean, part)).all()
    changed = noisy.train_labels != clean.train_labels
    assert 0.4 < changed.mean() < 0.6
    assert (noisy.train_labels == again.train_labels).all()
    # The same images have the same labels; where the seed draws the images, it draws the noise.
    assert (noisy.train_labels == other.train_labels).all() == (draw == "first")


@pytest.mark.slow
def test_training_accuracy_is_for_the_changed_labels(small):
    """What learns nothing else than the labels of 200 images by heart finds those that changed."""
    changes = {"data.label_noise": 0.4, "train.epochs": 300, "train.optimizer.lr": 0.2}
    point = {"sweep.model.init.std": [0.3], "sweep.model.norm": ["none"], "model.hidden": [50]}
    config = bnexp.load_config(small, {**changes, **point, "random.seeds": [0]})
    (train,) = bnexp.run(config).summary["final_train_accuracy"]
    images = dataset("synthetic", None)
    score = bnexp.fit(config, seed=0).score(images.train_images[:200], images.train_labels[:200])
    assert train > 0.95
    assert score["accuracy"] < 0.75


@pytest.mark.parametrize("changes", [{"data.validation": 20}, {"data.label_noise": 0.3}])
def test_networks_of_other_seeds_see_other_images(small, changes):
    """They are not stacked, and a network's numbers are those it has alone."""
    overrides = {"random.seeds": [0, 1], "data.draw": "seed", "data.test": 50, **changes}
    if "data.validation" in changes:
        del overrides["data.test"]
    result = bnexp.run(bnexp.load_config(small, {**overrides, "claims": None}))
    alone = bnexp.run(bnexp.load_config(small, {**overrides, "random.seeds": [1], "claims": None}))
    mask = result.summary["seed"] == 1
    for column in ("final_train_loss", "final_test_accuracy"):
        assert (result.summary[column][mask] == alone.summary[column]).all()
        assert (result.summary[column][mask] != result.summary[column][~mask]).any()


BY_CLASS = {"train.sampling": "by_class", "train.classes_per_batch": 2}


def test_batches_by_class_are_of_the_networks_own_labels(small):
    changes = {**BY_CLASS, "data.validation": 30, "data.label_noise": 0.5, "random.seeds": [3, 4]}
    changes["sweep.model.norm"] = ["none"]  # so that all have one structure
    networks = make_plan(bnexp.load_config(small, changes)).networks
    layers = [build.build_architecture(network.setting, 10) for network in networks]
    images = build.choose_images(networks[0], dataset("synthetic", None))
    sets = make_image_sets(networks[0].setting, images, np.dtype(np.float32))
    schedule = make_schedule(networks[0], len(images.train_labels))
    batches = draw_start(networks, layers, schedule, sets, np.dtype(np.float32)).batches
    for batch in islice(batches, 5):
        assert batch.shape == (len(networks), 50)
        assert {len(np.unique(images.train_labels[:200][rows])) for rows in batch} == {2}
        assert {rows.tobytes() for rows in batch} == {batch[0].tobytes(), batch[-1].tobytes()}


@pytest.mark.parametrize("changes", [{}, {"data.draw": "seed"}, {"data.label_noise": 0.5}])
def test_a_batch_cannot_have_more_classes_than_the_training_images(small, changes):
    """As many as the labels that are trained on; the oracle counts those of each seed."""
    seeds = np.random.default_rng().choice(10**6, 2, replace=False).tolist()
    changes = {**changes, "data.train": 12, "train.batch_size": 12, "claims": None}
    changes |= {"train.sampling": "by_class", "random.seeds": seeds}
    images = dataset("synthetic", None)
    least = 12
    single = bnexp.load_config(small, {**changes, "train.classes_per_batch": 1})
    for network in make_plan(single).networks:
        labels = build.choose_images(network, images).train_labels[:12]
        least = min(least, len(np.unique(labels)))
    fits = bnexp.load_config(small, {**changes, "train.classes_per_batch": least})
    prepare(fits)
    above = bnexp.load_config(small, {**changes, "train.classes_per_batch": least + 1})
    with pytest.raises(ConfigError, match=f"more classes than there are, expected at most {least}"):
        prepare(above)


def test_labels_with_gaps_are_fewer_classes(small):
    labels = np.tile([0, 2, 4], 80)
    x = np.random.default_rng(0).integers(0, 256, (240, 4, 4), np.uint8)
    changes = {**BY_CLASS, "train.classes_per_batch": 4, "claims": None, "data.train": "all"}
    single = {"sweep.model.norm": ["none"], "sweep.model.init.std": [0.1], "random.seeds": [0]}
    config = bnexp.load_config(small, {**changes, **single, "data.test": 0})
    for call in (bnexp.run, bnexp.fit):
        with pytest.raises(ConfigError, match="expected at most 3, those of the 240 train"):
            call(config, data=(x, labels))


@pytest.mark.usefixtures("one_blas_thread")
@pytest.mark.parametrize("changes", [{"data.label_noise": 0.3}, BY_CLASS])
def test_networks_have_the_bits_in_a_stack_that_they_have_alone(small, changes):
    seeds = np.random.default_rng().choice(10**6, 3, replace=False).tolist()
    networks = make_plan(bnexp.load_config(small, {**changes, "random.seeds": seeds})).networks
    together, alone = (
        {
            record.cell: repr(replace(record, seconds=0.0))
            for stack in make_stacks(networks, size=size)
            for record in train_task(Task(stack.networks))
        }
        for size in (None, 1)
    )
    assert together == alone, seeds


RESIDUAL = {
    "post": "Dense BatchNorm Relu Fork Dense BatchNorm Relu Dense BatchNorm Add Relu Dense",
    "pre": "Dense Fork BatchNorm Relu Dense BatchNorm Relu Dense Add BatchNorm Relu Dense",
}
RESIDUAL_CNN = {
    "post": "Conv BatchNorm Relu Fork Conv BatchNorm Relu Conv BatchNorm Add Relu "
    "GlobalAveragePool Flatten Dense",
    "pre": "Conv Fork BatchNorm Relu Conv BatchNorm Relu Conv Add BatchNorm Relu "
    "GlobalAveragePool Flatten Dense",
    "none": "Conv BatchNorm Relu Conv BatchNorm Relu Conv BatchNorm Relu "
    "GlobalAveragePool Flatten Dense",
}
CONV = {"kind": "conv", "features": 4, "padding": 1}
BLOCKS = [
    CONV,
    {"kind": "residual", "blocks": [{**CONV, "features": 6, "stride": 2}, {**CONV, "features": 6}]},
    {"kind": "global_average_pool"},
]


def setting_of(model):
    train = {"epochs": 1, "batch_size": 20, "optimizer": {"kind": "sgd", "lr": 0.1}}
    data = {"name": "synthetic", "train": 100, "test": 50}
    return bnexp.load_config({"name": "x", "data": data, "model": model, "train": train})


def names(config):
    layers = build.build_architecture(config.experiment, 10).layers
    return " ".join(type(layer).__name__ for layer in layers)


def residual(order):
    return None if order == "none" else {"order": order}


@pytest.mark.parametrize("order", RESIDUAL)
def test_the_layers_of_residual_blocks(order):
    model = {"hidden": [8, 8, 8], "norm": "batch", "residual": residual(order)}
    assert names(setting_of(model)) == RESIDUAL[order]


@pytest.mark.parametrize("order", RESIDUAL_CNN)
def test_the_layers_of_residual_blocks_of_a_cnn(order):
    model = {"kind": "cnn", "norm": "batch", "blocks": BLOCKS, "residual": residual(order)}
    assert names(setting_of(model)) == RESIDUAL_CNN[order]


@pytest.mark.parametrize("evaluation", ["running", "population"])
@pytest.mark.parametrize("order", RESIDUAL)
@pytest.mark.parametrize("kind", ["mlp", "cnn"])
def test_a_residual_model_is_saved_and_gives_the_same_answers(kind, order, evaluation, tmp_path):
    layers = {"blocks": BLOCKS} if kind == "cnn" else {"hidden": [9, 7, 7]}
    norm = {"kind": "batch", "evaluation": evaluation}
    options = {"order": order, "scale": 0.5}
    config = setting_of({"kind": kind, "norm": norm, "residual": options, **layers})
    model = bnexp.fit(config, seed=int(np.random.default_rng().integers(1000)))
    bnexp.save_model(model, tmp_path / "model.npz")
    images = dataset("synthetic", None).test_images[:20]
    answers = model.probabilities(images)
    loaded = bnexp.load_model(tmp_path / "model.npz")
    np.testing.assert_array_equal(loaded.probabilities(images), answers)


def test_fixup_scales_the_layers_of_blocks():
    model = {"hidden": [8] * 7, "residual": {"layers": 3, "init": "fixup"}}
    plain, fixed = (
        build.build_architecture(setting_of({**model, **changes}).experiment, 10)
        for changes in ({"residual": {"layers": 3}}, {})
    )
    starts = [n.init(np.random.default_rng(1), (784,))[0] for n in (plain, fixed)]
    weights = [[layer["W"] for layer in parameters if "W" in layer] for parameters in starts]
    for i, (w, scaled) in enumerate(zip(*weights, strict=True)):
        factor = 1 if i == 0 else 0 if i in (3, 6, 7) else 2 ** (-1 / 4)  # L = 2, m = 3
        # What is drawn for a layer of zeros does not move what is drawn behind it only before one.
        if i <= 3 or factor == 0:
            np.testing.assert_array_equal(scaled, factor * w)
        else:
            assert scaled.std() == pytest.approx(factor * w.std(), rel=0.5)
