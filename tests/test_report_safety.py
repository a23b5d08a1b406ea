"""No text of an experiment becomes markup, and nothing comes from outside of the page."""

from __future__ import annotations

import base64
import hashlib
import json
import math
import re

import numpy as np
import pytest
from report_cases import HOSTILE, Page, hostile_labels, whole

from bnexp import report
from bnexp.report.html import embed_json, inline_svg


@pytest.fixture(scope="module")
def page():
    return Page(whole())


def scripts(page):
    return [text for attributes, text in page.all("script") if "type" not in attributes]


def test_the_experiments_text_is_shown_as_text(page):
    assert page.all("h1") == [({}, HOSTILE)]
    assert page.all("title") == [({}, HOSTILE)]
    assert page.all("p", **{"class": "question"}) == [({"class": "question"}, HOSTILE)]
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
    assert [line["label"] for line in lines] == [f"norm = {HOSTILE}", "without normalization"]


def test_json_can_neither_end_its_element_nor_a_line():
    text = embed_json({"a": [HOSTILE, math.nan, math.inf, -math.inf, np.float64(0.1)]})
    assert not set("<>&\u2028\u2029") & set(text)
    assert json.loads(text) == {"a": [HOSTILE, None, "inf", "-inf", 0.1]}


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
