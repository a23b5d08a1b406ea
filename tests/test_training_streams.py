"""Which numbers are drawn, which images are seen, and when networks are scored."""

from __future__ import annotations

import math
from itertools import islice, pairwise

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numeric_cases import small_mlp

from bnexp.config.experiment import Every
from bnexp.nn import INITIALIZERS, BatchNorm, Dense, Normal, Relu, Sequential, mlp
from bnexp.nn.initializers import Truncated, Uniform, Zeros
from bnexp.training import Images
from bnexp.training.evaluation import KEPT_BYTES
from bnexp.training.random import (
    ROLES,
    BookRound,
    SharedGenerator,
    by_class,
    first_draw,
    generator,
    noisy_labels,
    replay_book,
    shuffle,
    stack_batches,
    with_replacement,
)
from bnexp.training.schedule import count_of_rule, steps_of_rule, steps_per_epoch


def test_a_seed_and_a_role_give_one_stream():
    drawn = {(s, r): generator(s, r).integers(0, 2**63, 4).tobytes() for s in (0, 1) for r in ROLES}
    assert len(set(drawn.values())) == 2 * len(ROLES)
    assert drawn == {key: generator(*key).integers(0, 2**63, 4).tobytes() for key in drawn}


def test_streams_are_those_of_numpys_seed_sequence():
    """Pinned: another stream would give other numbers for the same configuration."""
    sequence = np.random.SeedSequence(7, spawn_key=(1,))
    expected = np.random.Generator(np.random.PCG64(sequence)).integers(0, 50, 10)
    (made,) = islice(with_replacement(generator(7, "batches"), 50, 10), 1)
    np.testing.assert_array_equal(made, expected)


def test_noisy_labels_are_another_class_each_alike():
    labels = np.tile([1, 2, 5, 9], 3000)  # classes need not be numbered without gaps
    noisy = noisy_labels(generator(0, "labels"), labels, 0.3)
    counts = np.array([[((labels == a) & (noisy == b)).sum() for b in (1, 2, 5, 9)]
                       for a in (1, 2, 5, 9)])  # fmt: skip
    assert counts.sum() == len(labels)  # no other class
    expected = 3000 * np.where(np.eye(4), 0.7, 0.1)
    # chi-square with 12 degrees of freedom: above 32.9 once in a thousand
    assert ((counts - expected) ** 2 / expected).sum() < 32.9


def test_labels_that_change_at_a_lower_probability_change_alike_at_a_higher_one():
    labels = np.arange(1000) % 10
    low, high, all_ = (noisy_labels(generator(3, "labels"), labels, p) for p in (0.1, 0.6, 1.0))
    changed = low != labels
    assert 50 < changed.sum() < (high != labels).sum() < 700
    np.testing.assert_array_equal(low[changed], high[changed])
    assert (all_ != labels).all()


def test_labels_of_a_single_class_stay():
    labels = np.full(5, 3)
    np.testing.assert_array_equal(noisy_labels(generator(0, "labels"), labels, 1.0), labels)


def test_with_replacement_draws_all_images_alike():
    drawn = np.stack(list(islice(with_replacement(generator(0, "batches"), 10, 20), 500)))
    assert drawn.shape == (500, 20)
    counts = np.bincount(drawn.ravel(), minlength=10)
    assert len(counts) == 10  # 0 to 9
    # chi-square with 9 degrees of freedom: above 27.9 once in a thousand
    assert ((counts - 1000) ** 2 / 1000).sum() < 27.9
    assert all(len(set(batch)) < 20 for batch in drawn)  # 20 out of 10: some twice


@pytest.mark.parametrize(
    ("images", "size", "lengths"),
    [(12, 4, [4, 4, 4]), (10, 4, [4, 4, 2]), (3, 5, [3]), (5, 5, [5]), (4, 1, [1, 1, 1, 1])],
)
def test_shuffle_covers_each_epoch_once(images, size, lengths):
    stream = shuffle(generator(0, "batches"), images, size)
    epochs = [list(islice(stream, len(lengths))) for _ in range(5)]
    assert len(lengths) == steps_per_epoch(images, size, "shuffle")
    for epoch in epochs:
        assert [len(batch) for batch in epoch] == lengths
        assert sorted(np.concatenate(epoch)) == list(range(images))


@pytest.mark.parametrize(("size", "classes"), [(12, 2), (12, 3), (10, 4), (5, 5)])
def test_a_batch_by_class_has_equally_many_images_of_few_classes(size, classes):
    labels = np.random.default_rng(1).permutation(np.repeat([0, 1, 4, 5, 7], [5, 20, 9, 30, 2]))
    stream = by_class(generator(2, "batches"), labels, size, classes)
    batches = np.stack([*islice(stream, 3000)])
    few = {tuple(np.unique(labels[batch])) for batch in batches}
    assert len(few) == math.comb(5, classes)
    counts = [np.unique(labels[batch], return_counts=True)[1] for batch in batches]
    assert {len(each) for each in counts} == {classes}
    assert {each.max() - each.min() for each in counts} == {size % classes > 0}
    # All images of a class alike, and all classes.
    share = np.bincount(batches.ravel(), minlength=len(labels)) / batches.size
    sizes = np.bincount(labels)[labels]
    np.testing.assert_allclose(share * sizes, 1 / 5, rtol=0.25)
    # In a random order: each place has each class.
    for place in range(size):
        assert len(np.unique(labels[batches[:, place]])) == 5


