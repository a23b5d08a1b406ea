"""What must hold between the keys of an experiment."""

from __future__ import annotations

import pytest
from config_cases import SMALLEST, errors

from bnexp.config import load_config


@pytest.mark.parametrize(
    ("norm", "size", "sampling", "expected"),
    [
        ("batch", 1, "shuffle", "too small, expected at least 2, got 1: batch norm of a single"),
        ("batch", 3, "shuffle", "leaves a last batch of one"),
        ("batch", 3, "with_replacement", None),
        ("none", 1, "shuffle", None),
    ],
)
def test_batch_norm_of_a_single_sample_is_refused(config_file, norm, size, sampling, expected):
    path = config_file(
        f"name: a\ndata: {{train: 100}}\nmodel: {{hidden: [5], norm: {norm}}}\n"
        f"train: {{epochs: 1, batch_size: {size}, sampling: {sampling}}}\n"
    )
    if expected is None:
        assert load_config(path).experiment.train.batch_size == size
    else:
        assert expected in errors(path)


def test_steps_are_limited_as_soon_as_the_images_are_known(config_file):
    long = SMALLEST.replace("epochs: 1", "epochs: 2000000")
    text = errors(config_file("data: {name: synthetic, train: 95}\n" + long))
    assert (
        ":4:17: train.epochs: too long, expected at most 10,000,000 steps, got 20,000,000" in text
    )
    assert load_config(config_file(long)).experiment.train.epochs == 2_000_000


def test_the_weights_of_an_image_network_are_counted_layer_by_layer(config_file):
    blocks = "[{kind: conv, features: 30, size: 5}, {kind: max_pool}, {kind: dense, features: 100}]"
    path = config_file(SMALLEST.replace("hidden: [10]", f"kind: cnn, blocks: {blocks}"))
    assert (
        load_config(path).experiment.model.weight_count() == 30 * 25 + 30 * 12**2 * 100 + 100 * 10
    )
    path.write_text(path.read_text().replace("features: 100", "features: 20000"))
    assert "model.blocks: too large, expected at most 20,000,000 weights, got 86,600,750" in errors(
        path
    )


def test_sizes_of_mnist_are_those_of_the_folder_that_is_read(config_file):
    config = load_config(config_file("data: {train: 60001, test: 10001}\n" + SMALLEST))
    assert config.experiment.data.train == 60001
