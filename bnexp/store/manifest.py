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

from bnexp.plan.cells import NUMERICS

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