def test_a_batch_of_more_classes_than_there_are_has_all():
    labels = np.array([3, 3, 8])
    batch = next(by_class(generator(0, "batches"), labels, 6, 4))
    assert sorted(labels[batch]) == [3, 3, 3, 8, 8, 8]


def test_shuffle_makes_other_batches_each_epoch():
    """Not only another order of the same batches: batch norm sees who is in a batch together."""
    stream = shuffle(generator(0, "batches"), 40, 10)
    first, second = ({frozenset(batch) for batch in islice(stream, 4)} for _ in range(2))
    assert not first & second


def test_together():
    one = list(islice(stack_batches([iter(np.arange(6).reshape(3, 2))]), 3))
    assert [step.tolist() for step in one] == [[[0, 1]], [[2, 3]], [[4, 5]]]
    two = stack_batches([iter(np.arange(4).reshape(2, 2)), iter(np.arange(4, 8).reshape(2, 2))])
    assert [step.tolist() for step in two] == [[[0, 1], [4, 5]], [[2, 3], [6, 7]]]


SCALES = (1.0, 0.1, 0.01)


def replay(seed):
    """The book's ch06/batch_norm_test.py, literally: what it draws, by scale."""
    np.random.seed(seed)
    rounds = []
    for scale in SCALES:
        nets = []
        for _ in ("with batch norm", "without"):
            sizes = [16, 9, 8, 4]
            nets.append([scale * np.random.randn(i, o) for i, o in pairwise(sizes)])
        rounds.append((nets, [np.random.choice(30, 10) for _ in range(6)]))
    return rounds


@pytest.mark.parametrize("seed", [0, 3])
def test_the_books_stream(seed):
    before = np.random.get_state()
    try:
        expected = replay(seed)
    finally:
        np.random.set_state(before)
    wanted = [
        (i, which, small_mlp(norm, std=scale))
        for i, scale in enumerate(SCALES)
        for which, norm in enumerate((BatchNorm(), None))
    ]
    plan = BookRound(networks=2, steps=6, images=30, batch_size=10)
    made = replay_book(seed, plan, wanted, (16,))
    for (place, which, _), ((parameters, _), batches) in zip(wanted, made, strict=True):
        nets, choices = expected[place]
        weights = [p["W"] for p in parameters if "W" in p]
        np.testing.assert_equal(weights, nets[which])
        np.testing.assert_equal(list(batches), choices)


def test_a_part_of_the_books_stream_is_that_part_of_the_whole():
    """A network is drawn alike whichever others are wanted: those before it are drawn, too."""
    plan = BookRound(networks=2, steps=6, images=30, batch_size=10)
    whole = [(i, j, small_mlp(std=s)) for i, s in enumerate(SCALES) for j in (0, 1)]
    made = replay_book(1, plan, whole, (16,))
    for part in ([5], [3, 0], [4, 2]):
        again = replay_book(1, plan, [whole[i] for i in part], (16,))
        for i, ((parameters, _), batches) in zip(part, again, strict=True):
            np.testing.assert_equal(parameters, made[i][0][0])
            np.testing.assert_equal(
                list(batches), list(replay_book(1, plan, [whole[i]], (16,))[0][1])
            )


def test_the_books_stream_leaves_numpys_global_generator():
    before = np.random.get_state()[1].copy()
    network = mlp((3,), Relu(), None, [Normal(1.0)])
    replay_book(0, BookRound(1, 2, 5, 2), [(0, 0, network)], (4,))
    np.testing.assert_array_equal(np.random.get_state()[1], before)


@pytest.mark.parametrize(
    ("images", "size", "sampling", "expected"),
    [
        (1000, 100, "with_replacement", 10),
        (60000, 128, "with_replacement", 468),
        (50, 100, "with_replacement", 1),
        (1000, 100, "shuffle", 10),
        (1001, 100, "shuffle", 11),
        (50, 100, "shuffle", 1),
        (1050, 100, "by_class", 10),
    ],
)
def test_steps_per_epoch(images, size, sampling, expected):
    assert steps_per_epoch(images, size, sampling) == expected


