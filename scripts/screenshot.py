#!/usr/bin/env python3
"""Draw docs/report.png: the explorer in the report of a reference, as a browser shows it.

scripts/screenshot.py    needs Chromium, its driver and selenium
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

from PIL import Image

import bnexp

ROOT = Path(__file__).resolve().parents[1]
SHOWN, PICTURE = ROOT / "results" / "reference" / "weight_scale", ROOT / "docs" / "report.png"
WIDTH, HEIGHT, COLORS = 1000, 1400, 64


@contextmanager
def browser() -> Iterator[Any]:
    """A headless Chromium that asks nobody for anything."""
    os.environ.update(SE_OFFLINE="true", SE_AVOID_STATS="true")
    from selenium import webdriver

    options = webdriver.ChromeOptions()
    options.binary_location = shutil.which("chromium") or shutil.which("google-chrome") or ""
    for argument in ("--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"):
        options.add_argument(argument)
    page = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    yield page
    page.quit()


def picture(page: Any, folder: Path) -> bytes:
    """The explorer as a PNG of few colors; the report is written into `folder`."""
    page.set_window_size(WIDTH, HEIGHT)
    page.get(bnexp.write_report(SHOWN, folder / "report.html").as_uri())
    section = page.find_element("css selector", "#explorer")
    shown = Image.open(BytesIO(section.screenshot_as_png)).convert("RGB")
    made = BytesIO()
    shown.quantize(COLORS).save(made, "PNG", optimize=True)
    return made.getvalue()


def main() -> None:
    with browser() as page, tempfile.TemporaryDirectory() as folder:
        PICTURE.write_bytes(picture(page, Path(folder)))


if __name__ == "__main__":
    main()
