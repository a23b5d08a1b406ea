"""Pages of one run and of two, and that no text of an experiment becomes markup."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re
import shutil
from dataclasses import replace

import numpy as np
import pytest
from click.testing import CliRunner
from report_cases import (
    FASTER,
    HOSTILE,
    LEAST,
    PLAIN,
    SHOWN,
    SMALL,
    Page,
    hostile_labels,
    made,
    run,
    whole,
)

import bnexp
from bnexp import report
from bnexp.claims import VERDICT_TEXTS, judge_run
from bnexp.cli.main import cli
from bnexp.errors import StoreError
from bnexp.report.html import embed_json, parent_experiment, write_report
from bnexp.report.pictures import inline_svg
from bnexp.runs.data import read_finished_run


@pytest.fixture(scope="module")
def page():
    return Page(whole())


@pytest.mark.slow
def test_the_same_run_gives_the_same_bytes_wherever_it_is(tmp_path):
    shutil.copytree(made(SMALL), tmp_path / "moved")
    assert write_report(tmp_path / "moved").read_bytes() == whole().encode()
    assert len(whole().encode()) < 1_000_000


@pytest.mark.slow
def test_the_setting_says_what_differs_from_the_parent():
    changed = bnexp.load_config("weight_scale", {"train.epochs": 7})
    page = Page(report.run_page(replace(run(PLAIN), config=changed)))
    rows = page.cells("setting")
    assert rows[:2] == [["key", "as shipped", "here"], ["train.epochs", "20", "7"]]
    assert rows[2] == ["key", "book_weight_scale", "weight_scale"]
    assert ["train.epochs", "20", "7"] in rows[3:]
    assert ["train.precision", "float64", "float32"] in rows
    assert not any(row[0].startswith(("claims", "title")) for row in rows)


def test_a_users_experiment_is_compared_with_the_shipped_one_that_it_extends(tmp_path):
    (tmp_path / "own.yaml").write_text(
        "name: own\nextends: quickstart\ndata: {name: synthetic, train: 100, test: 0}\n"
        "model: {hidden: [5]}\nsweep: {model.init.std: [0.1]}\n"
    )
    (tmp_path / "further.yaml").write_text("name: further\nextends: own.yaml\nfigures: []\n")
    config = bnexp.load_config(tmp_path / "further.yaml", {"train.epochs": 2})
    bnexp.run(config, tmp_path / "run")
    assert parent_experiment(read_finished_run(tmp_path / "run")) == bnexp.load_config("quickstart")
    page = Page(report.run_page(read_finished_run(tmp_path / "run")))
    assert "Differences from quickstart, which it extends" in page.text("h3")
    rows = page.cells("setting")
    assert rows[0] == ["key", "quickstart", "further"]
    assert ["train.epochs", "20", "2"] in rows
    assert ["model.hidden", "[100, 100, 100, 100, 100]", "[5]"] in rows
    for strange in ("../quickstart", ""):
        change_manifest(tmp_path / "run", extends=strange)
        assert parent_experiment(read_finished_run(tmp_path / "run")) is None


def change_manifest(directory, **entries):
    path = directory / "manifest.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **entries}))


@pytest.mark.parametrize("strange", [3, ["a"], {"a": [1]}, "none"])
@pytest.mark.parametrize("key", ["failed", "command", "environment", "data", "jobs"])
def test_a_strange_manifest_is_named_with_its_key(key, strange, tmp_path):
    shutil.copytree(made(LEAST), tmp_path / "run")
    change_manifest(tmp_path / "run", **{key: strange})
    if (key, strange) in (("jobs", 3), ("command", ["a"]), ("environment", {"a": [1]})):
        assert report.run_page(read_finished_run(tmp_path / "run"))
        return
    with pytest.raises(StoreError, match=rf"manifest\.json: damaged, {key}.*: not a valid value"):
        report.run_page(read_finished_run(tmp_path / "run"))


def test_the_command_writes_the_page_and_says_where(tmp_path):
    shutil.copytree(made(LEAST), tmp_path / "run")
    result = CliRunner().invoke(cli, ["report", str(tmp_path / "run")])
    assert (result.exit_code, result.output) == (0, f"{tmp_path / 'run' / 'report.html'}\n")
    out = tmp_path / "page.html"
    assert (
        CliRunner().invoke(cli, ["report", str(tmp_path / "run"), "--out", str(out)]).exit_code == 0
    )
    assert out.read_bytes() == (tmp_path / "run" / "report.html").read_bytes()
    result = CliRunner().invoke(cli, ["report", str(tmp_path)])
    assert result.exit_code == 2
    assert "not a run directory" in result.stderr


@pytest.fixture(scope="module")
def pair():
    return Page(report.pair_page(run(SMALL), run(FASTER)))


@pytest.mark.slow
def test_titles_settings_and_claims_of_both(pair):
    assert [text for _, text in pair.all("h2")][:2] == [f"A: {SHOWN}", f"B: {SHOWN}"]
    assert ["train.optimizer.lr", "0.1", "0.2"] in pair.cells("setting")
    assert pair.text("th", scope="row")[-1] == f"{' '.join(SHOWN.split())} measured"
    words = [VERDICT_TEXTS[v.verdict] for one in (SMALL, FASTER) for v in judge_run(run(one))]
    shown = [text for a, text in pair.all("span") if (a.get("class") or "").startswith("verdict")]
    assert shown == words
    assert len(pair.all("script")) == 2  # the data of the explorer, and the code


@pytest.mark.slow
def test_the_command_with_two_directories(tmp_path):
    for text, name in ((LEAST, "a"), (SMALL, "b")):
        shutil.copytree(made(text), tmp_path / name)
    result = CliRunner().invoke(cli, ["report", str(tmp_path / "a"), str(tmp_path / "b")])
    assert (result.exit_code, result.output) == (0, f"{tmp_path / 'a' / 'report-b.html'}\n")


def scripts(page):
    return [text for attributes, text in page.all("script") if "type" not in attributes]


@pytest.mark.slow
def test_the_experiments_text_is_shown_as_text(page):
    assert page.all("h1") == [({}, SHOWN)]
    assert page.all("title") == [({}, SHOWN)]
    assert page.all("p", **{"class": "question"}) == [({"class": "question"}, SHOWN)]
    assert HOSTILE.split("\u2028")[0] in page.all("span", **{"class": "says"})[0][1]
    assert len(page.all("script")) == 2
    assert page.all("img") == []
    handlers = [key for _, attributes, _ in page.elements for key in attributes if key[:2] == "on"]
    assert handlers == []


def test_hostile_labels_and_manifests_stay_text():
    text = report.run_page(hostile_labels())
    assert len(Page(text).all("script")) == 2
    assert Page(text).all("img") == []
    lines = Page(text).data["views"][0]["lines"]
    assert [line["label"] for line in lines] == [f"with {SHOWN}", "without normalization"]


def test_json_can_neither_end_its_element_nor_a_line():
    text = embed_json({"a": [HOSTILE, math.nan, math.inf, -math.inf, np.float64(0.1)]})
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == {"a": [HOSTILE, None, "inf", "-inf", 0.1]}


@pytest.mark.slow
def test_nothing_comes_from_outside(page):
    text = re.sub(r'"http://www.w3.org/2000/svg"', "", whole())
    assert re.findall(r"https?:|//", text) == []
    assert [a for _, a, _ in page.elements if {"src", "srcset", "data", "action"} & set(a)] == []
    links = [a[key] for _, a, _ in page.elements for key in ("href", "xlink:href") if key in a]
    assert {link[:1] for link in links} == {"#"}
    assert set(re.findall(r"url\((.)", whole())) <= {"#"}


def test_the_policy_allows_this_script_and_this_style_only(page):
    ((attributes, _),) = page.all("meta", **{"http-equiv": "Content-Security-Policy"})
    rules = dict(rule.split(" ", 1) for rule in attributes["content"].split("; "))
    (script,), ((_, style),) = scripts(page), page.all("style")
    for name, text in (("script-src", script), ("style-src", style)):
        digest = base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
        assert rules[name] == f"'sha256-{digest}'"
    assert rules["default-src"] == "'none'"
    assert [a for _, a, _ in page.elements if "style" in a] == []


def test_links_lead_to_elements_and_ids_are_unique(page):
    ids = [attributes["id"] for _, attributes, _ in page.elements if "id" in attributes]
    assert len(ids) == len(set(ids)) > 10
    wanted = {a["href"][1:] for _, a, _ in page.elements if "href" in a}
    wanted |= {
        value[5:-1]
        for _, a, _ in page.elements
        for value in a.values()
        if value and "url(" in value
    }
    assert wanted - set(ids) == set()


def test_a_figure_loses_everything_that_is_not_drawn():
    svg = (
        '<?xml version="1.0"?><!DOCTYPE svg PUBLIC "a" "http://b"><svg xmlns:xlink="http://c" '
        'xmlns="http://d" version="1.1"><metadata>e</metadata><!-- f --><defs><path id="g" '
        'd="M 0.123456 2 \nL 1.999999 3"/></defs><g id="h"><use xlink:href="#g" x="1.500000" '
        'style="stroke: #000; fill: none"/></g></svg>'
    )
    assert inline_svg(svg, "p-") == (
        '<svg><defs><path id="p-g" d="M 0.12 2 L 2 3"/></defs><g><use href="#p-g" x="1.5" '
        'stroke="#000" fill="none"/></g></svg>'
    )
