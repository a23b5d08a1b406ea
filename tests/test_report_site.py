"""A site of many runs: its files, its index, and what a reader does with it."""

from __future__ import annotations

import base64
import re
import shutil
from io import BytesIO
from pathlib import Path

import numpy as np
import pytest
from browsing import find, finds, press, texts
from click.testing import CliRunner
from PIL import Image
from report_cases import LEAST, PLAIN, SMALL, Page, made

from bnexp.claims import judge_run
from bnexp.cli.main import cli
from bnexp.errors import ConfigError, StoreError
from bnexp.report import run_page, write_site
from bnexp.report.site import INDEX, _beginning
from bnexp.runs.data import read_finished_run
from bnexp.runs.references import find_run


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """Two runs of one name, and one without claims."""
    out = tmp_path_factory.mktemp("site") / "out"
    assert write_site([made(SMALL), made(LEAST), made(PLAIN)], out) == out / INDEX
    return out


@pytest.mark.slow
def test_each_run_has_its_page_and_the_index_names_them(site):
    names = {path.name for path in site.iterdir() if not path.name.startswith(".")}
    assert names == {INDEX, "small.html", "least.html", "small-2.html"}
    index = Page((site / INDEX).read_text())
    assert [a["href"] for a, _ in index.all("a")] == ["small.html", "least.html", "small-2.html"]
    assert index.text("p")[0].startswith("3 runs, 25 networks.")


@pytest.mark.slow
def test_a_page_of_the_site_is_that_of_the_run_with_a_link_back(site):
    page = (site / "least.html").read_text()
    back = f'<p class="home"><a href="{INDEX}">All runs</a></p>'
    assert back in page
    alone = run_page(read_finished_run(made(LEAST)))
    assert "".join(page.replace(back, "").split()) == "".join(alone.split())


def test_thumbnails_are_small_pictures(site):
    index = Page((site / INDEX).read_text())
    light = [a["src"] for a, _ in index.all("img")]
    dark = [a["srcset"] for a, _ in index.all("source")]
    assert len(light) == len(dark) == 2  # one run draws no figures
    for sources, is_dark in ((light, False), (dark, True)):
        for source in sources:
            content = base64.b64decode(source.removeprefix("data:image/webp;base64,"))
            assert content[:4] + content[8:12] == b"RIFFWEBP"
            assert len(content) < 20_000
            with Image.open(BytesIO(content)) as picture:
                lightness = np.asarray(picture.convert("L")).mean()
            assert lightness < 60 if is_dark else lightness > 195


def test_a_long_description_ends_with_a_word_where_it_has_words():
    words = "networks that learn " * 20
    assert _beginning(words) == f"{words[:233]}..."
    assert words[:234].endswith(" that ")
    letters = "重み の初期値" + "重" * 300
    assert _beginning(letters) == f"{letters[:237]}..."
    assert _beginning("short text") == "short text"


def test_verdicts_are_counted(site):
    (verdict,) = judge_run(read_finished_run(made(SMALL)))
    assert (verdict.verdict, verdict.expected) == ("refuted", "supported")
    index = Page((site / INDEX).read_text())
    assert index.text("li")[:4] == [
        "0 supported",
        "2 does not hold",
        "0 undecided",
        "2 not as expected",
    ]
    kinds = [a["data-kinds"] for a, _ in index.all("li", **{"class": "entry"})]
    assert kinds == ["refuted surprising", "", "refuted surprising"]


def test_nothing_comes_from_outside(site):
    text = re.sub(r"base64,[\w+/=]+", "", (site / INDEX).read_text())
    text = text.replace('"http://www.w3.org/2000/svg"', "")
    assert re.findall(r"https?:|//", text) == []


@pytest.mark.slow
def test_an_earlier_site_is_replaced_and_nothing_else_is(tmp_path):
    write_site([made(LEAST), made(PLAIN)], tmp_path / "out")
    write_site([made(LEAST)], tmp_path / "out")
    assert {p.name for p in (tmp_path / "out").glob("*.html")} == {INDEX, "least.html"}
    (tmp_path / "out" / "notes.txt").write_text("mine")
    with pytest.raises(StoreError, match=r"notes\.txt"):
        write_site([made(LEAST)], tmp_path / "out")
    assert (tmp_path / "out" / "notes.txt").read_text() == "mine"


