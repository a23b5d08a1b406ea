"""The page in a real browser: what its program does, and that nobody else's program runs."""

from __future__ import annotations

import csv
import time
from xml.etree import ElementTree

import pytest
from browsing import CURVES, column, find, finds, headings, press, reading, texts
from report_cases import (
    HOSTILE,
    SMALL,
    STRUCTURES,
    Page,
    hostile_labels,
    made,
    made_with_failures,
    run,
    whole,
)

from bnexp import report
from bnexp.claims import judge_run
from bnexp.report.html import write_report

pytestmark = [pytest.mark.browser, pytest.mark.slow]  # they start Chromium
FOCUSED = (
    "const e = document.activeElement, style = getComputedStyle(e);"
    "const name = e.id || e.className || e.tagName.toLowerCase();"
    "return [name, parseFloat(style.outlineWidth), style.outlineStyle]"
)


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return write_report(made(SMALL), tmp_path_factory.mktemp("page") / "report.html")


@pytest.fixture
def page(chromium, file):
    chromium.get(file.as_uri())
    yield chromium
    assert chromium.get_log("browser") == []


@pytest.fixture
def opened(chromium, tmp_path):
    """Opens a page's text; nothing may be said on the console until the test is done."""

    def open_page(text):
        (tmp_path / "page.html").write_text(text, encoding="utf-8")
        chromium.get((tmp_path / "page.html").as_uri())
        return chromium

    yield open_page
    assert chromium.get_log("browser") == []


def nothing_ran(page):
    assert find(page, "body").get_attribute("id") == ""
    assert page.execute_script("return document.querySelectorAll('img').length") == 0
    assert page.execute_script("return performance.getEntriesByType('resource').length") == 0


def test_the_experiments_text_does_nothing(page):
    nothing_ran(page)


def test_hostile_labels_do_nothing_whatever_is_chosen(opened):
    page = opened(report.run_page(hostile_labels()))
    press(page, "#slider", "HOME")
    press(page, "#axis", "normalization")
    assert HOSTILE.split("\u2028")[0] in find(page, "#value").get_attribute("textContent")
    press(page, "#slider", "END")
    press(page, "#axis", "weight")
    press(page, "#plot", "HOME")
    assert any("<script>" in row[0] for row in reading(page))
    press(page, ".contains", "<script>")
    assert find(page, ".count").text == "6 of 12"
    for head in finds(page, ".sortable th button"):
        head.send_keys("\ue007")
    nothing_ran(page)


def test_the_policy_stops_a_program_that_is_not_the_pages(chromium, file):
    """As it would if some text became markup after all; the console says so."""
    chromium.get(file.as_uri())
    chromium.execute_script(
        "const s = document.createElement('script'); s.textContent = 'document.body.id = 1';"
        "document.body.append(s); const i = document.createElement('img'); i.src = 'http://x.test/';"
        "document.body.append(i)"
    )
    assert find(chromium, "body").get_attribute("id") == ""
    said = [entry["message"] for entry in chromium.get_log("browser")]
    assert sum("Content Security Policy" in message for message in said) == 2


def test_the_slider_shows_the_stored_values(page):
    data = Page(whole()).data
    press(page, "#slider", "HOME")
    seen = set()
    for number, value in enumerate(data["views"][0]["values"]):
        output = find(page, "#value").text
        assert value["exact"] in output or value["label"].endswith(value["exact"])
        points = [data["points"][line["points"][number]] for line in data["views"][0]["lines"]]
        means = [point["values"]["train_accuracy"]["mean"][-1] for point in points]
        assert [float(row[1]) for row in reading(page)] == pytest.approx(means, rel=1e-5)
        drawn = page.execute_script(CURVES)
        heights = [float(path.split()[-1]) for path in drawn]
        frame = page.execute_script(
            "const f = document.querySelector('#plot .frame'); "
            "return [Number(f.getAttribute('y')), Number(f.getAttribute('height'))]"
        )
        wanted = [frame[0] + frame[1] * (1.04 - mean) / 1.08 for mean in means]
        assert heights == pytest.approx(wanted, abs=0.02)
        seen.add(tuple(drawn))
        press(page, "#slider", "ARROW_RIGHT")
    assert len(seen) == 3


