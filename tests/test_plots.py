"""Which figures of a run directory are drawn again, and that nothing else is written anew."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, replace
from types import SimpleNamespace

import numpy as np
import pytest
from figure_results import NORMS, W, results

import bnexp
from bnexp import figures, plots
from bnexp.config.figures import FIGURES, figure_options
from bnexp.figures import inputs
from bnexp.figures.kinds import FigureKind
from bnexp.runs import RunDirectory
from bnexp.runs.tables import Axis

RANDOM = np.random.default_rng()  # other numbers in each run of the tests
FIGURES_OF_RUN = ["panels", "curves", "curves2", "depth"]
READING = {"curves2", "depth"}


def random_tables():
    stds = Axis(W, tuple(sorted(RANDOM.uniform(0.01, 1, 3).tolist())))
    value = RANDOM.uniform
    return results(
        (stds, NORMS),
        seeds=tuple(RANDOM.permutation(9)[:2].tolist()),
        value=lambda *place: value(),
        read=lambda point, seed: [(0, layer, "dead", np.nan, value()) for layer in (1, 2)],
    )


def random_run():
    options = [
        figure_options("panels"),
        figure_options("curves", metrics=["train_accuracy"]),
        figure_options("curves", quantity="dead", layer=1),
        figure_options("depth", quantity="dead"),
    ]
    return run_of(random_tables(), options)


def run_of(tables, options):
    config = SimpleNamespace(experiment=SimpleNamespace(figures=tuple(options)))
    return SimpleNamespace(config=config, tables=tables, metrics=tables.metrics)


@pytest.fixture
def draw(monkeypatch, tmp_path):
    """Write the figures of a run, and return which of them were drawn; files are random bytes."""
    drawn = []

    def render_files(options, tables, formats):
        drawn.append(options)
        return {name: RANDOM.bytes(8) for name in formats}

    def write(data, again=False):
        drawn.clear()
        files = plots.write_figures(data, RunDirectory(tmp_path), again).files
        assert [path.name for path in files] == [
            f"{stem}.{name}" for stem in plots.named_figures(data) for name in ("png", "svg")
        ]
        return {stem for stem, each in plots.named_figures(data).items() if each in drawn}

    monkeypatch.setattr(figures, "render_files", render_files)
    return write


@pytest.fixture(autouse=True)
def _forget_program():
    """Have what a test has changed of the program not count in the next."""
    yield
    inputs.program_digest.cache_clear()


def replaced(run, **fields):
    return run_of(replace(run.tables, **fields), run.config.experiment.figures)


def other_number(table, column):
    """The table with another value in a random row of a column."""
    numbers = table[column].copy()
    numbers[RANDOM.integers(len(numbers))] += 1
    return {**table, column: numbers}


def other_values(axes):
    """The axes with the same labels for other values of the config."""
    first, *others = axes
    values = {label: {"kind": "sgd", "lr": RANDOM.uniform()} for label in first.values}
    return (replace(first, config_values=values), *others)


def renamed(table):
    names = {cell: RANDOM.bytes(4).hex() for cell in dict.fromkeys(table["cell"].tolist())}
    return {**table, "cell": np.array([names[cell] for cell in table["cell"]], object)}


ALL = set(FIGURES_OF_RUN)
TABLE_CHANGES = {
    "nothing": (lambda t: {}, set()),
    "title": (lambda t: {"title": f"{RANDOM.uniform()}"}, ALL),
    "source": (lambda t: {"source": "another book"}, ALL),
    "seeds": (lambda t: {"seeds": (*t.seeds, 99)}, ALL),
    "axes": (lambda t: {"axes": t.axes[::-1]}, ALL),
    "swept values of the same labels": (lambda t: {"axes": other_values(t.axes)}, ALL),
    "images": (lambda t: {"image_sets": {**t.image_sets, "test": "held out"}}, ALL),
    "accuracy": (lambda t: {"metrics": other_number(t.metrics, "train_accuracy")}, ALL),
    "final loss": (lambda t: {"summary": other_number(t.summary, "final_train_loss")}, ALL),
    "diverged": (lambda t: {"summary": other_number(t.summary, "diverged_at_step")}, ALL),
    "reading": (lambda t: {"probes": other_number(t.probes, "value")}, READING),
    "layer": (lambda t: {"probes": other_number(t.probes, "layer")}, READING),
    "seconds": (lambda t: {"summary": other_number(t.summary, "seconds")}, set()),
    "ids": (lambda t: {n: renamed(getattr(t, n)) for n in ("metrics", "summary")}, set()),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", TABLE_CHANGES)
def test_a_figure_is_drawn_again_if_and_only_if_its_tables_changed(draw, name):
    change, expected = TABLE_CHANGES[name]
    run = random_run()
    assert draw(run) == ALL
    assert draw(run) == set()
    changed = replaced(run, **change(run.tables))
    assert draw(changed) == expected
    assert draw(changed) == set()


def test_an_option_has_its_own_figure_drawn(draw):
    run = random_run()
    draw(run)
    for number, stem in enumerate(FIGURES_OF_RUN):
        options = list(run.config.experiment.figures)
        options[number] = replace(options[number], caption=f"{RANDOM.uniform()}")
        run = run_of(run.tables, options)
        assert draw(run) == {stem}


@pytest.mark.parametrize("change", ["removed", "changed", "swapped"])
def test_a_file_that_is_not_what_was_drawn_is_drawn_again(draw, tmp_path, change):
    run = random_run()
    draw(run)
    stem = RANDOM.choice(FIGURES_OF_RUN)
    path = tmp_path / "figures" / f"{stem}.{RANDOM.choice(['png', 'svg'])}"
    content = path.read_bytes()
    if change == "removed":
        path.unlink()
    elif change == "changed":
        path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    else:
        shutil.copy(path.with_suffix(".svg" if path.suffix == ".png" else ".png"), path)
    assert draw(run) == {stem}
    assert draw(run) == set()


def test_fresh_runs_and_plot_draw_all_figures(draw):
    run = random_run()
    draw(run)
    assert draw(run, again=True) == ALL


@pytest.mark.parametrize("library", inputs.LIBRARIES)
def test_another_version_of_a_library_draws_all_figures(draw, monkeypatch, library):
    run = random_run()
    draw(run)
    version = inputs.version
    monkeypatch.setattr(inputs, "version", lambda name: version(name) + ".1" * (name == library))
    inputs.program_digest.cache_clear()
    assert draw(run) == ALL


def test_other_code_draws_all_figures(draw, monkeypatch, tmp_path):
    run = random_run()
    package = shutil.copytree(inputs.PACKAGE_FOLDER, tmp_path / "bnexp")
    draw(run)
    monkeypatch.setattr(inputs, "PACKAGE_FOLDER", package)
    inputs.program_digest.cache_clear()
    assert draw(run) == set()
    path = RANDOM.choice(sorted(package.rglob("*.py")))
    path.write_text(path.read_text(encoding="utf-8") + "\n", encoding="utf-8")
    inputs.program_digest.cache_clear()
    assert draw(run) == ALL


def test_another_font_file_draws_the_figure_that_has_its_letters(draw, monkeypatch, tmp_path):
    font = tmp_path / "letters.ttf"
    font.write_bytes(b"1")
    monkeypatch.setattr(plots, "font_files", lambda text: [str(font)] * ("letter" in text))
    run = random_run()
    *others, depth = run.config.experiment.figures
    run = run_of(run.tables, [*others, replace(depth, caption="letter")])
    draw(run)
    assert draw(run) == set()
    font.write_bytes(b"12")
    assert draw(run) == {"depth"}
    font.unlink()
    assert draw(run) == {"depth"}
    assert draw(run) == set()


def test_a_figure_without_all_its_letters_is_always_drawn(draw, monkeypatch):
    monkeypatch.setattr(plots, "font_files", lambda text: None)
    run = random_run()
    assert [draw(run) for _ in range(2)] == [ALL, ALL]


@pytest.mark.slow
@pytest.mark.parametrize(
    "content", [b"", b"{", b"[]", b"[" * 100_000, b'{"depth": 1}', b'{"depth": {"fonts": [1]}}']
)
def test_a_damaged_list_of_what_was_drawn_counts_as_none(draw, tmp_path, content):
    run = random_run()
    draw(run)
    (tmp_path / plots.ENTRIES).write_bytes(content)
    assert draw(run) == ALL
    assert draw(run) == set()


def test_a_figure_that_cannot_be_drawn_is_tried_again(draw, monkeypatch, tmp_path):
    run = random_run()
    draw(run)
    path = tmp_path / plots.ENTRIES
    entries = json.loads(path.read_text())

    def fail(options, tables, formats):
        raise figures.DrawingFailed(options.kind)

    monkeypatch.setattr(figures, "render_files", fail)
    run = replaced(run, probes=other_number(run.tables.probes, "value"))
    assert plots.write_figures(run, RunDirectory(tmp_path), False).failures == ("curves", "depth")
    assert json.loads(path.read_text()) == {s: entries[s] for s in ALL - READING}


KIND = """
from dataclasses import dataclass
from bnexp.figures.kinds import FigureKind

