"""Processors and memory that control groups leave to this process, as files of the kernel say."""

from __future__ import annotations

import os

import pytest

from bnexp import machine


@pytest.fixture(autouse=True)
def eight_cores(tmp_path, monkeypatch):
    monkeypatch.setattr(os, "sched_getaffinity", lambda pid: set(range(8)), raising=False)
    monkeypatch.setattr(machine, "GROUPS", tmp_path / "groups")
    monkeypatch.setattr(machine, "MEMBERSHIPS", tmp_path / "memberships")
    return tmp_path


def write(folder, **contents):
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in contents.items():
        (folder / name.replace("__", ".")).write_text(text + "\n")


@pytest.mark.parametrize(
    ("limit", "cores"),
    [
        ("max 100000", 8),
        ("200000 100000", 2),
        ("150000 100000", 2),
        ("50000 100000", 1),
        ("1 100000", 1),
        ("9900000 100000", 8),
        ("", 8),
        ("0 0", 8),
        ("nonsense", 8),
    ],
)
def test_version_2(tmp_path, limit, cores):
    (tmp_path / "memberships").write_text("0::/docker/abc\n")
    write(tmp_path / "groups" / "docker" / "abc", cpu__max=limit)
    assert machine.usable_cores() == cores


def test_the_lowest_limit_on_the_way_to_the_root_counts(tmp_path):
    (tmp_path / "memberships").write_text("0::/slice/job/step\n")
    write(tmp_path / "groups" / "slice", cpu__max="300000 100000")
    write(tmp_path / "groups" / "slice" / "job", cpu__max="max 100000")
    write(tmp_path / "groups" / "slice" / "job" / "step", cpu__max="700000 100000")
    assert machine.usable_cores() == 3


def test_in_a_container_the_root_is_the_group(tmp_path):
    """Its path is the host's; what is mounted is the container's own group."""
    (tmp_path / "memberships").write_text("0::/system.slice/docker-abc.scope\n")
    write(tmp_path / "groups", cpu__max="400000 100000")
    assert machine.usable_cores() == 4


@pytest.mark.parametrize("mount", ["cpu,cpuacct", "cpu"])
@pytest.mark.parametrize(("quota", "cores"), [("250000", 3), ("-1", 8), ("0", 8)])
def test_version_1(tmp_path, mount, quota, cores):
    lines = "12:memory:/a\n4:cpu,cpuacct:/docker/abc\n1:name=systemd:/x\n"
    (tmp_path / "memberships").write_text(lines)
    folder = tmp_path / "groups" / mount / "docker" / "abc"
    write(folder, cpu__cfs_quota_us=quota, cpu__cfs_period_us="100000")
    write(tmp_path / "groups" / "memory" / "a", cpu__max="100000 100000")
    assert machine.usable_cores() == cores


def test_a_machine_without_control_groups_has_all_its_processors(monkeypatch):
    assert machine.usable_cores() == 8
    monkeypatch.delattr(os, "sched_getaffinity")
    monkeypatch.setattr(os, "cpu_count", lambda: 5)
    assert machine.usable_cores() == 5
    monkeypatch.setattr(os, "cpu_count", lambda: None)
    assert machine.usable_cores() == 1


def pages(monkeypatch, number):
    """A machine of so many pages of 1,000 bytes."""
    sizes = {"SC_PAGE_SIZE": 1000, "SC_PHYS_PAGES": number}
    monkeypatch.setattr(os, "sysconf", sizes.__getitem__, raising=False)


@pytest.mark.parametrize(
    ("limit", "expected"),
    [("max", 9_000_000), ("5000000", 5_000_000), ("99000000", 9_000_000), ("nonsense", 9_000_000)],
)
def test_memory_of_version_2(tmp_path, monkeypatch, limit, expected):
    pages(monkeypatch, 9000)
    (tmp_path / "memberships").write_text("0::/slice/job\n")
    write(tmp_path / "groups" / "slice", memory__max=limit)
    write(tmp_path / "groups" / "slice" / "job", memory__max="max", cpu__max="max 100000")
    assert machine.usable_memory() == expected


def test_memory_of_version_1(tmp_path, monkeypatch):
    pages(monkeypatch, 9000)
    (tmp_path / "memberships").write_text("5:cpu,cpuacct:/docker\n4:memory:/docker\n0::/\n")
    write(tmp_path / "groups" / "memory" / "docker", memory__limit_in_bytes="7000000")
    write(tmp_path / "groups" / "cpu" / "docker", memory__limit_in_bytes="1000000")
    assert machine.usable_memory() == 7_000_000


def test_memory_that_no_system_call_tells(monkeypatch):
    def refuse(name):
        raise ValueError("unrecognized configuration name")

    monkeypatch.setattr(os, "sysconf", refuse, raising=False)
    assert machine.usable_memory() is None
