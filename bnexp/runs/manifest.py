"""manifest.json: what a run was made with, enough to explain different numbers elsewhere.

It holds the command, times, the SHA-256 of the data, networks that failed, and the environment:
versions of Python and packages, the BLAS libraries, the processor and the commit of bnexp.

Keys of the file:

    bnexp_manifest   the number of the format, FORMAT
    name, extends    of the experiment; extends: a shipped one that it builds on, if any
    command          what was typed, as a list of arguments
    started          when the run began: date and time in UTC, ISO 8601
    seconds, jobs    how long it took, and how many workers trained
    trained          how many networks this run trained; the others were finished before
    seeds            if there are design seeds: `judged` and `design`, two lists
    data             by name of the data set: `sha256`, `origin` in words and, if the images are
                     those of a known data set, its name as `recognized`
    failed           id of a network: error; left out if none failed
    devices          how many networks were trained on each, if not all were trained on one
    environment      python, packages, numerics, blas, platform, cpu, git_commit; of a run on a GPU
                     also device: kind, name, driver, cuda, cupy

No number of a run depends on the manifest. `bnexp verify` and `bnexp compare` read it to explain
differences; a run that trained nothing leaves an existing manifest as it is.
"""

from __future__ import annotations

import json
import math
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from datetime import datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field
from threadpoolctl import threadpool_info

from bnexp.config.experiment import Seed
from bnexp.config.options import Strict
from bnexp.config.stored import Count, Digest, Misfit, Seconds, require, validate
from bnexp.config.yaml import KeyPath, flatten, unquoted
from bnexp.device import device_facts
from bnexp.errors import StoreError
from bnexp.files import read_file
from bnexp.sweep.networks import NUMERICS

FORMAT = 1
MAX_BYTES = 10_000_000
MAX_TEXT = 100_000
MAX_DEPTH = 4  # of mappings and lists in the environment
ABSENT = "(not set)"
PACKAGES = ("bnexp", "numpy", "pydantic", "matplotlib")
PACKAGE_FOLDER = Path(__file__).resolve().parents[1]


_Text = Annotated[str, Field(max_length=MAX_TEXT)]


class _StoredData(Strict):
    """What a manifest says of a data set."""

    sha256: Digest
    origin: _Text
    recognized: _Text = ""
    classes: Count | None = None


class _StoredSeeds(Strict):
    """Those that claims are judged on, and those that they were chosen on."""

    judged: tuple[Seed, ...] = Field(strict=False)
    design: tuple[Seed, ...] = Field(strict=False)


class _StoredManifest(Strict):
    """The keys of a manifest. What the environment consists of is not fixed."""

    bnexp_manifest: Literal[1]
    name: _Text
    extends: _Text = ""
    command: Annotated[tuple[_Text, ...], Field(strict=False)]
    started: _Text
    seconds: Seconds
    jobs: Count
    trained: Count
    seeds: _StoredSeeds | None = None
    data: dict[_Text, _StoredData]
    failed: dict[_Text, _Text] = Field({})
    devices: dict[_Text, Count] = Field({})
    environment: dict[_Text, Any]


def read_manifest(path: Path) -> Mapping[str, Any] | None:
    """The manifest at `path`, None if there is no such file; StoreError if it is damaged.

    It is validated like a config: its keys are those that are listed above, with values of their
    types. The environment may have other facts, as one of an older or newer bnexp.
    """
    content = read_file(path, MAX_BYTES)
    if content is None:
        return None
    try:
        return _decode(content)
    except (ValueError, RecursionError) as error:
        misfit = f"{error}" if isinstance(error, Misfit) else "expected a manifest that bnexp wrote"
        raise StoreError(
            f"{path}: damaged, {misfit}; remove it, or run the experiment again"
        ) from None


def is_manifest(content: bytes | None) -> bool:
    """Whether this is the content of a manifest of this format."""
    try:
        return bool(_decode(content or b""))
    except (ValueError, RecursionError):
        return False


def _decode(content: bytes) -> dict[str, Any]:
    manifest: dict[str, Any] = json.loads(content)
    stored = validate(_StoredManifest, manifest)
    try:
        datetime.fromisoformat(stored.started)
    except ValueError:
        require(False, ("started",), "a date and a time", stored.started)
    _check_facts(stored.environment, ("environment",))
    return manifest


