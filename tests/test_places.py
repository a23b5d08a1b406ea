"""What differs between systems, each through an emulation: Windows, no home, closed streams.

tests/test_environments.py has the settings and shells in which commands are really run.
"""

from __future__ import annotations

import errno
import os
import re
import subprocess
import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest
from click.testing import CliRunner

import bnexp
from bnexp import files, searchpath, text
from bnexp.cli.main import cli
from bnexp.errors import StoreError
from bnexp.execution import processes, workers
from bnexp.files import is_portable, write_file, write_folder

main = import_module("bnexp.cli.main")  # `bnexp.cli` has a function of this name
ROOT = Path(bnexp.__file__).parents[1]
EXPERIMENT = """\
name: {}
data: {{name: synthetic, train: 40}}
model: {{hidden: [5]}}
train: {{epochs: 1, batch_size: 20}}
"""


@pytest.fixture
def windows(monkeypatch):
    """What bnexp itself does on Windows; `os` and `pathlib` stay what they are."""
    monkeypatch.setattr(files, "IS_WINDOWS", True)
    monkeypatch.setattr(main, "IS_WINDOWS", True)
    monkeypatch.setattr(files, "WAITS", (0.0, 0.0, 0.0))


def is_open(times):
    """`os.replace` of a file that another program closes after so many tries."""
    replace, tries = os.replace, []

    def refuse(source, target):
        tries.append(target)
        if len(tries) <= times:
            raise PermissionError(errno.EACCES, "Permission denied")
        replace(source, target)

    return refuse


def test_windows_waits_for_a_program_that_has_the_file_open(tmp_path, windows, monkeypatch):
    monkeypatch.setattr(os, "replace", is_open(3))
    write_file(tmp_path / "metrics.csv", b"new")
    assert (tmp_path / "metrics.csv").read_bytes() == b"new"
    monkeypatch.setattr(os, "replace", is_open(2))
    write_folder(tmp_path / "tables", [("a", b"1")])
    assert sorted(path.name for path in tmp_path.iterdir()) == ["metrics.csv", "tables"]


def test_a_file_that_stays_open_is_said_to_be(tmp_path, windows, monkeypatch):
    path = tmp_path / "metrics.csv"
    path.write_bytes(b"old")
    monkeypatch.setattr(os, "replace", is_open(4))
    with pytest.raises(StoreError) as caught:
        write_file(path, b"new")
    assert str(caught.value) == (
        f"{path}: cannot write, Permission denied; close the program that has it open, or give "
        "another place"
    )
    assert [other.read_bytes() for other in tmp_path.iterdir()] == [b"old"]


def test_elsewhere_nothing_waits(tmp_path, monkeypatch):
    monkeypatch.setattr(files, "IS_WINDOWS", False)
    monkeypatch.setattr(os, "replace", is_open(1))
    with pytest.raises(StoreError, match="no permission to write; give another place"):
        write_file(tmp_path / "metrics.csv", b"new")


def test_a_path_that_windows_finds_too_long_is_said_to_be(tmp_path, windows, monkeypatch):
    path = tmp_path / ("n" * 200) / ("m" * 100)

    def open_nothing(*arguments):
        raise FileNotFoundError(errno.ENOENT, "No such file or directory")

    monkeypatch.setattr(files.os, "open", open_nothing)
    with pytest.raises(StoreError) as caught:
        write_file(path, b"new")
    assert str(caught.value) == (
        f"{path}: cannot write, its full path has {len(str(path))} characters, and Windows allows "
        "259; give another place"
    )


