"""Peak memory of a process and of every process under it."""

from __future__ import annotations

import sys
import threading
from pathlib import Path

INTERVAL = 0.1  # seconds; the kernel keeps each process's peak, so nothing between looks is lost


class Peaks:
    """Watches a process tree until `stop`, which returns each process's peak in MB."""

    def __init__(self, root: int) -> None:
        self._root = root
        self._peaks: dict[int, float] = {}
        self._stopped = threading.Event()
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()

    def stop(self) -> list[float]:
        self._stopped.set()
        self._thread.join()
        return list(self._peaks.values()) or [_largest_child()]

    def _watch(self) -> None:
        while not self._stopped.wait(INTERVAL):
            for process in _tree(self._root):
                if peak := _peak(process):
                    self._peaks[process] = max(peak, self._peaks.get(process, 0.0))


def _tree(root: int) -> list[int]:
    """The process and its descendants; empty where there is no /proc."""
    found = [root] if Path(f"/proc/{root}/status").exists() else []
    for process in found:
        for listing in Path(f"/proc/{process}/task").glob("*/children"):
            try:
                found += [int(child) for child in listing.read_text().split()]
            except OSError:  # it has just ended
                continue
    return found


def _peak(process: int) -> float | None:
    """The kernel's VmHWM, the most that was ever resident, in MB."""
    try:
        lines = Path(f"/proc/{process}/status").read_text().splitlines()
    except OSError:
        return None
    return next((int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM")), None)


def _largest_child() -> float:
    """Without /proc: the largest of all processes this one has waited for."""
    try:
        import resource
    except ImportError:  # Windows has neither
        return float("nan")
    largest = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return largest / (2**20 if sys.platform == "darwin" else 2**10)
