"""Whatever stands in an experiment's text: it is one, or a BnexpError says why not, soon."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest
from click.testing import CliRunner
from config_cases import CASES, GOOD, RICH
from fuzzing import long, no_hang
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import bnexp
from bnexp.cli.main import cli
from bnexp.config import document
from bnexp.running import check_claims, fitting_figures
from bnexp.sweep import axes, make_plan, networks

SHIPPED = [path.read_text() for path in sorted(document.experiments_folder().glob("*.yaml"))]
SMALL = [text for text, _ in CASES.values() if isinstance(text, str) and len(text) < 1000]
LONG = "x" * 5000
ODD = [
    *("null", "[]", "{}", "-1", "0", "1e999", "-.inf", ".nan", "true", "''", "9" * 18, "9" * 19),
    *("!!python/object:x", "key: *a", "&a [*a]", "<<: {a: 1}", "1:30", "0x1f", "1_0", "1.5e-320"),
    *(LONG, f"'{LONG}'", "ключ", "'\\0'", '"\\0"', '"\\ud800"', "\u202e", "\ufeff", "\x85", "🙂"),
    *("[[[]]]", "{kind: []}", "{kind: {}}", "{kind: ''}", "{kind: batch}", "{a: {b: {c: 1}}}"),
    *(
        "[1, 1]",
        "[null]",
        "{linspace: [0, 1, 3]}",
        "{geomspace: [0, 0, 1]}",
        "- a",
        "? b",
        "|",
        ">",
    ),
    *("{uniform: [1.0e+308, -1.0e+308, 2]}", "{linspace: [-1.7e+308, 1.7e+308, 9]}", "final_gap"),
    *(
        "{every: 1}",
        "none",
        "book",
        "all",
        "model.norm",
        "model",
        "{model.norm: none}",
        "---",
        "%a",
    ),
]
CHARACTERS = st.sampled_from("\t\0 :,[]{}#&*!|>'\"%@`-?~\\\n\r\u2028\ufeff\ud7ff") | st.characters(
    codec="utf-8"
)
SCALAR = re.compile(r"(?<=[:\[,] )[^,\]\[{}#\n]+|(?<=\[)[^,\]\[{}#\n]+")


@pytest.fixture(autouse=True, scope="module")
def _few_cells():
    """A sweep of more networks is refused as one of 100,000 is."""
    with pytest.MonkeyPatch.context() as patch:
        for module in (axes, networks):
            patch.setattr(module, "MAX_NETWORKS", 500)
        yield


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")


@st.composite
def mutated(draw, texts):
    text = draw(st.sampled_from(texts))
    for change in draw(st.lists(st.sampled_from(CHANGES), min_size=1, max_size=2)):
        text = change(draw, text)
    return text


def _lines(draw, text):
    """A line gone, twice, at another place or deeper."""
    lines = text.splitlines(keepends=True) or [""]
    i, j = (draw(st.integers(0, len(lines) - 1)) for _ in range(2))
    how = draw(st.sampled_from(("gone", "twice", "swapped", "deeper")))
    if how == "swapped":
        lines[i], lines[j] = lines[j], lines[i]
    else:
        new = {"gone": [], "twice": [lines[i]] * 2, "deeper": [f"  {lines[i]}"]}
        lines[i : i + 1] = new[how]
    return "".join(lines)


def _scalar(draw, text):
    """A value replaced by an odd one or by another value of the text."""
    found = [m for m in SCALAR.finditer(text) if not text[: m.start()].endswith("extends: ")]
    if not found:
        return text
    old = draw(st.sampled_from(found))
    others = [match[0] for match in found]
    new = draw(st.sampled_from(ODD) | st.sampled_from(others))
    return text[: old.start()] + new + text[old.end() :]


def _character(draw, text):
    i = draw(st.integers(0, len(text)))
    return text[:i] + draw(CHARACTERS) + text[i + draw(st.integers(0, 2)) :]


def _odd(draw, text):
    i = draw(st.integers(0, len(text)))
    return text[:i] + draw(st.sampled_from(ODD)) + text[i:]


CHANGES = (_lines, _scalar, _scalar, _scalar, _scalar, _character, _odd)


def experiment_or_error(text):
    """How many networks it has, 0 for an error; without a hang, and without a file made."""
    path = Path("..", "fuzz.yaml").resolve()
    path.write_bytes(text.encode("utf-8", "surrogatepass"))
    with no_hang():
        try:
            config = bnexp.load_config(path)
            plan = make_plan(config)
            number = len(plan.networks)
            fitting_figures(config, plan)
            check_claims(config, plan)
        except bnexp.BnexpError as error:
            number, said = 0, str(error)
            assert said.strip()
            assert len(said) < 200_000
    assert os.listdir() == []
    assert sorted(os.listdir("..")) == ["fuzz.yaml", "here"]
    return number


def examples(number, strategy, body):
    """Call `body` with so many examples, always the same ones."""
    made = settings(
        max_examples=number,
        deadline=None,
        derandomize=True,
        database=None,
        suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large],
    )

    def fixed(value):
        body(value)

    made(given(strategy)(fixed))()


@pytest.mark.slow
@pytest.mark.parametrize("number", [100, pytest.param(long(1000), marks=pytest.mark.slow)])
def test_a_shipped_text_with_mistakes(number):
    found = []
    examples(number, mutated(SHIPPED), lambda text: found.append(experiment_or_error(text)))
    assert len(found) >= number
    assert 0 < sum(map(bool, found)) < len(found)  # some are experiments still


@pytest.mark.slow
@pytest.mark.parametrize("number", [150, pytest.param(long(4000), marks=pytest.mark.slow)])
def test_a_small_text_with_mistakes(number):
    found = []
    texts = mutated([RICH, GOOD]) | mutated(SMALL)
    examples(number, texts, lambda text: found.append(experiment_or_error(text)))
    assert len(found) >= number
    assert 0 < sum(map(bool, found)) < len(found)


@pytest.mark.slow
def test_a_name_that_is_taken_is_one_folder():
    odd = st.text(max_size=80) | st.from_regex(r"[a-z./\\~ -]{1,70}", fullmatch=True)
    examples(100, odd, one_folder_or_error)


def one_folder_or_error(text):
    try:
        config = bnexp.load_config("quickstart", {"name": text})
    except bnexp.ConfigError as error:
        assert re.search(r"^(override )?name: ", str(error), re.MULTILINE)  # noqa: PT017
        return
    assert re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}", config.name)
    assert Path("results", config.name).resolve().parent == Path("results").resolve()


LOST = [
    *("nowhere", "a/b", "../x.yaml", "a\0b", "a\0b.yaml", "größe", "~nobody/x.yaml", "*"),
    *("/dev/null/x.yaml", "a/" * 20 + "b.yaml", "\udcff", ".."),
]
LOST += ["", ".", "/", LONG, f"{LONG}.yaml", "a/" * 3000 + "b.yaml"]


@pytest.mark.parametrize("name", LOST, ids=lambda name: repr(name[:12]))
def test_an_experiment_that_is_nowhere(name, tmp_path):
    with pytest.raises(bnexp.ConfigError, match="expected a shipped experiment or the path"):
        bnexp.load_config(name)
    if "\0" not in name and "\udcff" not in name:
        path = tmp_path / "child.yaml"
        path.write_text(f"name: child\nextends: '{name}'\n")
        with pytest.raises(bnexp.ConfigError, match=r"child\.yaml:2:10: extends: "):
            bnexp.load_config(path)


@pytest.mark.parametrize(
    ("out", "status"),
    [
        *(("", 2), ("  ", 2), (LONG, 4), ("small.yaml", 4), ("small.yaml/x", 4)),
        ("a\0b", 4),
        *(("a/../b", 0), ("größe 🙂\n", 0), ("./--out", 0), ("/dev/null/x", 4), ("x/" * 3000, 4)),
    ],
)
def test_a_run_goes_where_it_is_told_or_is_refused(out, status):
    text = CASES["no seeds"][0].replace("random: {seeds: []}", "figures: []")
    Path("small.yaml").write_text(text)
    done = CliRunner().invoke(cli, ["run", "small.yaml", "--out", out, "-j", "1", "--quiet"])
    assert done.exit_code == status, done.output
    assert done.output.strip() if status else (Path(out) / "metrics.csv").is_file()
    assert "mistake of the program" not in done.output
    made = {path for path in os.listdir() if path != "small.yaml"}
    assert made == (set() if status else made & {"a", "b", "größe 🙂\n", "--out"})
    assert sorted(os.listdir("..")) == ["here"]