def test_a_run_that_cannot_be_read_leaves_the_site_as_it_was(tmp_path):
    write_site([made(LEAST)], tmp_path / "out")
    before = {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()}
    shutil.copytree(made(PLAIN), tmp_path / "broken")
    (tmp_path / "broken" / "config.yaml").write_text("name: [")
    with pytest.raises(ConfigError):
        write_site([made(PLAIN), tmp_path / "broken"], tmp_path / "out")
    assert {p.name: p.read_bytes() for p in (tmp_path / "out").iterdir()} == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["broken", "out"]


@pytest.mark.slow
def test_the_command_takes_directories_and_names_of_shipped_experiments(tmp_path):
    arguments = ["site", str(made(LEAST)), "quickstart", "--out", str(tmp_path / "class")]
    result = CliRunner().invoke(cli, arguments)
    assert result.exit_code == 0
    assert result.output.splitlines()[-1] == str(tmp_path / "class" / INDEX)
    networks = len(read_finished_run(find_run("quickstart").directory).summary["cell"])
    assert (tmp_path / "class" / "quickstart.html").is_file()
    text = Page((tmp_path / "class" / INDEX).read_text()).text("p")[0]
    assert text.startswith(f"2 runs, {networks + 1} networks")
    assert CliRunner().invoke(cli, ["site"]).exit_code == 2


@pytest.mark.slow
def test_the_script_knows_the_shipped_results(script, tmp_path, capsys, monkeypatch):
    """Runs of one's own that have their names are others."""
    gallery_site = script("gallery_site")
    names = gallery_site.shipped_results()
    assert {"quickstart", "weight_scale"} <= set(names)
    own = tmp_path / "results" / "quickstart"
    own.mkdir(parents=True)
    (own / "config.yaml").write_text("name: quickstart\n")
    monkeypatch.chdir(tmp_path)
    gallery_site.main(["gallery", "quickstart"])
    assert Path(capsys.readouterr().out.strip()) == Path("gallery", INDEX)
    page = (tmp_path / "gallery" / "quickstart.html").read_text()
    assert "Batch norm against the weight scale, a first look" in page
    with pytest.raises(SystemExit, match="did you mean 'quickstart'"):
        gallery_site.main(["gallery", "quickstat"])


@pytest.mark.browser
@pytest.mark.slow
def test_a_reader_searches_filters_and_opens_a_run(chromium, site):
    chromium.get((site / INDEX).as_uri())
    assert find(chromium, "#matches").text == "3 of 3"
    widths = "return [...document.querySelectorAll('img')].map((e) => e.naturalWidth)"
    assert chromium.execute_script(widths) == [320, 320]
    press(chromium, "#search", "LEAST")
    assert find(chromium, "#matches").text == "1 of 3"
    assert [e.is_displayed() for e in finds(chromium, ".entry")] == [False, True, False]
    press(chromium, "#search", *["BACKSPACE"] * 5)
    press(chromium, "#verdict", "does not")
    assert find(chromium, "#matches").text == "2 of 3"
    finds(chromium, ".entry a")[0].click()
    assert chromium.current_url.endswith("/small.html")
    assert texts(chromium, "#found h3") == ["Not as expected: 1 claim"]
    find(chromium, ".home a").click()
    assert chromium.current_url.endswith(f"/{INDEX}")
    assert find(chromium, "body").get_attribute("id") == ""
    assert chromium.execute_script("return performance.getEntriesByType('resource').length") == 0
    assert chromium.get_log("browser") == []


@pytest.mark.browser
@pytest.mark.slow
@pytest.mark.parametrize("width", [320, 390, 1600])
def test_the_index_is_not_wider_than_the_screen(chromium, site, width):
    chromium.get((site / INDEX).as_uri())
    chromium.execute_cdp_cmd(
        "Emulation.setDeviceMetricsOverride",
        {"width": width, "height": 800, "deviceScaleFactor": 1, "mobile": width < 500},
    )
    assert chromium.execute_script("return document.documentElement.scrollWidth") <= width
    chromium.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