@pytest.mark.parametrize(
    ("rule", "steps", "per_epoch", "expected"),
    [
        ("book", 200, 10, tuple(range(1, 192, 10))),
        ("book", 10, 10, (1,)),
        ("book", 11, 10, (1, 11)),
        ("book", 3, 1, (1, 2, 3)),
        ("epoch", 30, 10, (10, 20, 30)),
        ("epoch", 25, 10, (10, 20, 25)),
        ("epoch", 5, 10, (5,)),
        ("cs231n", 30, 10, (1, 10, 20, 30)),
        ("cs231n", 3, 1, (1, 2, 3)),
        ("cs231n", 25, 10, (1, 10, 20, 25)),
        ("ends", 25, 10, (0, 25)),
        ("ends", 0, 10, (0,)),
        (Every(every=50), 200, 10, (50, 100, 150, 200)),
        (Every(every=60), 200, 10, (60, 120, 180)),
        (Every(every=500), 200, 10, (200,)),
        ((0, 1, 7), 200, 10, (0, 1, 7)),
    ],
)
def test_points(rule, steps, per_epoch, expected):
    assert tuple(steps_of_rule(rule, steps, per_epoch)) == expected


@given(
    rule=st.sampled_from(["book", "epoch", "cs231n", "ends"])
    | st.builds(Every, every=st.integers(1, 70)),
    steps=st.integers(1, 60),
    per_epoch=st.integers(1, 70),
)
def test_points_are_counted_without_a_list_of_them(rule, steps, per_epoch):
    points = steps_of_rule(rule, steps, per_epoch)
    assert count_of_rule(rule, steps, per_epoch) == len(points)
    assert list(points) == sorted(set(points))


def test_many_points_at_equal_distances_take_no_memory():
    for rule in ("book", "epoch", Every(every=1)):
        assert isinstance(steps_of_rule(rule, 10_000_000, 1), range)


def test_the_book_scores_twenty_times_in_its_twenty_epochs():
    made = steps_of_rule("book", 20 * steps_per_epoch(1000, 100, "with_replacement"), 10)
    assert (len(made), made[-1]) == (20, 191)


PIXELS = np.arange(256, dtype=np.uint8).reshape(16, 16)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_pixel_is_its_byte_over_255_in_float32(dtype):
    set_ = Images(PIXELS, np.arange(16), dtype)
    x, labels = set_.batch(np.array([[3, 0, 3]]))
    expected = (PIXELS.astype(np.float32) / np.float32(255))[[3, 0, 3]]
    np.testing.assert_array_equal(x, expected[None].astype(dtype))
    assert x.dtype == np.dtype(dtype)
    assert labels.tolist() == [[3, 0, 3]]
    assert (set_.shape, len(set_)) == ((16,), 16)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_large_sets_stay_bytes_and_give_the_same_numbers(dtype, monkeypatch):
    kept = Images(PIXELS, np.arange(16), dtype)
    monkeypatch.setattr("bnexp.training.evaluation.KEPT_BYTES", 0)
    bytewise = Images(PIXELS, np.arange(16), dtype)
    assert np.shares_memory(bytewise._pixels, PIXELS)
    for rows in (slice(2, 7), np.array([[1, 5], [0, 0]])):
        for a, b in zip(kept.batch(rows), bytewise.batch(rows), strict=True):
            np.testing.assert_array_equal(a, b)
            assert a.dtype == b.dtype
    np.testing.assert_array_equal(kept.first(3).batch([2])[0], bytewise.first(3).batch([2])[0])
    assert KEPT_BYTES == 64 * 2**20


class Permuting:
    """An initializer of a user's that asks for more than the protocol has, and writes over it."""

    def draw(self, generator, shape, fan_in, fan_out):
        w = generator.standard_normal(shape)
        w[:] = w.ravel()[generator.permutation(w.size)].reshape(shape)
        return w + generator.uniform(np.array([0.0, 1.0, 2.0]), 3.0, (fan_in, 3))[:, :1]


def test_shared_draws_are_those_of_generators_of_their_own():
    """Of networks whose initializers ask alike for some layers, in whatever order they come."""
    seed = int(np.random.default_rng().integers(2**31))
    random = np.random.default_rng(seed)
    kinds = [INITIALIZERS[n]() for n in ("he", "he_uniform", "glorot", "orthogonal", "lsuv")]
    kinds += [Truncated(0.1), Normal(3.0), Uniform(0.2), Zeros(), Permuting()]
    start = first_draw(np.random.default_rng(seed))
    for _ in range(12):
        chosen = [kinds[i] for i in random.integers(0, len(kinds), 4)]
        network = Sequential(tuple(Dense(5, initializer) for initializer in chosen))
        shared, _ = network.init(SharedGenerator(start), (6,))
        alone, _ = network.init(np.random.default_rng(seed), (6,))
        assert [p["W"].tobytes() for p in shared] == [p["W"].tobytes() for p in alone], seed
        for parameters in shared:  # nothing of it is what others are given
            parameters["W"][:] = np.nan


def test_draws_of_one_seed_are_made_once():
    start = first_draw(np.random.default_rng(0))
    for scale in (1.0, 0.1, 0.01):
        Sequential((Dense(5, Normal(scale)), Dense(4, Normal(scale)))).init(
            SharedGenerator(start), (6,)
        )
    numbers = []
    draws = [start]
    while draws:
        draws = [d for draw in draws for d in draw.following.values()]
        numbers += [draw.numbers.shape for draw in draws]
    assert numbers == [(6, 5), (5, 4)]
