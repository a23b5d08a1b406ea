"""What all tests share: a cache of their own, and a small experiment."""

from __future__ import annotations

import importlib
import shutil
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from device_array import fake_cupy
from model_cases import CNN, ONE, SHORT
from threadpoolctl import threadpool_limits

import bnexp
from bnexp import device

SMALL = """\
name: small
data: {name: synthetic, train: 200, test: 0}
model:
  hidden: [12, 12]
  init: {kind: normal, std: 0.1}
train: {epochs: 3, batch_size: 50, optimizer: {kind: sgd, lr: 0.1}}
random: {seeds: [0, 1]}
sweep:
  model.init.std: [10.0, 0.3, 0.01]
  model.norm: [batch, none]
"""
CHROMIUM = (
    "--headless=new",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-dev-shm-usage",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@pytest.fixture(autouse=True, scope="session")
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> object:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BNEXP_CACHE_DIR", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(autouse=True, scope="session")
def _interruptible() -> None:
    """SIGINT is ignored where a shell script starts the tests in the background."""
    signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture
def own_places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """An empty cache, and no folder of real images."""
    monkeypatch.setenv("BNEXP_CACHE_DIR", str(tmp_path / "cache"))
    monkeypatch.delenv("BNEXP_DATA_DIR", raising=False)


@pytest.fixture
def one_blas_thread() -> Iterator[None]:
    """As in a run: a product's last bits depend on their number."""
    with threadpool_limits(1, "blas"):
        yield


@pytest.fixture
def small(tmp_path: Path) -> Path:
    """A 12-network experiment on synthetic images that trains in well under a second."""
    path = tmp_path / "small.yaml"
    path.write_text(SMALL)
    return path


@pytest.fixture(scope="session")
def chromium(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    """A headless browser that asks nobody for anything; without one the test is skipped."""
    webdriver = pytest.importorskip("selenium.webdriver")
    program = shutil.which("chromium") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not program or not driver:
        pytest.skip("needs Chromium and its driver (Debian: chromium, chromium-driver)")
    options = webdriver.ChromeOptions()
    options.binary_location = program
    for argument in (*CHROMIUM, f"--user-data-dir={tmp_path_factory.mktemp('chromium')}"):
        options.add_argument(argument)
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SE_OFFLINE", "true")
        patch.setenv("SE_AVOID_STATS", "true")
        browser = webdriver.Chrome(options, webdriver.ChromeService(driver))
    browser.set_window_size(1000, 800)
    yield browser
    browser.quit()


@pytest.fixture(scope="session")
def run_of(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str, str], Any]:
    """Runs an experiment's text, in a file of this name, and returns its config and directory."""

    def make(text: str, name: str) -> tuple[bnexp.Config, Path]:
        folder = tmp_path_factory.mktemp("made")
        (folder / name).write_text(text)
        config = bnexp.load_config(folder / name)
        bnexp.run(config, folder / "out")
        return config, folder / "out"

    return make


@pytest.fixture(scope="session")
def script() -> Iterator[Callable[[str], ModuleType]]:
    """Imports a module of scripts/, which is no part of the package, by name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parents[1] / "scripts")
        yield importlib.import_module


@pytest.fixture
def config_file(tmp_path: Path) -> Callable[[str], Path]:
    """Writes a text to a file and returns its path."""

    def write(text: str, name: str = "experiment.yaml") -> Path:
        path = tmp_path / name
        path.write_text(text)
        return path

    return write


@pytest.fixture
def fit(small, config_file):
    """A model of small.yaml or of the CNN, with changes."""

    def make(kind="mlp", **changes):
        keys = {key.replace("__", "."): value for key, value in changes.items()}
        path, given = (small, SHORT) if kind == "mlp" else (config_file(CNN), {})
        return bnexp.fit(bnexp.load_config(path, {**ONE, **given, **keys}))

    return make


@pytest.fixture
def gpu(monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., ModuleType]]:
    """Puts a CuPy of arrays in plain memory in the place of CuPy; it returns the module."""

    def install(**options: int) -> ModuleType:
        cupy = fake_cupy(**options)
        monkeypatch.setitem(sys.modules, "cupy", cupy)
        device._cupy.cache_clear()
        return cupy

    install()
    yield install
    device._cupy.cache_clear()
