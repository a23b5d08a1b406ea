"""A user's own kind of figure: one class with options, and it is a choice in YAML."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.metadata import EntryPoint

import pytest
from figure_results import NORMS, results

import bnexp
from bnexp import figures, registry
from bnexp.config.figures import figure_options
from bnexp.errors import ConfigError
from bnexp.figures import FIGURES, FigureKind
from bnexp.figures.page import Page, build
from bnexp.figures.select import check_lines, select
from bnexp.registry import option


@dataclass(frozen=True, kw_only=True)
class Bars(FigureKind):
    """A bar for each combination."""

    column: str = option("final_train_accuracy", doc="what is drawn")
    width: float = option(0.8, doc="of a bar", gt=0, le=1)

    def choose(self, swept, recorded):
        selection = select(swept)
        check_lines(self.kind, selection)
        return selection

    def draw(self, data):
        summary = data.tables.summary
        page = Page(title=data.title, notes=(), titles=("",), columns=1, aspect=0.5)
        figure, (axes,) = build(page, [])
        axes.bar(range(len(summary["cell"])), summary[self.column], self.width)
        return figure


@pytest.fixture
def entries(monkeypatch):
    """The registry's entries, restored after the test."""
    monkeypatch.setattr(FIGURES, "_entries", dict(FIGURES._entries))
    yield FIGURES._entries
    monkeypatch.undo()


def test_a_registered_kind_is_drawn_from_yaml(entries, config_file):
    FIGURES.register("my_bars")(Bars)
    text = "{extends: quickstart, figures: [my_bars, {kind: my_bars, width: 0.5}]}"
    config = bnexp.load_config(config_file(text))
    assert config.experiment.figures == (Bars(), Bars(width=0.5))
    assert "kind: my_bars" in bnexp.config.resolved(config)
    drawn = figures.draw(config.experiment.figures[1], results((NORMS,)))
    assert [bar.get_width() for bar in drawn.axes[0].patches] == [0.5, 0.5]


def test_its_options_are_checked_like_built_in_ones(entries):
    FIGURES.register("my_bars")(Bars)
    with pytest.raises(ConfigError, match=r"figure\.width: .*a number <= 1, got 3"):
        figure_options("my_bars", width=3)
    with pytest.raises(
        ConfigError, match="expected one of kind, name, caption, column, width, got"
    ):
        figure_options("my_bars", heights=3)


def test_a_class_without_its_methods_is_refused(entries):
    @dataclass(frozen=True)
    class Nothing:
        pass

    with pytest.raises(TypeError, match="expected the methods choose, draw"):
        FIGURES.register("nothing")(Nothing)
    with pytest.raises(ValueError, match="'panels' is built in"):
        FIGURES.register("panels")


def test_a_kind_of_an_installed_package_is_found(entries, monkeypatch):
    point = EntryPoint("my_bars", f"{__name__}:Bars", "bnexp.figure")
    monkeypatch.setattr(
        registry, "entry_points", lambda group: [point] if group == point.group else []
    )
    monkeypatch.setattr(FIGURES, "_discovered", False)
    assert figure_options("my_bars").kind == "my_bars"


def test_every_kind_lists_its_options_in_its_help():
    for kind, cls in FIGURES.items():
        assert "Options:" in cls.__doc__, kind
