"""Exports: where they go, what they replace, and how they are refused."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from report_cases import LEAST, made

import bnexp
from bnexp import files
from bnexp.cli.main import cli
from bnexp.errors import BnexpError, ConfigError
from bnexp.exports import EXPORTS, common
from bnexp.exports.common import default_environment, silence_libraries


def call(*arguments):
    return CliRunner().invoke(cli, ["export", *map(str, arguments)])


LIBRARIES = {"parquet": "pyarrow", "tensorboard": "tensorboard", "mlflow": "mlflow"}


@pytest.mark.parametrize(("to", "library"), LIBRARIES.items())
def test_a_missing_library_is_one_message_with_the_extra(to, library, monkeypatch, tmp_path):
    for name in [name for name in sys.modules if name.partition(".")[0] == library]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, library, None)
    with pytest.raises(BnexpError) as caught:
        bnexp.export(made(LEAST), to, tmp_path / "out")
    assert str(caught.value).startswith(f"export to {to}: needs {library}")
    assert str(caught.value).endswith(f"pip install 'bnexp[{to}]'")
    assert list(tmp_path.iterdir()) == []


def test_other_formats_and_folders_are_refused(tmp_path):
    with pytest.raises(ConfigError) as caught:
        bnexp.export(made(LEAST), "csv")
    assert str(caught.value) == (f"no such export, expected one of {', '.join(EXPORTS)}, got 'csv'")
    result = call(tmp_path, "--to", "parquet")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "not a run directory" in result.stderr
    result = call(tmp_path, "--to", "csv")
    assert result.exit_code == 2
    assert f"'csv' is not one of {', '.join(map(repr, EXPORTS))}" in " ".join(result.stderr.split())
    result = call(tmp_path, "--to", "parquet", "--out", "")
    assert "expected a folder, got an empty name" in result.stderr


def test_the_environment_and_the_loggers_are_as_before(monkeypatch):
    import logging
    import os
    import warnings

    monkeypatch.setenv("BNEXP_SET", "theirs")
    monkeypatch.delenv("BNEXP_UNSET", raising=False)
    with default_environment({"BNEXP_SET": "ours", "BNEXP_UNSET": "ours"}), silence_libraries():
        assert (os.environ["BNEXP_SET"], os.environ["BNEXP_UNSET"]) == ("theirs", "ours")
        assert not logging.getLogger("bnexp.test").isEnabledFor(logging.INFO)
        assert logging.getLogger("bnexp.test").isEnabledFor(logging.WARNING)
        warnings.warn("theirs", stacklevel=1)
    assert (os.environ["BNEXP_SET"], "BNEXP_UNSET" in os.environ) == ("theirs", False)
    assert logging.root.manager.disable == logging.NOTSET


def test_only_the_run_directorys_own_export_waits_for_it(tmp_path, monkeypatch):
    held = []

    class Directory(common.RunDirectory):
        def writing(self, waiting):
            held.append(self.path)
            return default_environment({})

    monkeypatch.setattr(common, "RunDirectory", Directory)
    monkeypatch.setitem(EXPORTS._entries, "parquet", lambda run, target, progress: target)
    own = str(made(LEAST) / "export" / "parquet")
    assert common.export_run(made(LEAST), "parquet") == own
    assert common.export_run(made(LEAST), "parquet", "elsewhere") == "elsewhere"
    assert held == [made(LEAST)]


def test_a_format_of_ones_own_is_known_to_export_and_to_the_command(tmp_path, monkeypatch):
    monkeypatch.setattr(EXPORTS, "_entries", dict(EXPORTS._entries))

    @EXPORTS.register("seeds")
    def write_seeds(run, target, progress):
        networks = progress(common.exported_networks(run))
        files.write_export(
            target, [("seeds.txt", str([n.network.seed for n in networks]).encode())]
        )
        return common.Export(
            Path(target), (common.summary_line(run, target),), f"cat {target}/seeds.txt"
        )

    out = bnexp.export(made(LEAST), "seeds", tmp_path / "out")
    assert (out / "seeds.txt").read_text() == "[0]"
    result = call(made(LEAST), "--to", "seeds", "--out", out)
    assert (result.exit_code, result.stdout) == (
        0,
        f"1 network in {out}\nlook at it: cat {out}/seeds.txt\n",
    )
    formats = re.search(r"\[(parquet\|[\w|\s]+)\]", call("--help").output)[1].split("|")
    assert [name.strip() for name in formats] == list(EXPORTS)
    assert formats[-1] == "seeds"
    with pytest.raises(TypeError, match="export 'table': expected a function, got str"):
        EXPORTS.register("table", "a text")


@pytest.mark.slow
def test_the_formats_are_listed_without_importing_them():
    code = (
        "import sys; from bnexp.exports import EXPORTS\n"
        "print(list(EXPORTS), 'parquet' in EXPORTS, 'numpy' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == f"{list(EXPORTS)} True False\n"
