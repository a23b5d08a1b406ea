"""The table of shipped experiments."""

from __future__ import annotations

import numpy as np
import pytest
from report_cases import Page

import bnexp
from bnexp.config.document import experiment_names


@pytest.mark.slow
def test_it_has_what_the_experiments_say_of_themselves():
    table = bnexp.experiments()
    assert table["name"].tolist() == experiment_names()
    row = table["name"].tolist().index("quickstart")
    experiment = bnexp.load_config("quickstart").experiment
    assert table["title"][row] == experiment.title
    assert table["source"][row] == experiment.source
    assert table["seconds"][row] == experiment.seconds
    claims = dict(zip(table["name"], table["claims"], strict=True))
    assert claims["weight_scale"] == len(bnexp.load_config("weight_scale").experiment.claims)
    assert (table["seconds"] > 0).sum() > 20
    assert table["claims"].dtype == np.int64


@pytest.mark.slow
def test_a_prompt_and_a_notebook_show_every_row():
    table = bnexp.experiments()
    lines = repr(table).splitlines()
    assert max(map(len, lines)) <= 80
    assert [line.split()[0] for line in lines if line[0] != " "] == ["name", *table["name"]]
    head, *rows = Page(table._repr_html_()).table
    assert head == ["name", "title", "source", "seconds", "claims"]
    assert [row[0] for row in rows] == table["name"].tolist()
    assert all("nan" not in row for row in rows)