def test_the_cursor_moves_by_keyboard_and_pointer(page):
    from selenium.webdriver import ActionChains

    press(page, "#slider", "END")
    heads = []
    for key in ("HOME", "ARROW_RIGHT", "END"):
        press(page, "#plot", key)
        heads.append(find(page, "#reading th").text)
    assert heads == [f"training accuracy at epoch {n}" for n in (1, 2, 3)]
    ActionChains(page).move_to_element(find(page, "#plot")).perform()
    assert find(page, "#reading th").text == "training accuracy at epoch 2"
    point = Page(whole()).data["points"]
    shown = [row[1] for row in reading(page)]
    assert shown == [str(p["values"]["train_accuracy"]["mean"][1]) for p in point[:2]]


MARKERS = (
    "return [...document.querySelectorAll('%s path.marker')].map("
    "(p) => [p.getAttribute('class'), p.getAttribute('d')])"
)


def test_more_than_two_lines_have_markers_as_in_figures(opened):
    """In gray print the colors are gone; lines of the same norm have the same dash."""
    more = STRUCTURES.replace("epochs: 2", "epochs: 20").replace("{kind: adam, lr: 0.001}", "adam")
    page = opened(report.run_page(run(more)))
    assert len(finds(page, "#plot path.curve")) == 2
    assert page.execute_script(MARKERS % "#plot") == []
    press(page, "#axis", "optimizer")
    assert len(finds(page, "#plot path.curve")) == 3
    drawn = {tuple(look) for look in page.execute_script(MARKERS % "#plot")}
    assert len(drawn) == len({shape for _, shape in drawn}) == 3
    assert {tuple(look) for look in page.execute_script(MARKERS % "#series")} == drawn
    places = "return [...document.querySelectorAll('#plot path.marker')].map((p) => p.getCTM().e)"
    across = page.execute_script(places)
    assert len(across) == len(set(across)) <= 3 * 8


def test_metric_axis_series_and_seeds_can_be_chosen(page):
    press(page, "#slider", "END")
    before = page.execute_script(CURVES)
    press(page, "#metric", "test loss")
    assert page.execute_script(CURVES) != before
    assert find(page, "#reading th").text.startswith("test loss")
    find(page, "#each").click()
    assert len(page.execute_script(CURVES)) == 4
    seeds = [row[1] for row in reading(page)]
    values = Page(whole()).data["points"][0]["values"]["test_loss"]["seeds"]
    assert seeds[0] == ", ".join(f"{s}: {value[-1]}" for s, value in enumerate(values))
    find(page, "#series input").click()
    assert len(page.execute_script(CURVES)) == 2
    press(page, "#axis", "normalization")
    assert len(finds(page, "#series input")) == 3


def test_points_whose_networks_failed_are_empty_and_the_others_there(opened):
    page = opened(write_report(made_with_failures()).read_text())
    press(page, "#slider", "HOME")
    for _ in range(3):
        assert [row[3] for row in reading(page)] == ["2", "0"]
        assert reading(page)[1][1] == "no result"
        press(page, "#slider", "ARROW_RIGHT")
    press(page, ".status", "failed")
    assert find(page, ".count").text == "6 of 12"
    assert {text.split(":")[0] for text in column(page, headings(page).index("status"))} == {
        "failed"
    }
    find(page, "#trouble summary").click()
    assert len([text for text in texts(page, "#trouble li") if "MemoryError" in text]) == 6
    nothing_ran(page)


def test_heads_sort_by_click_and_enter(page):
    from selenium.webdriver import Keys

    at = headings(page).index("final training accuracy")
    accuracy = run(SMALL).tables.summary["final_train_accuracy"]
    button = finds(page, ".sortable th button")[at]
    button.click()
    assert [float(v) for v in column(page, at)] == sorted(accuracy)
    head = finds(page, ".sortable th")[at]
    assert head.get_attribute("aria-sort") == "ascending"
    button.send_keys(Keys.ENTER)
    assert [float(v) for v in column(page, at)] == sorted(accuracy, reverse=True)
    assert head.get_attribute("aria-sort") == "descending"


