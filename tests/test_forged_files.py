"""Forged files with right checksums, drawn anew in each run of the tests, over every command."""

from __future__ import annotations

import os
import random
import secrets
import shutil
import signal
from contextlib import contextmanager

import pytest
from click.testing import CliRunner
from forgery import FORGE, forge
from test_hostile_texts import CONTROL

import bnexp
from bnexp import model
from bnexp.cli.main import cli
from bnexp.errors import BnexpError
from bnexp.execution.checkpoints import Checkpoints
from bnexp.execution.task import dataset, train_networks
from bnexp.files import decode_npz, encode_npz
from bnexp.sweep import make_plan

TINY = """\
name: tiny
data: {name: synthetic, train: 40}
model: {hidden: [3], norm: batch}
train: {steps: 6, batch_size: 20, evaluate: [2, 4, 6], optimizer: {kind: momentum, lr: 0.1}}
sweep: {model.init: [he, xavier]}
probes: {at: [0, 2, 5], read: [layers]}
figures: [{kind: curves}]
claims:
  - {says: it learns, measure: final_train_loss, where: {model.init: he},
     below: {where: {model.init: xavier}, times: 100}}
"""
HANGING = 120  # seconds, on the slowest of machines
READING = ("claims OUT", "compare OUT WHOLE", "compare WHOLE OUT", "plot OUT", "report OUT")
READING += ("report WHOLE OUT", "export OUT --to tensorboard", "check WHOLE/config.yaml --out OUT")
TRAINING = ("verify OUT -j 1", "run WHOLE/config.yaml --out OUT -j 1")
PLACES = {
    "cell": "cells/ID.json", "checkpoint": "checkpoints/ID.npz", "manifest": "manifest.json",
    "claims": "claims.json", "model": "model.npz", "config": "config.yaml",
    **{name: f"{name}.csv" for name in ("metrics", "summary", "probes")},
}  # fmt: skip


@contextmanager
def watched(what):
    """Fail instead of waiting for ever."""

    def late(number, frame):
        raise TimeoutError(f"no end: {what}")

    before = signal.signal(signal.SIGALRM, late)
    signal.alarm(HANGING)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """A run with a model and a checkpoint, and the id of the network that has it."""
    folder = tmp_path_factory.mktemp("forged")
    (folder / "tiny.yaml").write_text(TINY)
    config = bnexp.load_config(folder / "tiny.yaml")
    out = folder / "whole"
    bnexp.run(config, out)
    bnexp.save_model(bnexp.fit(config, {"model.init": "he"}), out / "model.npz")
    network = make_plan(config).networks[0]
    steps = iter(range(4))

    def stop(networks):
        if next(steps) == 3:
            raise InterruptedError

    checkpoints = Checkpoints(out / "checkpoints", 0)
    with pytest.raises(InterruptedError):
        train_networks((network,), dataset("synthetic", None), stop, checkpoints)
    return out, network.id


def contents(folder):
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file() and p.name != ".lock"}


def check_forged(kind, finished, out, draw, what, most):
    """Forge one file of a copy of the run, and have so many commands meet it."""
    whole, network = finished
    shutil.rmtree(out, ignore_errors=True)
    is_reference = kind in ("metrics", "summary", "probes") or draw.random() < 0.2
    ignored = shutil.ignore_patterns(*(["cells", "checkpoints"] * is_reference))
    shutil.copytree(whole, out, ignore=ignored)
    place = PLACES[kind].replace("ID", network)
    if kind == "checkpoint":
        (out / "cells" / f"{network}.json").unlink(missing_ok=True)
    forged = forge(kind, (whole / place).read_bytes(), draw)
    (out / place).parent.mkdir(exist_ok=True)
    (out / place).write_bytes(forged)
    if kind == "model":
        images, text = dataset("synthetic", None).test_images[:2], ""
        with watched(what):
            try:
                assert bnexp.load_model(out / place).predict(images).shape == (2,), what
            except BnexpError as error:
                text = str(error)
        assert len(text) < 2000, what
        assert not CONTROL.search(text), what
        return
    before = contents(whole.parent)
    # What is trained of a forged config may take hours, as of any config.
    commands = [*READING, *(() if kind == "config" else TRAINING)]
    for command in draw.sample(commands, min(most, len(commands))):
        words = command.replace("OUT", str(out)).replace("WHOLE", str(whole)).split()
        with watched((what, command)):
            result = CliRunner().invoke(cli, words)
        assert isinstance(result.exception, SystemExit | None), (what, command, result.exception)
        assert result.exit_code in (0, 1, 2, 4), (what, command, result.output)
        assert "mistake of the program" not in result.output, (what, command, result.output)
        assert not CONTROL.search(result.output), (what, command, result.output)
        changed = {p for p, c in contents(whole.parent).items() if before.get(p) != c}
        made_by_report = {whole / f"report-{out.name}.html", whole / "report.html"}
        assert changed <= made_by_report, (what, command)
        if command.startswith("run"):
            break  # all is right again


def check_many(number, finished, tmp_path, most=99):
    seed = int(os.environ.get("BNEXP_FORGERY_SEED") or secrets.randbelow(2**32))
    kinds = [*FORGE]
    for i in range(number):
        what = f"BNEXP_FORGERY_SEED={seed}, forgery {i}, {kinds[i % len(kinds)]}"
        draw = random.Random(f"{seed} {i}")
        check_forged(kinds[i % len(kinds)], finished, tmp_path / "out", draw, what, most)


@pytest.mark.slow
def test_forged_files_are_refused_or_read_by_every_command(finished, tmp_path):
    check_many(18, finished, tmp_path, 2)


@pytest.mark.parametrize("name", ["init", "norm", "activation"])
def test_a_long_name_in_a_model_is_cut(finished, tmp_path, name):
    """Also where the message is about the kinds that there are, and suggests one."""
    path = tmp_path / "model.npz"
    content = (finished[0] / "model.npz").read_bytes()
    header, arrays = decode_npz(model.KIND, model.FORMAT, content, path)
    header["setting"]["model"][name] = {"kind": "x" * 5000}
    path.write_bytes(encode_npz(model.KIND, header, arrays))
    with pytest.raises(BnexpError, match="unknown kind, expected one of") as caught:
        bnexp.load_model(path)
    assert len(str(caught.value)) < 2000


def test_a_long_format_in_a_model_is_cut(finished, tmp_path):
    path = tmp_path / "model.npz"
    content = (finished[0] / "model.npz").read_bytes()
    header, arrays = decode_npz(model.KIND, model.FORMAT, content, path)
    for wrong in ("x" * 5000, [28, "x" * 5000], 10**4000):
        path.write_bytes(encode_npz(model.KIND, {**header, "format": wrong}, arrays))
        with pytest.raises(BnexpError, match=r"of format .*, this bnexp reads") as caught:
            bnexp.load_model(path)
        assert len(str(caught.value)) < 2000


@pytest.mark.slow
def test_hundreds_of_forged_files(finished, tmp_path):
    check_many(int(os.environ.get("BNEXP_FORGERIES") or 250), finished, tmp_path)
