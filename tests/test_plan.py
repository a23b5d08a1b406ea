"""From a sweep to cells and stacks."""

from __future__ import annotations

import numpy as np
import pytest

import bnexp
from bnexp.config import load_config
from bnexp.errors import ConfigError
from bnexp.plan import make_plan, make_stacks
from bnexp.plan.axes import labels
from bnexp.plan.stacks import structure


def plan_of(path, *assignments):
    return make_plan(load_config(path, assignments=assignments))


def errors(path, *assignments):
    with pytest.raises(ConfigError) as caught:
        plan_of(path, *assignments)
    return str(caught.value)


def test_the_books_sweep_in_its_order():
    cells = make_plan(load_config("book_weight_scale")).cells
    assert len(cells) == 32
    assert [cell.point["model.norm"] for cell in cells] == ["batch", "none"] * 16
    scales = [cell.setting.model.init.std for cell in cells[::2]]
    assert scales == np.logspace(0, -4, 16).tolist()
    places = [(c.place.round, c.place.network, c.place.networks) for c in cells]
    assert places == [(i, j, 2) for i in range(16) for j in range(2)]


def test_a_grid_multiplies_and_seeds_come_last(small):
    cells = plan_of(small).cells
    assert len(cells) == 12
    assert [cell.seed for cell in cells] == [0, 1] * 6
    assert len({cell.id for cell in cells}) == 12


def test_zipped_axes_move_together(small):
    cells = plan_of(
        small,
        "sweep.model.norm=null",
        "sweep.model.init.std=null",
        "sweep.zip={train.batch_size: [10, 20], train.optimizer.lr: [0.1, 0.2]}",
    ).cells
    found = [(c.setting.train.batch_size, c.setting.train.optimizer.lr) for c in cells]
    assert found == [(10, 0.1), (10, 0.1), (20, 0.2), (20, 0.2)]


@pytest.mark.parametrize("space", ["linspace", "logspace", "geomspace"])
def test_ranges_are_numpys(small, space):
    cells = plan_of(small, f"sweep.model.init.std={{{space}: [1, 2, 5]}}").cells
    values = list(dict.fromkeys(cell.point["model.init.std"] for cell in cells))
    assert values == getattr(np, space)(1, 2, 5).tolist()


@pytest.mark.parametrize(
    ("assignment", "expected"),
    [
        ("sweep.model.init.stdd=[1]", ": sweep.model.init.stdd: unknown key, expected one of kind"),
        ("sweep.model.foo=[1]", "sweep.model.foo: unknown key"),
        ("sweep.random.seeds=[1]", "not a key that can be swept, expected one under data, model"),
        ("sweep.model.init.std=[1, -1]", ":1:26: sweep.model.init.std[1]: not a valid value"),
        ("sweep.model.init.std=[1, x]", "sweep.model.init.std[1]: not a valid value"),
        ("sweep.model.init.std=[1, 1.0]", "a value twice"),
        ("sweep.model.init.std={linspace: [0, 1, 10000000]}", "too many values, expected at most"),
        ("sweep.model.init.std={linspace: [0, 1, 50000]}", "too many networks, expected at most"),
        ("sweep.model.init.std={geomspace: [0, 1, 5]}", "no such range, expected ends on one side"),
        ("sweep.train.batch_size=[50, 1]", "sweep.train.batch_size[1]: too small, expected at le"),
        ("sweep.train.batch_size.x=[1]", "expected a mapping around 'x'"),
        ("sweep.zip={model.bias: [1, 2], data.train: [1]}", "not of one length"),
        ("sweep.model.norm=[batch, {kind: batch}]", "a value twice"),
        ("sweep.model.norm=[batch, {kind: batch, dialect: book}]", "the same network twice"),
    ],
)
def test_bad_sweeps(small, assignment, expected):
    text = errors(small, assignment)
    assert expected in text
    assert text.startswith(("--set sweep.", str(small)))


def test_the_books_stream_needs_networks_that_draw_alike():
    text = errors("book_weight_scale", "sweep.train.batch_size=[50, 100]")
    assert "use random.stream: independent" in text


def test_the_books_stream_needs_initialisers_that_draw_like_randn():
    text = errors("book_weight_scale", "sweep.model.init.std=null", "model.init=orthogonal")
    assert "model.init: not drawn as the book draws, expected one of normal, xavier" in text
    kinds = "sweep.model.init=[{kind: normal, std: 0.01}, xavier, he]"
    assert len(plan_of("book_weight_scale", "sweep.model.init.std=null", kinds).cells) == 6


def test_labels_are_short_and_tell_values_apart():
    assert labels([{"kind": "batch"}, "none"]) == ("batch", "none")
    assert labels([{"kind": "batch", "dialect": "book"}, {"kind": "batch", "eps": 1e-3}]) == (
        "batch dialect=book",
        "batch eps=0.001",
    )
    assert labels(["batch", {"kind": "batch", "dialect": "keras"}, "none"]) == (
        "batch",
        "batch dialect=keras",
        "none",
    )
    assert labels([[100], [50, 50]]) == ("[100]", "[50, 50]")
    assert labels([0.1, 1]) == (0.1, 1)


def test_ids_stand_for_what_numbers_depend_on_and_nothing_else(small):
    ids = [cell.id for cell in plan_of(small).cells]
    assert [c.id for c in plan_of(small, "title=other", "figures=[]").cells] == ids
    written_out = "sweep.model.norm=[{kind: batch, dialect: book, eps: 1e-6}, none]"
    assert [c.id for c in plan_of(small, written_out).cells] == ids
    for change in ("train.epochs=4", "data.test=10", "train.precision=float64"):
        assert not set(ids) & {c.id for c in plan_of(small, change).cells}
    more = {c.id for c in plan_of(small, "random.seeds=[1, 2]").cells}
    assert set(ids) & more == {c.id for c in plan_of(small).cells if c.seed == 1}


def test_stacks_hold_one_structure_and_every_cell_once(small):
    cells = plan_of(small, "sweep.train.optimizer.lr=[0.1, 0.2]").cells
    stacks = make_stacks(cells, workers=2)
    assert sorted(c.id for s in stacks for c in s.cells) == sorted(c.id for c in cells)
    for stack in stacks:
        assert len({structure(cell) for cell in stack.cells}) == 1
    assert len(stacks) % 2 == 0
    rates = {cell.setting.train.optimizer.lr for cell in stacks[0].cells}
    assert rates == {0.1, 0.2}  # the learning rate is no structure


def test_stacks_of_a_given_size(small):
    stacks = make_stacks(plan_of(small).cells, size=4)
    assert [len(stack.cells) for stack in stacks] == [3, 3, 3, 3]
    assert stacks[0].cells[0].setting.model.norm is not None  # the costlier ones first


def test_points_after_the_end_are_refused(small):
    config = load_config(small, {"train.evaluate": [1, 13]})
    with pytest.raises(ConfigError, match="after the end, expected at most step 12, got 13"):
        bnexp.run(config)


def test_ten_thousand_cells_are_planned():
    plan = make_plan(load_config("weight_scale", {"random.seeds": list(range(312))}))
    assert len(plan.cells) == 9984
    assert sum(len(stack.cells) for stack in make_stacks(plan.cells, 2)) == 9984
