"""Waiting for other processes, and looking after them."""

from __future__ import annotations

import time
from pathlib import Path


def until(condition, seconds=60):
    """Wait for a condition; its last value."""
    end = time.monotonic() + seconds
    while not (value := condition()) and time.monotonic() < end:
        time.sleep(0.02)
    return value


def alive(pid):
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state != "Z"