def test_what_is_no_number_is_last_in_both_directions(page):
    at = headings(page).index("final training loss")
    for _ in range(2):
        finds(page, ".sortable th button")[at].click()
        values = column(page, at)
        assert values[-2:] == ["nan", "nan"]
        numbers = [float(value) for value in values[:-2]]
        assert numbers in (sorted(numbers), sorted(numbers)[::-1])


def test_the_filters_filter(page):
    assert find(page, ".count").text == "12 of 12"
    press(page, ".contains", "0.2928644")  # only in full is it so
    assert find(page, ".count").text == "4 of 12"
    press(page, ".status", "diverged")
    assert find(page, ".count").text == "0 of 12"
    press(page, ".contains", *["BACKSPACE"] * 9)
    assert find(page, ".count").text == "4 of 12"
    assert column(page, headings(page).index("status")) == ["diverged"] * 4


def test_all_of_it_is_reached_by_the_tab_key_and_seen_to_be(page):
    from selenium.webdriver import ActionChains, Keys

    page.execute_script("document.activeElement.blur()")
    stops = []
    for _ in range(90):
        ActionChains(page).send_keys(Keys.TAB).perform()
        stops.append(page.execute_script(FOCUSED))
        if stops[-1][0] == "body":
            break
    names = [name for name, _, _ in stops]
    order = ["a", "summary", "card", "metric", "axis", "each", "slider", "input", "plot"]
    order += ["contains", "status", "wide tall", "button", "pre"]
    assert [name for name in dict.fromkeys(names) if name in order] == order
    outlines = {style for name, width, style in stops if name != "body" and width >= 1}
    assert "none" not in outlines
    assert [name for name, width, _ in stops if name != "body" and width < 1] == []
    assert names.count("button") == len(headings(page))


def test_claims_open_by_keyboard(page):
    find(page, ".claim summary").send_keys("\ue007")
    assert find(page, ".claim").get_attribute("open") == "true"
    assert len(finds(page, ".claim tbody tr")) == len(judge_run(run(SMALL))[0].points)


def test_two_runs_side_by_side(opened):
    page = opened(report.pair_page(run(SMALL), run(SMALL)))
    assert find(page, ".count").text == "12 of 12"
    press(page, ".status", "test")
    assert find(page, ".count").text == "6 of 12"
    at = headings(page).index("A")
    finds(page, ".sortable th button")[at].click()
    values = [float(value) for value in column(page, at)]
    assert values == sorted(values)
    assert set(column(page, headings(page).index("B less A"))) == {"0.0"}
    nothing_ran(page)


def downloaded(page, folder, name):
    """The content of the file that the page saves under this name."""
    for _ in range(600):
        if (folder / name).is_file():
            return (folder / name).read_bytes()
        time.sleep(0.1)
    raise AssertionError(f"{name}: not saved, but {sorted(p.name for p in folder.iterdir())}")


@pytest.fixture
def saved(page, tmp_path):
    """Where files from the page go."""
    page.execute_cdp_cmd(
        "Browser.setDownloadBehavior", {"behavior": "allow", "downloadPath": str(tmp_path)}
    )
    return tmp_path


def test_figures_are_saved_as_files_of_their_own(page, saved):
    figure = find(page, "figure")
    name = f"small-{figure.get_attribute('data-name')}"
    for button in figure.find_elements("css selector", ".download"):
        button.click()
    svg = ElementTree.fromstring(downloaded(page, saved, f"{name}.svg"))
    assert svg.tag == "{http://www.w3.org/2000/svg}svg"
    colors = {e.get(key) for e in svg.iter() for key in ("fill", "stroke")}
    assert "#ffffff" in colors
    assert not any("var" in (color or "") for color in colors)
    assert downloaded(page, saved, f"{name}.png").startswith(b"\x89PNG")