def _check_facts(value: Any, path: KeyPath) -> None:
    """Misfit unless these are texts and finite numbers, in mappings and lists that are not deep."""
    require(len(path) <= MAX_DEPTH + 1, path, f"at most {MAX_DEPTH} levels", value)
    if isinstance(value, Mapping | list):
        pairs = value.items() if isinstance(value, Mapping) else enumerate(value)
        for key, inner in pairs:
            _check_facts(inner, (*path, key))
    elif isinstance(value, float):
        require(math.isfinite(value), path, "a finite number", value)


def manifest_text(run: Mapping[str, Any], device: str = "cpu") -> str:
    """The manifest as JSON: what is known about a run, and the environment of this process.

    `run` has the keys that are listed above, without bnexp_manifest and environment; `device` is
    what it trained on.
    """
    manifest = {"bnexp_manifest": FORMAT, **run, "environment": environment_facts(device)}
    return json.dumps(_with_texts(manifest), indent=2) + "\n"


def _with_texts(value: Any) -> Any:
    r"""The value with bytes that are no text, as a path may have them, written as `\udce9`."""
    if isinstance(value, Mapping):
        return {key: _with_texts(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [_with_texts(inner) for inner in value]
    return value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value


def manifest_facts(manifest: Mapping[str, Any]) -> dict[str, str]:
    """What the numbers depend on, by dotted key: the environment, and the SHA-256 of the data.

    Keys are, for example, "packages.numpy" and "data.mnist"; a value that is null is ABSENT.
    Times and the command are not in it. Two manifests can be compared key by key.
    """

    def text(value: Any) -> str:
        return ABSENT if value is None else unquoted(value)

    facts = {
        key: _describe_libraries(value) if key == "blas" else text(value)
        for key, value in flatten(_mapping(manifest, "environment"), lambda key: key == "blas")
    }
    for name, data in _mapping(manifest, "data").items():
        if isinstance(data, Mapping) and "sha256" in data:
            facts[f"data.{name}"] = str(data["sha256"])
    return facts


def failed_networks(manifest: Mapping[str, Any]) -> dict[str, str]:
    """The networks that failed when the run was made, and why, by id."""
    return {str(network): str(error) for network, error in _mapping(manifest, "failed").items()}


def _mapping(manifest: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A mapping within the manifest; empty if there is none: a manifest may hold anything."""
    value = manifest.get(name)
    return value if isinstance(value, Mapping) else {}


def _describe_libraries(value: Any) -> str:
    """BLAS libraries in words, the same for any order in which they were loaded."""
    texts = {
        " ".join(str(part) for part in library.values() if part is not None)
        for library in (value if isinstance(value, list) else [])
        if isinstance(library, Mapping)
    }
    return ", ".join(sorted(texts)) or ABSENT


def environment_facts(device: str = "cpu") -> dict[str, Any]:
    """Versions, BLAS libraries, processor and source of this process, as a manifest has them.

    And the GPU with its driver and libraries, if that is the device.

    A value is None if it cannot be found out, such as the commit of an installed package.
    `numerics` is the number that bnexp raises when its own arithmetic changes.
    """
    facts = device_facts(device)
    keys = ("internal_api", "version", "architecture", "threading_layer")
    return {
        "python": platform.python_version(),
        "packages": {name: _package_version(name) for name in PACKAGES},
        "numerics": NUMERICS,
        "blas": [  # networks are trained with one thread, whatever this says about threads
            {key: library.get(key) for key in keys}
            for library in threadpool_info()
            if library.get("user_api") == "blas"
        ],
        "platform": platform.platform(),
        "cpu": {"model": _cpu_model(), "cores": os.cpu_count()},
        "git_commit": _git_commit(),
        **({"device": facts} if facts else {}),
    }


def command_line() -> list[str]:
    """What was typed to start this process, without the folder of the program."""
    program = Path(sys.argv[0]).name.removesuffix(".exe")
    return ["bnexp" if program == "__main__.py" else program, *sys.argv[1:]]


def _package_version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    models = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return models[0] if models else platform.machine()


def _git_commit() -> str | None:
    """The commit of bnexp's own checkout; None for an installed package."""
    if not (PACKAGE_FOLDER.parent / ".git").exists():
        return None
    try:
        git = subprocess.run(
            ["git", "-C", str(PACKAGE_FOLDER.parent), "rev-parse", "HEAD"],
            capture_output=True, text=True, timeout=5, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return git.stdout.strip()
