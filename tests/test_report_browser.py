"""The page in a real browser: what its program does, and that nobody else's program runs."""

from __future__ import annotations

import shutil

import pytest
from report_cases import SMALL, Page, made, run, whole

from bnexp import report
from bnexp.reporting import write_report

pytestmark = pytest.mark.browser
webdriver = pytest.importorskip("selenium.webdriver")
CHROMIUM = shutil.which("chromium") or shutil.which("google-chrome")
CURVES = "return [...document.querySelectorAll('#plot path.curve')].map((p) => p.getAttribute('d'))"


@pytest.fixture(scope="module")
def chromium():
    driver = shutil.which("chromedriver")
    if not CHROMIUM or not driver:
        pytest.skip("needs chromium and chromedriver")
    options = webdriver.ChromeOptions()
    options.binary_location = CHROMIUM
    for argument in ("--headless=new", "--no-sandbox", "--disable-dev-shm-usage"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    browser = webdriver.Chrome(options, webdriver.ChromeService(driver))
    browser.set_window_size(1000, 800)
    yield browser
    browser.quit()


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    return write_report(made(SMALL), tmp_path_factory.mktemp("page") / "report.html")


@pytest.fixture
def page(chromium, file):
    chromium.get(file.as_uri())
    yield chromium
    assert chromium.get_log("browser") == []


def press(page, selector, *names):
    keys = webdriver.Keys
    page.find_element("css selector", selector).send_keys(*(getattr(keys, n, n) for n in names))


def reading(page):
    rows = page.find_elements("css selector", "#reading tbody tr")
    return [[cell.text for cell in row.find_elements("css selector", "td")] for row in rows]


def test_the_experiments_text_does_nothing(page):
    assert page.find_element("css selector", "body").get_attribute("id") == ""
    assert page.execute_script("return document.querySelectorAll('img').length") == 0
    assert page.execute_script("return performance.getEntriesByType('resource').length") == 0


def test_the_slider_shows_the_stored_values(page):
    data = Page(whole()).data
    press(page, "#slider", "HOME")
    seen = set()
    for number, value in enumerate(data["views"][0]["values"]):
        output = page.find_element("css selector", "#value").text
        assert value["exact"] in output or value["label"].endswith(value["exact"])
        points = [data["points"][line["points"][number]] for line in data["views"][0]["lines"]]
        means = [point["values"]["train_accuracy"]["mean"][-1] for point in points]
        assert [float(row[1]) for row in reading(page)] == means
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
    press(page, "#slider", "END")
    heads = []
    for key in ("HOME", "ARROW_RIGHT", "END"):
        press(page, "#plot", key)
        heads.append(page.find_element("css selector", "#reading th").text)
    assert heads == [f"training accuracy at epoch {n}" for n in (1, 2, 3)]
    plot = page.find_element("css selector", "#plot")
    webdriver.ActionChains(page).move_to_element(plot).perform()
    assert page.find_element("css selector", "#reading th").text == "training accuracy at epoch 2"


def test_metric_axis_series_and_seeds_can_be_chosen(page):
    press(page, "#slider", "END")
    before = page.execute_script(CURVES)
    press(page, "#metric", "test loss")
    assert page.execute_script(CURVES) != before
    assert page.find_element("css selector", "#reading th").text.startswith("test loss")
    page.find_element("css selector", "#each").click()
    assert len(page.execute_script(CURVES)) == 4
    page.find_element("css selector", "#series input").click()
    assert len(page.execute_script(CURVES)) == 2
    press(page, "#axis", "model.norm")
    assert len(page.find_elements("css selector", "#series input")) == 3


def column(page, number):
    return page.execute_script(
        "return [...document.querySelectorAll('.sortable tbody tr')].filter((r) => !r.hidden)"
        f".map((r) => r.cells[{number}].dataset.value ?? r.cells[{number}].textContent)"
    )


def test_heads_sort_by_click_and_enter(page):
    heads = [b.text for b in page.find_elements("css selector", ".sortable th button")]
    at = heads.index("final training accuracy")
    accuracy = run(SMALL).tables.summary["final_train_accuracy"]
    button = page.find_elements("css selector", ".sortable th button")[at]
    button.click()
    assert [float(v) for v in column(page, at)] == sorted(accuracy)
    head = page.find_elements("css selector", ".sortable th")[at]
    assert head.get_attribute("aria-sort") == "ascending"
    button.send_keys(webdriver.Keys.ENTER)
    assert [float(v) for v in column(page, at)] == sorted(accuracy, reverse=True)
    assert head.get_attribute("aria-sort") == "descending"


def test_the_filters_filter(page):
    assert page.find_element("css selector", ".count").text == "12 of 12"
    press(page, ".contains", "0.2929")
    assert page.find_element("css selector", ".count").text == "4 of 12"
    page.find_element("css selector", ".contains").clear()
    press(page, ".status", "diverged")
    assert page.find_element("css selector", ".count").text == "2 of 12"
    assert column(page, 4) == ["diverged", "diverged"]


@pytest.mark.parametrize("width", [320, 390, 1200])
def test_nothing_is_wider_than_the_screen(page, width):
    page.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    try:
        assert page.execute_script("return document.documentElement.scrollWidth") <= width
    finally:
        page.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})


def test_two_runs_side_by_side(chromium, tmp_path):
    path = tmp_path / "sides.html"
    path.write_text(report.sides(run(SMALL), run(SMALL)), encoding="utf-8")
    chromium.get(path.as_uri())
    assert chromium.find_element("css selector", ".count").text == "12 of 12"
    assert chromium.get_log("browser") == []