def test_the_table_is_saved_with_exact_numbers(page, saved):
    press(page, ".status", "diverged")
    find(page, "#table-csv").click()
    text = downloaded(page, saved, "small-networks.csv").decode()
    head, *rows = csv.reader(text.splitlines())
    summary = run(SMALL).tables.summary
    wanted = summary["final_train_accuracy"][summary["status"] == "diverged"]
    at = head.index("final training accuracy")
    assert [float(row[at]) for row in rows] == wanted.tolist()
    assert [row[0] for row in rows] == summary["cell"][summary["status"] == "diverged"].tolist()


def test_the_dark_page_has_dark_figures(page):
    drawing = "return [...document.querySelectorAll('.card > div')].map((e) => e.offsetHeight > 0)"
    color = (
        "const fills = [...document.querySelectorAll('.card .broad path')].map((e) => "
        "getComputedStyle(e).fill); return fills"
    )
    for scheme, paper in (("light", "rgb(255, 255, 255)"), ("dark", "rgb(18, 18, 18)")):
        features = [{"name": "prefers-color-scheme", "value": scheme}]
        page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": features})
        assert page.execute_script(color)[0] == paper
        assert page.execute_script(drawing) == [True, False] * len(finds(page, "figure"))
    page.execute_cdp_cmd("Emulation.setEmulatedMedia", {"media": "", "features": []})


def test_phones_have_narrow_figures(page):
    size = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": True}
    page.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", size)
    drawing = "return [...document.querySelectorAll('.card > div')].map((e) => e.offsetHeight > 0)"
    assert page.execute_script(drawing) == [False, True] * len(finds(page, "figure"))
    page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_the_top_says_what_was_found(page):
    assert texts(page, "#found h3") == ["Not as expected: 1 claim"]
    (line,) = texts(page, "#found .finding")
    assert line.startswith("does not hold")
    assert "expected: supported" in line
    assert " of 2 seeds" in line


def test_final_values_are_drawn_against_an_axis(page):
    press(page, "#against", "final value against weight")
    assert not find(page, "#slide").is_displayed()
    press(page, "#plot", "HOME")
    (batch, none) = reading(page)
    assert find(page, "#reading th").text == "final training accuracy at W = 0.01"
    summary = run(SMALL).tables.summary
    small = summary["model.init.std"] == 0.01
    for row, norm in ((batch, "batch"), (none, "none")):
        wanted = summary["final_train_accuracy"][small & (summary["model.norm"] == norm)].mean()
        assert float(row[1]) == pytest.approx(wanted, rel=1e-5)
    assert len(page.execute_script(CURVES)) == 2
    press(page, "#against", "final value against normalization")
    assert len(reading(page)) == 3
    press(page, "#against", "HOME")
    assert find(page, "#reading th").text == "training accuracy at epoch 3"


def test_all_lines_are_overlaid_at_once(page):
    press(page, "#axis", "nothing")
    assert len(reading(page)) == len(finds(page, "#series input")) == 6
    assert not find(page, "#slide").is_displayed()


def test_the_curves_are_saved_with_every_number(page, saved):
    press(page, "#metric", "test loss")
    find(page, "#curves-csv").click()
    rows = list(
        csv.DictReader(downloaded(page, saved, "small-test_loss.csv").decode().splitlines())
    )
    metrics = run(SMALL).tables.metrics
    assert len(rows) == len(metrics["seed"])
    stored = {
        (w, norm, seed, epoch): loss
        for w, norm, seed, epoch, loss in zip(
            *(
                metrics[n].tolist()
                for n in ("model.init.std", "model.norm", "seed", "epoch", "test_loss")
            ),
            strict=True,
        )
    }
    for row in rows:
        key = float(row["model.init.std"]), row["model.norm"], int(row["seed"]), float(row["epoch"])
        if row["test_loss"]:
            assert float(row["test_loss"]) == stored[key]
