"""Two runs on the same axes."""

from __future__ import annotations

import pytest
from report_cases import FASTER, LEAST, SMALL, Page, run

from bnexp import report
from bnexp.report.explorer import explorer_data
from bnexp.report.overlay import overlay


@pytest.mark.slow
def test_the_tables_of_both_have_every_number_of_each():
    both = overlay(run(SMALL), run(FASTER), ("slow", "fast"))
    assert [axis.key for axis in both.axes] == ["run", "model.init.std", "model.norm"]
    assert (both.axes[0].values, both.seeds) == (("slow", "fast"), (0, 1, 2))
    for name, text in (("slow", SMALL), ("fast", FASTER)):
        for table in ("metrics", "summary"):
            mine, stored = getattr(both, table), getattr(run(text).tables, table)
            mask = mine["run"] == name
            for column in ("seed", "model.init.std", "model.norm"):
                assert mine[column][mask].tolist() == stored[column].tolist()
        losses = both.metrics["train_accuracy"][both.metrics["run"] == name]
        assert losses.tolist() == run(text).tables.metrics["train_accuracy"].tolist()
    assert len(set(both.summary["cell"].tolist())) == 12 + 18


def test_a_key_that_only_one_sweeps_has_the_configs_value_in_the_other():
    both = overlay(run(SMALL), run(LEAST), ("small", "least"))
    least = both.summary["run"] == "least"
    assert both.summary["model.norm"][least].tolist() == ["none"]
    assert len(explorer_data(both)["points"]) == 7


@pytest.mark.slow
@pytest.mark.parametrize("second", [FASTER, LEAST])
def test_the_page_has_both_on_equal_axes_by_their_names(second):
    page = Page(report.pair_page(run(SMALL), run(second), ("mine", "yours")))
    assert page.text("h2")[2:5] == ["Both on the same axes", "Explore", "Side by side"]
    assert page.data["keys"][0] == "run"
    labels = {line["label"] for view in page.data["views"] for line in view["lines"]}
    assert any("mine" in label for label in labels)
    assert any("yours" in label for label in labels)
