"""What a page looks like: contrast, on screens of any size, in the dark and on paper."""

from __future__ import annotations

import base64
import re

import pytest
from browsing import find, finds, press
from report_cases import SMALL, made, made_with_failures, run

from bnexp import report
from bnexp.report.html import write_report

pytestmark = [pytest.mark.browser, pytest.mark.slow]  # they start Chromium
OPEN = "for (const one of document.querySelectorAll('details')) one.open = true"
# Relative luminance and contrast as WCAG 2.1 defines them, of every element that has text itself.
COLORS = """
const channel = (v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4;
const parts = (color) => color.match(/[\\d.]+/g).map(Number);
const luminance = ([r, g, b]) => 0.2126 * channel(r) + 0.7152 * channel(g) + 0.0722 * channel(b);
const behind = (element) => {
  for (let e = element; e; e = e.parentElement) {
    const color = parts(getComputedStyle(e).backgroundColor);
    if (color[3] !== 0) return color;
  }
  return [255, 255, 255];
};
const contrast = (element, property) => {
  const [a, b] = [parts(getComputedStyle(element)[property]), behind(element)].map(luminance);
  return (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
};
"""
TEXTS = (
    COLORS
    + """
const own = (e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
return [...document.querySelectorAll('body *')]
  .filter((e) => own(e) && e.getClientRects().length && !['SCRIPT', 'STYLE'].includes(e.tagName))
  .map((e) => [e.tagName + '.' + (e.getAttribute('class') || ''),
               contrast(e, e.namespaceURI.endsWith('svg') ? 'fill' : 'color')]);
"""
)
CURVES = (
    COLORS + "return [0, 1, 2, 3, 4, 5, 6].map((i) => {"
    "const p = document.querySelector('#plot path.curve'); p.setAttribute('class', 'curve k' + i);"
    "return contrast(p, 'stroke') })"
)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    folder = tmp_path_factory.mktemp("pages")
    (folder / "sides.html").write_text(report.pair_page(run(SMALL), run(SMALL)), encoding="utf-8")
    return {
        "run": write_report(made(SMALL), folder / "run.html"),
        "failed": write_report(made_with_failures(), folder / "failed.html"),
        "sides": folder / "sides.html",
    }


@pytest.fixture(params=["run", "failed", "sides"])
def page(request, chromium, files):
    chromium.get(files[request.param].as_uri())
    yield chromium
    media(chromium)
    chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
    assert chromium.get_log("browser") == []


def media(page, scheme="light", medium=""):
    features = [{"name": "prefers-color-scheme", "value": scheme}]
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": medium, "features": features})


def printed(page):
    """How many pages an A4 print has."""
    made_pdf = page.execute_cdp_cmd("Page.printToPDF", {"paperWidth": 8.27, "paperHeight": 11.69})
    content = base64.b64decode(made_pdf["data"])
    assert content.startswith(b"%PDF")
    return len(re.findall(rb"/Type\s*/Page\b", content))


def style(page, selector, name):
    element = find(page, selector)
    return page.execute_script("return getComputedStyle(arguments[0])[arguments[1]]", element, name)


@pytest.mark.parametrize(
    ("scheme", "medium", "back"),
    [
        ("light", "screen", "rgb(255, 255, 255)"),
        ("dark", "screen", "rgb(20, 23, 27)"),
        ("dark", "print", "rgb(255, 255, 255)"),
    ],
)
def test_every_text_stands_out(page, scheme, medium, back):
    media(page, scheme, medium)
    page.execute_script(OPEN)
    assert style(page, "body", "backgroundColor") == back
    found = page.execute_script(TEXTS)
    assert len(found) > 100
    assert [(name, ratio) for name, ratio in found if ratio < 4.5] == []


@pytest.mark.parametrize("page", ["run"], indirect=True)
@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_curve_stands_out(page, scheme):
    media(page, scheme)
    ratios = page.execute_script(CURVES)
    assert [round(ratio, 2) for ratio in ratios if ratio < 3] == []
    assert len(ratios) == 7


@pytest.mark.parametrize("width", [320, 390, 768, 1600])
def test_nothing_is_wider_than_the_screen(page, width):
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    page.execute_script(OPEN)
    assert page.execute_script("return window.innerWidth") == width
    assert page.execute_script("return document.documentElement.scrollWidth") <= width
    small = "return [...document.querySelectorAll('button, summary, select, input[type=range]')]"
    heights = page.execute_script(small + ".map((e) => e.getBoundingClientRect().height)")
    assert min(height for height in heights if height) >= 18


@pytest.mark.parametrize("page", ["run", "sides"], indirect=True)
def test_print_has_every_network_whatever_is_filtered(page):
    whole = printed(page)
    press(page, ".contains", "no network is called this")
    assert find(page, ".count").text == "0 of 12"
    assert printed(page) == whole
    media(page, medium="print")
    shown = "return [...document.querySelectorAll('.sortable tbody tr')].map((r) => r.offsetHeight)"
    assert min(page.execute_script(shown)) > 0
    for name in ("overflowX", "overflowY"):
        assert style(page, ".tall", name) == "visible"
    assert not find(page, ".filters").is_displayed()
    assert not find(page, "nav").is_displayed()


@pytest.mark.parametrize("page", ["run"], indirect=True)
def test_print_opens_what_is_closed_and_closes_it_again(page):
    find(page, "#trouble summary").click()
    closed = len(finds(page, "details:not([open])"))
    assert closed >= 3
    page.execute_script(
        "window.atPrint = []; addEventListener('beforeprint', () =>"
        " window.atPrint.push(document.querySelectorAll('details:not([open])').length))"
    )
    whole = printed(page)
    assert whole >= 3
    assert page.execute_script("return window.atPrint") == [0]
    assert len(finds(page, "details:not([open])")) == closed
    for element in ("#networks", "#setting", "#claims"):
        page.execute_script("arguments[0].remove()", find(page, element))
    assert printed(page) < whole
