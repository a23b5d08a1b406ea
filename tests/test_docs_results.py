"""docs/results.md: what it says of a run's files and of the report."""

from __future__ import annotations

import re

import pytest
from page_blocks import page

import bnexp

PAGE = page("docs/results.md")


@pytest.mark.slow
def test_its_table_of_files_is_what_a_run_leaves(small, tmp_path):
    experiment = small.read_text() + (
        "probes: {read: [layers]}\n"
        "claims:\n  - {says: it learns, measure: final_train_accuracy, at_least: 0.001}\n"
    )
    small.write_text(experiment)
    bnexp.run(bnexp.load_config(small), tmp_path / "out")
    table = PAGE.partition("| file | content |")[2].partition("\n\n")[0]
    named = set(re.findall(r"^\| `([\w.]+)/?` ", table, re.MULTILINE))
    written = {path.name for path in (tmp_path / "out").iterdir()}
    assert {name for name in written if not name.startswith(".")} == named


@pytest.mark.slow
@pytest.mark.browser
def test_its_picture_of_the_report_can_be_drawn_again(script, chromium, tmp_path):
    screenshot = script("screenshot")
    size = chromium.get_window_size()
    made = screenshot.picture(chromium, tmp_path)
    chromium.set_window_size(size["width"], size["height"])  # other tests use it too
    assert made.startswith(b"\x89PNG")
    assert abs(len(made) - len(screenshot.PICTURE.read_bytes())) < 20_000
    assert screenshot.PICTURE.stat().st_size < 150_000
