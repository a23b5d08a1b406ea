"""The confusion figure: its numbers, shades and images."""

from __future__ import annotations

import numpy as np
import pytest
from figure_results import NORMS, W, figure, notes, results, titles, without_rows, words
from matplotlib.colors import to_rgb

from bnexp.config.figures import figure_options
from bnexp.errors import ConfigError
from bnexp.figures import draw, thumbnail
from bnexp.runs.tables import Axis

# Of class 0: 5 right and 1 taken for 2; of 1: 4 and 0; of 2: 8 taken for 1, 3 right.
COUNTS = [[5, 0, 1], [0, 4, 0], [0, 8, 3]]
IMAGES = np.arange(12.0).reshape(2, 3, 2)


def read(point, seed):
    mistakes = [2, 1, 0.99, *(20 * IMAGES[0].ravel()), 0, 2, 0.5, *(20 * IMAGES[1].ravel())]
    values = {"confusion": np.array(COUNTS).ravel() * (1 + seed), "mistake": [3, 2, 1, *mistakes]}
    return [
        (step, 0, quantity, float(at), float(value) * (step == 10))
        if quantity == "confusion"
        else (step, 0, quantity, float(at), float(value))
        for step in (0, 10)
        for quantity, numbers in values.items()
        for at, value in enumerate(numbers)
    ]


def written(axes):
    """The numbers by true class and answer."""
    table = np.zeros((3, 3))
    for text in axes.texts:
        answer, label = text.get_position()
        table[int(label), int(answer)] = float(text.get_text())
    return table.tolist()


def test_rows_are_true_classes_and_columns_answers():
    drawn = figure(results((), read=read), "confusion")
    matrix = drawn.axes[0]
    assert titles(drawn) == ["number of images", "most confident mistakes"]
    assert written(matrix) == COUNTS
    assert matrix.get_xlabel() == "the network's answer"
    assert "true class" in [text.get_text() for text in drawn.texts]
    assert matrix.get_ylim()[0] > matrix.get_ylim()[1]  # class 0 at the top
    assert "what test images of each class are taken for; step 10; 1 seed" in notes(drawn)
    assert written(figure(results((), read=read), "confusion", step=0).axes[0])[2] == [0, 0, 0]


def test_mistakes_are_shaded_by_their_number():
    drawn = figure(results((), read=read), "confusion")
    frames = [p.get_center() for p in drawn.axes[0].patches if not p.get_fill()]
    assert [tuple(frame) for frame in frames] == [(0, 0), (1, 1), (2, 2)]
    cells = [p for p in drawn.axes[0].patches if p.get_fill()]
    shades = {p.get_xy(): to_rgb(p.get_facecolor())[0] for p in cells}
    by_place = {(int(y + 0.5), int(x + 0.5)): shade for (x, y), shade in shades.items()}
    assert by_place[2, 1] == min(by_place.values())
    assert by_place[2, 1] < by_place[0, 2] < by_place[0, 1] == 1
    assert {by_place[c, c] for c in range(3)} == {1}


def test_images_of_mistakes_with_class_answer_and_probability():
    mosaic = figure(results((), read=read), "confusion").axes[1]
    assert words(mosaic) == ["2 as 1\n99 %", "0 as 2\n50 %"]
    for image, pixels in zip(mosaic.images, IMAGES, strict=True):
        ink = 1 - np.asarray(image.get_array())[..., 0]  # black on white paper
        np.testing.assert_allclose(ink, 20 * pixels / 255, atol=1e-9)
        left, right, bottom, top = image.get_extent()
        assert (right - left) / (top - bottom) == pytest.approx(2 / 3)
    assert len(figure(results((), read=read), "confusion", mistakes=1).axes[1].images) == 1
    assert len(figure(results((), read=read), "confusion", mistakes=0).axes) == 1


def test_several_seeds_are_averaged_and_mistakes_are_those_of_the_first():
    drawn = figure(results((), seeds=(3, 4), read=lambda p, s: read(p, s - 3)), "confusion")
    assert written(drawn.axes[0]) == [[7.5, 0, 1.5], [0, 6, 0], [0, 12, 4.5]]
    assert "mean of 2 seeds, mistakes of the first" in notes(drawn)[0]


def test_a_row_for_each_combination_and_on_narrow_pages_two():
    data = results((NORMS,), read=read)
    drawn = figure(data, "confusion")
    assert len(drawn.axes) == 4
    assert words(drawn)[-3:-1] == ["with batch norm", "without normalization"]
    narrow = draw(figure_options("confusion"), data, width=4)
    boxes = [axes.get_position() for axes in narrow.axes]
    assert len({round(box.x0, 6) for box in boxes}) == 1
    assert boxes[0].y0 > boxes[1].y1 > boxes[2].y1
    assert len(thumbnail(figure_options("confusion"), data, 300)) > 500


def test_no_mistakes_and_no_networks():
    def right(point, seed):
        nothing = [np.nan] * 9
        return [
            *((10, 0, "confusion", float(at), v) for at, v in enumerate([3.0, 0, 0, 2])),
            *((10, 0, "mistake", float(at), v) for at, v in enumerate([3, 2, 1, *nothing])),
        ]

    drawn = figure(results((), read=right), "confusion")
    assert len(drawn.axes) == 1
    drawn = figure(
        results((NORMS,), read=lambda p, s: (right if p == ("batch",) else read)(p, s)), "confusion"
    )
    assert words(drawn.axes[1]) == ["no mistakes"]
    drawn = figure(without_rows(results((), read=read)), "confusion")
    assert [words(axes) for axes in drawn.axes] == [["no data"]]


@pytest.mark.parametrize(
    ("axes", "options", "expected"),
    [
        ((Axis(W, tuple(range(1, 8))),), {}, "too many rows, expected at most 6, got 7"),
        ((), {"step": 4}, "step: no such reading, expected one of 0, 10, got 4"),
    ],
)
def test_what_cannot_be_drawn_is_refused(axes, options, expected):
    with pytest.raises(ConfigError, match=expected):
        figure(results(axes, read=read), "confusion", **options)
    with pytest.raises(ConfigError, match="not recorded, expected a probe confusion in probes"):
        figure(results(()), "confusion")


@pytest.mark.parametrize("kind", ["depth", "curves", "histograms", "percentiles", "landscape"])
@pytest.mark.parametrize("quantity", ["confusion", "mistake"])
def test_other_kinds_refuse_what_this_one_draws(kind, quantity):
    with pytest.raises(ConfigError, match=f"no single numbers, expected kind: confusion .*{kind}"):
        figure(results((), read=read), kind, quantity=quantity)
