"""Exports: where they go, what they replace, and how they are refused."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner
from report_cases import LEAST, made

import bnexp
from bnexp import files
from bnexp.cli.main import cli
from bnexp.errors import BnexpError, ConfigError, StoreError
from bnexp.exports import EXPORTS, base
from bnexp.exports.base import default_environment, silence_libraries
from bnexp.files import HOST, LISTED, TEMPORARY, System, write_export


def contents(folder):
    found = (path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in found}


def call(*arguments):
    return CliRunner().invoke(cli, ["export", *map(str, arguments)])


def test_a_folder_is_replaced_whole(tmp_path):
    write_export(str(tmp_path / "out"), [("a", b"1"), ("in/b", b"2")])
    assert contents(tmp_path / "out") == {"a": b"1", "in/b": b"2", LISTED: b"a\nin/b\n"}
    write_export(str(tmp_path / "out"), [("in/c", b"3")])
    assert contents(tmp_path / "out") == {"in/c": b"3", LISTED: b"in/c\n"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


def test_an_export_that_breaks_off_leaves_the_one_before(tmp_path):
    def breaks():
        yield "a", b"2"
        raise KeyboardInterrupt

    write_export(str(tmp_path / "out"), [("a", b"1")])
    with pytest.raises(KeyboardInterrupt):
        write_export(str(tmp_path / "out"), breaks())
    assert contents(tmp_path / "out") == {"a": b"1", LISTED: b"a\n"}
    assert [path.name for path in tmp_path.iterdir()] == ["out"]


class Failing(System):
    """The call of this number fails, counted from 0."""

    def __init__(self, number):
        self.left = number

    def __getattribute__(self, name):
        if name.startswith("_") or name == "left":
            return super().__getattribute__(name)
        self.left -= 1
        if self.left == -1:
            raise OSError(28, "No space left on device")
        return super().__getattribute__(name)


def test_whatever_fails_the_folder_is_the_old_or_the_new_one(tmp_path, monkeypatch):
    out, kept, said = tmp_path / "out", [], set()
    for number in range(20):
        write_export(str(out), [("a", b"1")])
        monkeypatch.setattr(files, "system", Failing(number))
        try:
            write_export(str(out), [("a", b"2"), ("b", b"2")])
        except StoreError as error:
            said.add(str(error))
        monkeypatch.undo()
        assert [path.name for path in tmp_path.iterdir()] == ["out"]
        kept.append((out / "a").read_bytes())
    # A folder around, three calls for each of three files, two moves; then it is there.
    assert kept == [b"1"] * 12 + [b"2"] * 8
    assert said == {
        f"{out}: cannot write, No space left on device; make room, or give another place"
    }


def test_what_killed_exports_left_is_removed(tmp_path):
    for name in (f"{HOST}-999999999-1-out", f"{HOST}-999999999-1-old-out", "elsewhere-1-1-out"):
        (tmp_path / f"{TEMPORARY}{name}").mkdir()
    write_export(str(tmp_path / "out"), [])
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"out", f"{TEMPORARY}elsewhere-1-1-out"}


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    (tmp_path / "out").symlink_to(tmp_path / "real")
    write_export(str(tmp_path / "out"), [("a", b"1")])
    assert (tmp_path / "out").is_symlink()
    assert (tmp_path / "real" / "a").read_bytes() == b"1"


@pytest.mark.parametrize("name", ["mine", "in/mine", "link"])
def test_what_no_export_wrote_is_not_removed(tmp_path, name):
    out = tmp_path / "out"
    write_export(str(out), [("a", b"1"), ("in/b", b"2")])
    (out / ".DS_Store").touch()
    write_export(str(out), [("a", b"1"), ("in/b", b"2")])
    if name == "link":
        (out / name).symlink_to(tmp_path)
    else:
        (out / name).write_text("mine")
    with pytest.raises(StoreError) as caught:
        write_export(str(out), [("a", b"2")])
    assert f"got one with '{name}', which no export wrote" in str(caught.value)
    assert (out / "a").read_bytes() == b"1"


def test_a_file_is_not_a_folder(tmp_path):
    (tmp_path / "file").write_text("mine")
    with pytest.raises(StoreError, match="a file, expected a folder to export to"):
        write_export(str(tmp_path / "file"), [])
    with pytest.raises(StoreError, match="cannot write"):
        write_export(str(tmp_path / "file" / "out"), [])
    with pytest.raises(StoreError, match="cannot write"):
        write_export("a\0b", [])


@pytest.mark.parametrize("to", EXPORTS)
def test_a_missing_library_is_one_message_with_the_extra(to, monkeypatch, tmp_path):
    library = {"mlflow": "mlflow"}.get(to, {"parquet": "pyarrow"}.get(to, "tensorboard"))
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
    assert str(caught.value) == (
        "no such export, expected one of parquet, tensorboard, mlflow, got 'csv'"
    )
    result = call(tmp_path, "--to", "parquet")
    assert (result.exit_code, result.stdout) == (2, "")
    assert "not a run directory" in result.stderr
    result = call(tmp_path, "--to", "csv")
    assert result.exit_code == 2
    assert "'csv' is not one of 'parquet', 'tensorboard', 'mlflow'" in result.stderr
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

    class Directory(base.RunDirectory):
        def writing(self, waiting):
            held.append(self.path)
            return default_environment({})

    monkeypatch.setattr(base, "RunDirectory", Directory)
    monkeypatch.setitem(EXPORTS._entries, "parquet", lambda run, target, progress: target)
    own = str(made(LEAST) / "export" / "parquet")
    assert base.export_run(made(LEAST), "parquet") == own
    assert base.export_run(made(LEAST), "parquet", "elsewhere") == "elsewhere"
    assert held == [made(LEAST)]


def test_a_format_of_ones_own_is_known_to_export_and_to_the_command(tmp_path, monkeypatch):
    monkeypatch.setattr(EXPORTS, "_entries", dict(EXPORTS._entries))

    @EXPORTS.register("seeds")
    def write_seeds(run, target, progress):
        networks = progress(base.exported_networks(run))
        files.write_export(
            target, [("seeds.txt", str([n.network.seed for n in networks]).encode())]
        )
        return base.Export(
            Path(target), (base.summary_line(run, target),), f"cat {target}/seeds.txt"
        )

    out = bnexp.export(made(LEAST), "seeds", tmp_path / "out")
    assert (out / "seeds.txt").read_text() == "[0]"
    result = call(made(LEAST), "--to", "seeds", "--out", out)
    assert (result.exit_code, result.stdout) == (
        0,
        f"1 network in {out}\nlook at it: cat {out}/seeds.txt\n",
    )
    assert "[parquet|tensorboard|mlflow|seeds]" in call("--help").output
    with pytest.raises(TypeError, match="export 'table': expected a function, got str"):
        EXPORTS.register("table", "a text")


def test_the_formats_are_listed_without_importing_them():
    code = (
        "import sys; from bnexp.exports import EXPORTS\n"
        "print(list(EXPORTS), 'parquet' in EXPORTS, 'numpy' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "['parquet', 'tensorboard', 'mlflow'] True False\n"
