"""The system, and the processors and memory that this process may use: in a container, not all.

A control group limits the processor time of all its processes together: a quota of 150 ms in each
period of 100 ms is worth one and a half processors. Version 2 of control groups writes both numbers
into `cpu.max`, version 1 into `cpu.cfs_quota_us` and `cpu.cfs_period_us`. It limits their memory by
`memory.max`, in version 1 `memory.limit_in_bytes`. The limits of all groups that contain this
process hold at the same time.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import suppress
from math import ceil, inf
from pathlib import Path

IS_WINDOWS = os.name == "nt"
GROUPS = Path("/sys/fs/cgroup")
MEMBERSHIPS = Path("/proc/self/cgroup")


def usable_cores() -> int:
    """The processors that this process may run on, at most those that its quota is worth."""
    if hasattr(os, "sched_getaffinity"):
        cores = len(os.sched_getaffinity(0))
    else:
        cores = os.cpu_count() or 1
    return max(1, ceil(min(cores, _quota())))


def _quota() -> float:
    """The processors that the control groups of this process allow; inf if they set no limit."""
    quotas = []
    for folder in _groups("cpu"):
        with suppress(OSError, ValueError, ZeroDivisionError):
            quotas.append(_read_quota(folder))
    return min(quotas, default=inf)


def _read_quota(folder: Path) -> float:
    if (folder / "cpu.max").exists():
        quota, period = (folder / "cpu.max").read_text(encoding="utf-8").split()
    else:
        names = ("cpu.cfs_quota_us", "cpu.cfs_period_us")
        quota, period = ((folder / name).read_text(encoding="utf-8") for name in names)
    if quota == "max" or int(quota) <= 0:
        return inf
    return int(quota) / int(period)


def usable_memory() -> int | None:
    """The bytes of memory of this machine, or those that the control groups allow if they are less.

    None where the system does not tell.
    """
    limits: list[int] = []
    with suppress(OSError, ValueError, AttributeError):
        limits.append(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    for folder in _groups("memory"):
        for name in ("memory.max", "memory.limit_in_bytes"):
            with suppress(OSError, ValueError):  # "max" is none
                limits.append(int((folder / name).read_text(encoding="utf-8")))
    return min((limit for limit in limits if limit > 0), default=None)


def _groups(controller: str) -> Iterator[Path]:
    """The folders of the control groups that limit this process by a controller, and their parents.

    In a container the path may be that of the host and not exist here: then the root is meant.
    """
    lines: list[str] = []
    with suppress(OSError):
        lines = MEMBERSHIPS.read_text(encoding="utf-8").splitlines()
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers and controller not in controllers.split(","):
            continue
        mounts = [GROUPS / controllers, GROUPS / controller] if controllers else [GROUPS]
        for mount in mounts:
            folder = mount / path.strip("/")
            yield from (f for f in (folder, *folder.parents) if f.is_relative_to(mount))
