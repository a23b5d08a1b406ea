"""What must hold between the keys of an experiment."""

from __future__ import annotations

import numpy as np
import pytest
from config_cases import SMALLEST, errors

import bnexp
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


ONE_IMAGE = """\
name: one
data: {name: synthetic, train: 30, test: 5}
model: {kind: cnn, blocks: BLOCKS, norm: NORM}
train: {steps: 3, batch_size: SIZE, optimizer: {kind: sgd, lr: 0.01}}
"""
CONV, WHOLE = "{kind: conv, features: 4}", "{kind: conv, features: 4, size: 28}"
PYTORCH = "{kind: batch, dialect: pytorch}"


@pytest.mark.parametrize(
    ("blocks", "norm", "size", "expected"),
    [
        (f"[{CONV}]", PYTORCH, 1, None),
        (f"[{CONV}, {{kind: global_average_pool}}]", "noisy_batch", 1, None),
        (f"[{CONV}]", PYTORCH, 29, None),
        (f"[{CONV}]", "batch", 1, "too small"),  # a statistic for each activation
        (f"[{CONV}, {{kind: dense, features: 3}}]", PYTORCH, 1, "too small"),
        (f"[{CONV}, {{kind: dense, features: 3}}]", PYTORCH, 29, "leaves a last batch of one"),
        (f"[{WHOLE}]", PYTORCH, 1, "too small"),  # one pixel is left
        (f"[{WHOLE}]", "noisy_batch", 29, "leaves a last batch of one"),
        (f"[{WHOLE}]", PYTORCH, 28, None),
        ("[{kind: max_pool}]", PYTORCH, 1, None),  # no layer with a norm
        (f"[{WHOLE}]", "layer", 1, None),
    ],
)
def test_a_single_image_has_many_values_of_each_channel(
    config_file, tmp_path, blocks, norm, size, expected
):
    """What counts is how many values share a statistic, as in PyTorch, not the size of a batch."""
    text = ONE_IMAGE.replace("BLOCKS", blocks).replace("NORM", norm).replace("SIZE", str(size))
    path = config_file(text)
    if expected is None:
        result = bnexp.run(load_config(path), tmp_path / "out")
        assert result.summary["status"].tolist() == ["ok"]
        assert np.isfinite(result.metrics["train_loss"]).all()
        return
    with pytest.raises(bnexp.ConfigError, match=f"train.batch_size: {expected}"):
        bnexp.run(load_config(path), tmp_path / "out")


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
