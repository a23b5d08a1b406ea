"""Links and special files planted in a run directory, drawn anew each time, over every command."""

from __future__ import annotations

import os
import random
import secrets
import shutil
import socket
from contextlib import closing

import pytest
from click.testing import CliRunner
from test_forged_files import READING, TINY, TRAINING, contents, watched
from test_hostile_texts import CONTROL

import bnexp
from bnexp import files
from bnexp.cli.main import cli
from bnexp.sweep import make_plan

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs pipes and devices"),
    pytest.mark.slow,
]
PLACES = (
    "config.yaml", "manifest.json", "metrics.csv", "summary.csv", "probes.csv", "claims.json",
    ".lock", "cells", "cells/ID.json", "cells/other.json", "checkpoints", "checkpoints/ID.npz",
    "figures", "figures/curves.svg", "figures/curves.png", "figures/panels.svg", "report.html",
    "report-OUT.html", "export", "export/tensorboard", "export/tensorboard/.bnexp-export",
    "export/tensorboard/seed=0", "cells/.bnexp-tmp-HOST-4194305-1-x", ".bnexp-tmp-HOST-4194305-1-x",
)  # fmt: skip


def link(name):
    return lambda path, other: path.symlink_to(other / name)


def listening(path, other):
    with closing(socket.socket(socket.AF_UNIX)) as made:
        made.bind(os.path.relpath(path))  # a socket's path has at most about 100 bytes


def sparse(path, other):
    with path.open("wb") as file:
        file.truncate(1 << 40)


SPECIAL = {
    "a link to a file": link("notes.txt"), "a link to a folder": link("folder"),
    "a dangling link": link("nothing"), "a link to a folder's file": link("folder/notes.txt"),
    "a looping link": lambda path, other: path.symlink_to(path.name),
    "a link up": lambda path, other: path.symlink_to(".."),
    "a link to zeros": lambda path, other: path.symlink_to("/dev/zero"),
    "a hard link": lambda path, other: os.link(other / "notes.txt", path),
    "a pipe": lambda path, other: os.mkfifo(path), "a socket": listening, "a sparse file": sparse,
    "a folder": lambda path, other: path.mkdir(),
    "a full folder": lambda path, other: shutil.copytree(other / "folder", path),
    "an unreadable file": lambda path, other: path.touch(0),
    "an unreadable folder": lambda path, other: path.mkdir(0),
}  # fmt: skip


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    folder = tmp_path_factory.mktemp("planted")
    (folder / "tiny.yaml").write_text(TINY)
    bnexp.run(folder / "tiny.yaml", folder / "whole")
    CliRunner().invoke(cli, ["export", str(folder / "whole"), "--to", "tensorboard"])
    CliRunner().invoke(cli, ["report", str(folder / "whole")])
    return folder / "whole"


def test_nothing_outside_changes_hangs_or_ends_in_a_mistake(finished, tmp_path, monkeypatch):
    seed = int(os.environ.get("BNEXP_PLANT_SEED") or secrets.randbelow(2**32))
    network = make_plan(bnexp.load_config(finished / "config.yaml")).networks[0].id
    for i in range(int(os.environ.get("BNEXP_PLANTS") or 60)):
        draw, folder = random.Random(f"{seed} {i}"), tmp_path / str(i)
        out, other, whole = folder / "out", folder / "other", folder / "whole"
        for copy in (out, whole):
            shutil.copytree(finished, copy)
        (other / "folder").mkdir(parents=True)
        leftover = f"{files.TEMPORARY}{files.HOST}-4194305-1-x"
        for name in ("notes.txt", "folder/notes.txt", f"folder/{network}.json", "folder/curves.png",
                     f"folder/{network}.npz", f"folder/{leftover}", leftover):  # fmt: skip
            (other / name).write_text("someone's")
        what = [f"BNEXP_PLANT_SEED={seed}, {i}"]
        for _ in range(draw.choice((1, 1, 2))):
            place, special = draw.choice(PLACES), draw.choice([*SPECIAL])
            place = place.replace("ID", network).replace("HOST", files.HOST).replace("OUT", "whole")
            path = out / place
            if not os.path.realpath(path.parent).startswith(str(out)):
                continue  # planted in what is behind another plant
            if any(os.path.lexists(folder) and not folder.is_dir() for folder in path.parents):
                continue  # another plant is in the place of its folder
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            path.unlink(missing_ok=True)
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                monkeypatch.chdir(path.parent)
                SPECIAL[special](path, other)
            except OSError:
                continue  # below a file
            what.append(f"{special} at {place}")
        before = contents(other)
        commands = (*READING, *TRAINING, "export OUT --to parquet")
        for command in draw.sample(commands, len(commands)):
            words = command.replace("OUT", str(out)).replace("WHOLE", str(whole)).split()
            with watched((what, command)):
                result = CliRunner().invoke(cli, words)
            said = (what, command, result.output)
            assert isinstance(result.exception, SystemExit | None), (*said, result.exception)
            assert result.exit_code in (0, 1, 2, 4), said
            assert "mistake of the program" not in result.output, said
            assert not CONTROL.search(result.output), said
            assert contents(other) == before, said
        for path in out.rglob("*"):  # for pytest to remove them
            if not path.is_symlink():
                path.chmod(0o700)
        shutil.rmtree(folder)
