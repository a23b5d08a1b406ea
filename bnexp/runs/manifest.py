"""What a run was made with: enough to explain a different number elsewhere."""

from __future__ import annotations

import json
import os
import platform
import subprocess
import sys
from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from threadpoolctl import threadpool_info

from bnexp import files
from bnexp.config.yaml import flatten, unquoted
from bnexp.errors import StoreError
from bnexp.sweep.networks import NUMERICS

MAX_BYTES = 10_000_000
ABSENT = "(not set)"


def read_manifest(path: Path) -> Mapping[str, Any] | None:
    """A run directory's manifest, None where it has none; StoreError where it is damaged."""
    try:
        large = path.stat().st_size > MAX_BYTES
    except (OSError, ValueError):
        large = False
    content = None if large else files.read_file(path)
    if content is None and not large:
        return None
    try:
        manifest = json.loads(content or b"")
    except (ValueError, RecursionError):
        manifest = None
    if not isinstance(manifest, dict):
        raise StoreError(
            f"{path}: damaged, expected a manifest that bnexp wrote; remove it, or run the "
            "experiment again"
        )
    return manifest


def facts(manifest: Mapping[str, Any]) -> dict[str, str]:
    """Dotted keys of what the numbers depend on: the environment, and the data's SHA-256."""
    environment = flatten(_part(manifest, "environment"), lambda key: key == "blas")
    data = _part(manifest, "data").items()
    digests = {k: v["sha256"] for k, v in data if isinstance(v, Mapping) and "sha256" in v}
    return {
        **{key: _libraries(value) if key == "blas" else _text(value) for key, value in environment},
        **{f"data.{name}": str(digest) for name, digest in digests.items()},
    }


def failures(manifest: Mapping[str, Any]) -> dict[str, str]:
    """The cells that failed when the run was made, and why."""
    return {str(network): str(reason) for network, reason in _part(manifest, "failed").items()}


def _part(manifest: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    """A mapping within it, empty where that is no mapping: any text may stand there."""
    part = manifest.get(name)
    return part if isinstance(part, Mapping) else {}


def _text(value: Any) -> str:
    return ABSENT if value is None else unquoted(value)


def _libraries(value: Any) -> str:
    """The BLAS libraries in words, whatever the order they were loaded in."""
    libraries = value if isinstance(value, list) else []
    texts = (
        " ".join(str(part) for part in one.values() if part is not None)
        for one in libraries
        if isinstance(one, Mapping)
    )
    return ", ".join(sorted(set(texts))) or ABSENT


FORMAT = 1
PACKAGES = ("bnexp", "numpy", "pydantic", "matplotlib")
PACKAGE_FOLDER = Path(__file__).resolve().parents[1]


def environment() -> dict[str, Any]:
    """Versions, BLAS, processor and source of this process."""
    return {
        "python": platform.python_version(),
        "packages": {name: _version(name) for name in PACKAGES},
        "numerics": NUMERICS,
        "blas": _blas(),
        "platform": platform.platform(),
        "cpu": {"model": _cpu_model(), "cores": os.cpu_count()},
        "git_commit": _commit(),
    }


def text(run: Mapping[str, Any]) -> str:
    """The manifest of one run as JSON."""
    manifest = {"bnexp_manifest": FORMAT, **run, "environment": environment()}
    return json.dumps(manifest, indent=2) + "\n"


def is_whole(content: bytes | None) -> bool:
    """Whether a file's content is a manifest; what is not is written anew."""
    try:
        manifest = json.loads(content or b"")
    except (ValueError, RecursionError):
        return False
    return isinstance(manifest, dict) and manifest.get("bnexp_manifest") == FORMAT


def command() -> list[str]:
    """What was typed, without the folder of the program."""
    program = Path(sys.argv[0]).name
    return ["bnexp" if program == "__main__.py" else program, *sys.argv[1:]]


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def _blas() -> list[dict[str, Any]]:
    """Each BLAS library that is loaded; stacks are trained with one thread whatever stands here."""
    keys = ("internal_api", "version", "architecture", "threading_layer")
    return [
        {key: info.get(key) for key in keys}
        for info in threadpool_info()
        if info.get("user_api") == "blas"
    ]


def _cpu_model() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.machine()


def _commit() -> str | None:
    """The commit of bnexp's own checkout, None for an installed package."""
    if not (PACKAGE_FOLDER.parent / ".git").exists():
        return None
    try:
        answer = subprocess.run(
            ["git", "-C", str(PACKAGE_FOLDER.parent), "rev-parse", "HEAD"],
            capture_output=True, text=True, timeout=5, check=True,
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError):
        return None
    return answer.stdout.strip()
