"""What stands below figures: a text for each kind, and the author's own."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

import bnexp
from bnexp.config.figures import FIGURES, figure_options, option_values
from bnexp.config.load import resolved
from bnexp.errors import ConfigError
from bnexp.figures.captions import CAPTIONS, RECORDED, caption_of
from bnexp.figures.kinds import FigureKind


@pytest.mark.parametrize("kind", FIGURES)
def test_every_kind_has_a_caption_in_sentences(kind):
    assert CAPTIONS[kind].endswith(".")
    assert CAPTIONS[kind].count(".") >= 2


def test_curves_of_a_recorded_quantity_are_not_called_accuracies():
    assert caption_of(figure_options("curves")) == CAPTIONS["curves"]
    assert caption_of(figure_options("curves", quantity="weight_norm")) == RECORDED
    assert caption_of(figure_options("curves", quantity="shift", caption="Look.")) == "Look."


def test_the_authors_own_caption_replaces_it():
    assert caption_of(figure_options("scale")) == CAPTIONS["scale"]
    assert caption_of(figure_options("scale", caption="Look at 0.3.")) == "Look at 0.3."
    with pytest.raises(ConfigError, match="at most 1000"):
        figure_options("scale", caption="x" * 1001)


def test_a_kind_of_ones_own_is_described_by_its_class():
    @dataclass(frozen=True, kw_only=True)
    class Bars(FigureKind):
        """Bars of the final
        accuracies.

        More.
        """

        kind = "bars"

    assert caption_of(Bars()) == "Bars of the final accuracies."


def test_a_caption_is_stated_where_it_is_given_only():
    figures = [{"kind": "scale", "caption": "Look."}, {"kind": "panels"}]
    config = bnexp.load_config("quickstart", {"figures": figures})
    scale, panels = config.experiment.figures
    assert ("caption", "Look.") in option_values(scale)
    assert "caption: Look." in resolved(config)
    assert resolved(config).count("caption") == 1
    assert panels.caption == ""