@dataclass(frozen=True, kw_only=True)
class Mine(FigureKind):
    def choose(self, swept, recorded): ...
    def draw(self, data): ...
"""


def test_the_module_of_a_users_kind_counts(draw, monkeypatch, tmp_path):
    (tmp_path / "my_kinds.py").write_text(KIND)
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(FIGURES, "_entries", dict(FIGURES._all()))
    import my_kinds

    FIGURES.register("mine", my_kinds.Mine)
    run = run_of(random_tables(), [my_kinds.Mine()])
    assert draw(run) == {"mine"}
    assert draw(run) == set()
    (tmp_path / "my_kinds.py").write_text(f"{KIND}#")
    assert draw(run) == {"mine"}
    del sys.modules["my_kinds"]


def test_a_kind_that_reads_no_probes_is_given_none(monkeypatch):
    tables, given = random_tables(), []

    @dataclass(frozen=True, kw_only=True)
    class Blind(FigureKind):
        reads_probes = False

        def choose(self, swept, recorded):
            given.append(recorded.quantities)

        def draw(self, data):
            given.append(len(data.run.probes["value"]) + len(data.tables.probes["value"]))

    figures.draw(Blind(), tables)
    assert given == [{}, 0]


def test_what_is_not_bnexps_in_the_place_of_a_figure_is_refused(draw, tmp_path):
    run = random_run()
    draw(run)
    path = tmp_path / "figures" / "depth.png"
    path.rename(tmp_path / "elsewhere.png")
    path.symlink_to(tmp_path / "elsewhere.png")
    with pytest.raises(bnexp.StoreError, match="expected a regular file or none, got a link"):
        draw(run)


def states(folder):
    """Of each file, when it was written, and as which file."""
    files = {path: path.stat() for path in folder.rglob("*") if path.is_file()}
    return {
        str(path.relative_to(folder)): (state.st_mtime_ns, state.st_ino)
        for path, state in files.items()
        if path.name != ".lock"
    }


@pytest.mark.slow
def test_a_run_with_nothing_to_do_writes_nothing(small, tmp_path):
    config = bnexp.load_config(
        small, {"claims": [{"says": "it learns", "measure": "final_train_loss", "at_most": 9}]}
    )
    out = tmp_path / "out"
    first = bnexp.run(config, out)
    before = states(out)
    second = bnexp.run(config, out)
    assert (second.trained, second.files) == (0, first.files)
    assert states(out) == before
    assert {"claims.json", "summary.csv", "manifest.json", ".figures.json"} < before.keys()

    (out / "metrics.csv").write_text("")
    os.remove(out / "claims.json")
    bnexp.run(config, out)
    changed = {name for name, state in states(out).items() if before.get(name) != state}
    assert changed == {"metrics.csv", "claims.json"}

    stems = {name for name in before if name.startswith("figures")}
    bnexp.run(config, out, fresh=True)
    cells = {name for name in before if name.startswith("cells")}
    after = states(out)
    assert all(after[name] != before[name] for name in cells)
    assert all(after[name] == before[name] for name in stems)  # drawn with the same bytes


TWICE = """
import sys
import bnexp
for _ in range(2):
    result = bnexp.run(bnexp.load_config(sys.argv[1]), sys.argv[2])
print(result.trained, *sorted({"matplotlib", "PIL", "pooch", "jinja2"} & set(sys.modules)))
"""


@pytest.mark.slow
def test_a_run_with_nothing_to_do_imports_nothing_that_draws(small, tmp_path):
    command = [sys.executable, "-c", TWICE, str(small), str(tmp_path / "out")]
    first, second = (
        subprocess.run(command, capture_output=True, text=True, check=True).stdout.split()
        for _ in range(2)
    )
    assert (first, second) == (["0", "PIL", "matplotlib"], ["0"])