@pytest.mark.parametrize("name", ["con", "NUL", "aux", "com1", "Lpt9", "prn.old", "scales."])
def test_no_experiment_has_a_name_that_windows_refuses(name, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert not is_portable(name)
    expected = (
        "a name that Windows does not allow, expected another than those of its devices, such as "
        f"con, aux and nul, and no dot at the end, got {name!r}"
    )
    Path("here.yaml").write_text(EXPERIMENT.format(name))
    with pytest.raises(bnexp.ConfigError) as caught:
        bnexp.load_config("here.yaml")
    assert str(caught.value) == f"here.yaml:1:7: name: {expected}"
    result = CliRunner().invoke(cli, ["new", name])
    assert (result.exit_code, result.stderr) == (2, f"{name}: {expected}\n")
    assert [path.name for path in tmp_path.iterdir()] == ["here.yaml"]


@pytest.mark.parametrize("name", ["console", "nul1", "com", "com10", "a.con", "auxiliary.b"])
def test_names_that_only_look_like_them_are_allowed(name, tmp_path):
    (tmp_path / "here.yaml").write_text(EXPERIMENT.format(name))
    assert bnexp.load_config(tmp_path / "here.yaml").name == name


def test_a_reader_that_has_gone_is_no_error_on_windows(windows):
    """There a write to a pipe without a reader has an invalid argument."""
    assert main.is_broken_pipe(OSError(errno.EINVAL, "Invalid argument"))
    assert not main.is_broken_pipe(OSError(errno.EINVAL, "Invalid argument", "a file"))
    assert not main.is_broken_pipe(OSError(errno.ENOSPC, "No space left on device"))


def test_elsewhere_an_invalid_argument_is_an_error(monkeypatch):
    monkeypatch.setattr(main, "IS_WINDOWS", False)
    assert not main.is_broken_pipe(OSError(errno.EINVAL, "Invalid argument"))
    assert main.is_broken_pipe(BrokenPipeError())


@pytest.mark.parametrize(
    ("system", "path", "word"),
    [
        ("posix", "results/a b", "'results/a b'"),
        ("nt", r"results\a b", r'"results\a b"'),
        ("nt", r"C:\results\quick-start_2.1", r"C:\results\quick-start_2.1"),
    ],
)
def test_printed_commands_can_be_pasted(system, path, word, monkeypatch):
    monkeypatch.setattr(text, "os", SimpleNamespace(name=system))
    assert text.shell_word(path) == word


def test_a_home_folder_that_nobody_has_is_no_folder_of_that_name(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for words in (("run", "quickstart", "--out", "~nobody-here/a"), ("plot", "~nobody-here/a")):
        result = CliRunner().invoke(cli, words)
        assert result.exit_code == 2
        assert "no home folder is known for it; write the path in full" in result.stderr
    assert list(tmp_path.iterdir()) == []


def test_the_current_folder_may_have_been_removed(monkeypatch):
    def missing():
        raise FileNotFoundError

    monkeypatch.setattr(os, "getcwd", missing)
    assert searchpath.implied_folder() is None
    assert searchpath.demoted() == sys.path


def as_main(**names):
    module = ModuleType("__main__")
    vars(module).update(names)
    return module


class Typed:
    """A class as one that was typed at a prompt or read by an editor."""


@pytest.mark.parametrize(
    ("file", "is_there", "expected"),
    [(__file__, True, True), (__file__, False, False), ("<stdin>", True, False)],
)
def test_workers_read_classes_of_a_script_only(file, is_there, expected, monkeypatch):
    """An editor may run a file in its own process: the classes are not in its main module."""
    monkeypatch.setitem(sys.modules, "__main__", as_main(__file__=file, Typed=Typed))
    if not is_there:
        del sys.modules["__main__"].Typed
    assert workers.script() == (file if file == __file__ else None)
    assert processes._is_in_script(Typed) == expected


@pytest.mark.parametrize("kind", ["frozen", "embedded"])
def test_a_program_with_python_inside_is_not_started_again_as_a_worker(kind, monkeypatch):
    if kind == "frozen":
        monkeypatch.setattr(sys, "frozen", True, raising=False)
    else:
        monkeypatch.setattr(workers.spawn, "get_executable", lambda: None)
    monkeypatch.setattr(workers.subprocess, "Popen", None)
    with pytest.raises(bnexp.ConfigError, match="Python is part of another program"):
        workers.WorkerProcesses(2)


@pytest.mark.slow
def test_a_script_from_standard_input_may_ask_for_several_jobs(tmp_path):
    """`python - < script.py`: its module says that its file is called <stdin>."""
    (tmp_path / "here.yaml").write_text(EXPERIMENT.format("here") + "random: {seeds: [0, 1]}\n")
    done = subprocess.run(
        [sys.executable, "-"],
        input='import bnexp\nprint(bnexp.run("here.yaml", jobs=2).trained)\n',
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert (done.stdout, done.stderr) == ("2\n", "")


@pytest.mark.slow
def test_workers_start_in_a_debugger(monkeypatch):
    """Its main module has the script's file and no `__spec__`."""
    main_module = as_main(__file__=__file__)
    del main_module.__spec__
    monkeypatch.setitem(sys.modules, "__main__", main_module)
    assert workers._preparation()["init_main_from_path"] == __file__
    with workers.WorkerProcesses(1) as pool:
        assert pool.submit(sum, [1, 2]).result(60) == 3


CLOSED = """\
import os, sys
for number in {}: os.close(number)
from bnexp.__main__ import open_standard_streams
open_standard_streams()
open_standard_streams()
handle = os.open({!r}, os.O_WRONLY | os.O_CREAT)
os.write(handle, b"3" if handle > 2 else b"taken")
for number in {}: os.write(number, b"lost")
"""


@pytest.mark.parametrize("closed", [(1,), (2,), (1, 2), (0, 1, 2)])
def test_no_file_takes_the_number_of_a_closed_stream(closed, tmp_path):
    """`bnexp run ... >&-`: what is printed would go into whatever is opened first."""
    path = tmp_path / "file"
    code = CLOSED.format(closed, str(path), [number for number in closed if number])
    subprocess.run([sys.executable, "-c", code], check=True, env={"PYTHONPATH": str(ROOT)})
    assert path.read_bytes() == b"3"


def test_matplotlib_does_not_talk_of_its_cache(caplog):
    import logging

    from bnexp.cli.terminal import quiet_matplotlib

    logger = logging.getLogger("matplotlib")
    before = logger.level
    try:
        quiet_matplotlib()
        logging.getLogger("matplotlib.font_manager").warning("building the font cache")
        assert caplog.messages == []
        logging.getLogger("matplotlib.font_manager").error("a real error")
        assert caplog.messages == ["a real error"]
    finally:
        logger.setLevel(before)


@pytest.mark.slow
@pytest.mark.skipif(not os.path.exists("/dev/full"), reason="only Linux has a device that is full")
def test_output_that_cannot_be_written_is_one_message(tmp_path):
    def list_experiments(stdout, stderr):
        words = [sys.executable, "-m", "bnexp", "list", "quickstart"]
        return subprocess.run(
            words, stdout=stdout, stderr=stderr, env={"PYTHONPATH": str(ROOT)}, text=True
        )

    with open("/dev/full", "w") as full:
        done = list_experiments(full, subprocess.PIPE)
        assert (done.returncode, done.stderr) == (
            4,
            "bnexp: cannot print: No space left on device\n",
        )
        assert list_experiments(full, full).returncode == 4


LOCALE = """\
import locale, bnexp
locale.setlocale(locale.LC_ALL, {!r})
print(locale.format_string("%.1f", 0.5))
result = bnexp.run("here.yaml", out={!r})
print(result.summary["final_train_loss"].tolist())
"""


@pytest.mark.slow
def test_a_users_locale_changes_no_number(tmp_path):
    """A program in German prints 0,5; what bnexp reads and writes has a point all the same."""
    (tmp_path / "here.yaml").write_text(EXPERIMENT.format("here"))
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = {}
    for name in ("de_DE.UTF-8", "C"):
        words = [sys.executable, "-c", LOCALE.format(name, name)]
        done[name] = subprocess.run(
            words, cwd=tmp_path, env=environment, capture_output=True, text=True
        )
    german, plain = (each.stdout.splitlines() for each in done.values())
    if "unsupported locale" in done["de_DE.UTF-8"].stderr:
        pytest.skip("needs the locale de_DE.UTF-8")
    assert [german[0], plain[0]] == ["0,5", "0.5"]
    assert german[1] == plain[1]
    tables = [(tmp_path / name / "metrics.csv").read_text() for name in done]
    assert tables[0] == tables[1]


def test_the_page_of_environments_names_tests_that_exist():
    page = (ROOT / "docs" / "environments.md").read_text(encoding="utf-8")
    names = {*re.findall(r"`(tests/\w+\.py)`", page)}
    assert {name for name in names if not (ROOT / name).is_file()} == set()
    assert len(names) > 5
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| ")]
    assert all(len(row) == 3 for row in rows), rows
    assert {re.match(r"\w+", row[2])[0] for row in rows} == {"how", "real", "emulated", "not"}
