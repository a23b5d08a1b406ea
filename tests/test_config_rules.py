"""What must hold between the keys of an experiment."""

from __future__ import annotations

import numpy as np
import pytest
from config_cases import SMALLEST, errors

import bnexp
from bnexp.config import load_config, resolved
from bnexp.sweep import make_plan


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


@pytest.mark.slow
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


SEEDED = """\
name: seeded
data: {name: synthetic, train: 200}
model: {hidden: [5]}
train: {epochs: 1, batch_size: 50}
random: {seeds: [3, 4], design_seeds: DESIGN}
"""


@pytest.mark.parametrize(
    ("design", "expected"),
    [
        ("[0, 1]", None),
        ("[0, 4]", None),
        ("[0, 0]", "random.design_seeds: a seed twice, expected each once, got 0 again"),
        ("[]", "random.design_seeds: not a valid value, expected a list of at least 1"),
        ("3", "random.design_seeds: not a valid value, expected a list, got 3; [0, 1, 2] are th"),
        ("[-1]", "random.design_seeds[0]: not a valid value, expected a number >= 0, got -1"),
        ("[1.5]", "random.design_seeds[0]: not a valid value, expected a whole number, got 1.5"),
    ],
)
def test_design_seeds_change_no_network(config_file, design, expected):
    path = config_file(SEEDED.replace("DESIGN", design))
    if expected is not None:
        assert expected in errors(path)
        return
    config = load_config(path)
    assert config.experiment.random.design_seeds[0] == 0
    plain = load_config(config_file(SEEDED.replace(", design_seeds: DESIGN", ""), "plain.yaml"))
    assert [n.id for n in make_plan(config).networks] == [n.id for n in make_plan(plain).networks]
    assert "design_seeds" not in resolved(plain)
    assert load_config(config_file(resolved(config), "again.yaml")).experiment == config.experiment


REFERENCE = "{authors: [A. Author], title: On it, year: 2015, PLACE}"


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        ("doi: 10.1038/323533a0", None),
        ("arxiv: '1502.03167'", None),
        ("arxiv: 'cs.LG/0102003'", None),
        ("isbn: '978-4-87311-758-4'", None),
        ("url: https://cs231n.github.io", None),
        (
            "venue: Nature",
            "2:14: references[0]: nowhere to be found, expected at least one of doi, ",
        ),
        ("doi: https://doi.org/10.1038/3", "references[0].doi: not a valid value, expected a DOI"),
        (
            "arxiv: 1502.03167",
            "expected a number of arXiv in quotes, such as '1502.03167', got 150",
        ),
        ("arxiv: 'arXiv:1502.03167'", "references[0].arxiv: not a valid value, expected a number"),
        ("isbn: 9784873117584", "references[0].isbn: not a valid value, expected an ISBN in quot"),
        ("url: cs231n.github.io", "references[0].url: not a valid value, expected an address such"),
        ("doi: 10.1038/3, yaer: 1", "references[0].yaer: unknown key, expected one of authors, ti"),
    ],
)
def test_a_reference_says_where_the_publication_is(config_file, place, expected):
    text = f"name: of_it\nreferences: [{REFERENCE.replace('PLACE', place)}]\n"
    path = config_file(text + SEEDED.partition("\n")[2].replace(", design_seeds: DESIGN", ""))
    if expected is not None:
        assert expected in errors(path)
        return
    config = load_config(path)
    assert config.experiment.references[0].authors == ("A. Author",)
    assert load_config(config_file(resolved(config), "again.yaml")).experiment == config.experiment


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        (
            "authors: A. Author",
            "references[0].authors: not a valid value, expected a list, got 'A.",
        ),
        ("authors: []", "references[0].authors: not a valid value, expected a list of at least 1"),
        ("authors: [A], year: '2015'", "references[0].year: not a valid value, expected a whole n"),
        ("authors: [A], year: 15", "references[0].year: not a valid value, expected a number >= 1"),
        ("authors: [A], title: ''", "references[0].title: not a valid value, expected a text"),
    ],
)
def test_a_reference_has_authors_a_title_and_a_year(config_file, changed, expected):
    missing = "title: On it, " * ("title" not in changed) + "year: 2015, " * ("year" not in changed)
    text = f"name: of_it\nreferences: [{{{missing}url: 'http://a', {changed}}}]\n"
    path = config_file(text + SEEDED.partition("\n")[2].replace(", design_seeds: DESIGN", ""))
    assert expected in errors(path)
