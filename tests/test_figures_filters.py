"""The filters figure: its images, before training and after it."""

from __future__ import annotations

import numpy as np
import pytest
from figure_results import NORMS, W, figure, notes, results, titles, without_rows, words

from bnexp.errors import BnexpError, ConfigError
from bnexp.figures.mosaic import mosaic_columns
from bnexp.runs.tables import Axis

WEIGHTS = np.array([[[1.0, -2, 0], [4, 0, 0]], [[0, 0, 0.5], [0, 0, -4]]])  # (units, H, W)


def read(point, seed, channels=1, steps=(0, 20)):
    images = np.repeat(WEIGHTS[..., None], channels, axis=-1)
    images = images * np.arange(1, channels + 1) / channels
    return [
        (step, 1, "filter", float(at), value * (1 + step) + 0.0 * seed)
        if at > 2
        else (step, 1, "filter", float(at), value)
        for step in steps
        for at, value in enumerate([2.0, 3.0, channels, *images.ravel().tolist()])
    ]


def grays(axes):
    return [np.asarray(image.get_array())[..., 0] for image in axes.images]


def test_before_and_after_training_each_on_its_own_scale():
    drawn = figure(results((), read=read), "filters")
    assert titles(drawn) == ["before training", "after step 20"]
    for axes in drawn.axes:
        for gray, weights in zip(grays(axes), WEIGHTS, strict=True):
            np.testing.assert_allclose(gray, 0.5 + weights / 8)
        assert all(image.get_interpolation() == "none" for image in axes.images)
    assert "gray 0, white positive, black negative" in notes(drawn)[0]


def test_three_channels_are_colors():
    drawn = figure(results((), read=lambda p, s: read(p, s, channels=3)), "filters")
    image = np.asarray(drawn.axes[0].images[0].get_array())
    np.testing.assert_allclose(image[1, 0], 0.5 + np.array([4 / 3, 8 / 3, 4]) / 8)


def test_images_lie_side_by_side_within_the_panel():
    drawn = figure(results((NORMS,), read=read), "filters")
    assert len(drawn.axes) == 4
    assert {"with batch norm", "without normalization"} <= set(words(drawn))
    axes = drawn.axes[0]
    (left, bottom), (right, top) = np.transpose([axes.get_xlim(), axes.get_ylim()])
    extents = [image.get_extent() for image in axes.images]
    assert extents[0][1] < extents[1][0]
    for x0, x1, y0, y1 in extents:
        assert left < x0 < x1 < right
        assert bottom < y0 < y1 < top
    width, height = axes.get_window_extent().width, axes.get_window_extent().height
    assert width / (right - left) == pytest.approx(height / (top - bottom))  # pixels are squares


def test_one_step_only_is_one_column():
    drawn = figure(results((), read=lambda p, s: read(p, s, steps=(5,))), "filters", units=1)
    assert titles(drawn) == ["after step 5"]
    assert len(drawn.axes[0].images) == 1


def test_what_is_not_finite_is_gray_and_nothing_at_all_is_said():
    def lost(point, seed):
        rows = read(point, seed)
        return [(*r[:4], np.inf if r[3] == 3.0 and r[0] else r[4]) for r in rows]

    drawn = figure(results((), read=lost), "filters")
    assert grays(drawn.axes[1])[0][0, 0] == 0.5
    assert grays(drawn.axes[1])[0][1, 0] == 1.0
    nothing = figure(without_rows(results((), read=read)), "filters")
    assert [words(axes) for axes in nothing.axes] == [["no data"]]


def test_numbers_that_are_no_images_are_an_error():
    with pytest.raises(BnexpError, match="quantity filter: no images, expected height"):
        figure(results((), read=lambda p, s: read(p, s)[:-1]), "filters")


def test_what_cannot_be_drawn_is_refused():
    with pytest.raises(ConfigError, match="too many rows, expected at most 8, got 9"):
        figure(results((Axis(W, tuple(range(1, 10))),), read=read), "filters")
    with pytest.raises(ConfigError, match="no filters are recorded, expected a probe filters"):
        figure(results(()), "filters")


@pytest.mark.parametrize("number", range(1, 40))
def test_a_mosaic_is_not_higher_than_wide_and_has_no_empty_row(number):
    columns = mosaic_columns(number)
    rows = -(-number // columns)
    assert rows <= columns
    assert rows * columns - number < columns
