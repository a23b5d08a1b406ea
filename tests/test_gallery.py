"""The references of the shipped experiments, and what is written from them."""

from __future__ import annotations

import json
import re
from collections import Counter
from math import isnan
from pathlib import Path

import pytest

import bnexp
from bnexp.claims import HEADINGS
from bnexp.config import document
from bnexp.config.claims import OF_A_SOURCE
from bnexp.nn.initializers import INITIALIZERS
from bnexp.nn.normalizers import NORMALIZERS
from bnexp.nn.optimizers import OPTIMIZERS, SCHEDULES
from bnexp.probes import PROBES
from bnexp.replication import FILE, not_replicable, outcome
from bnexp.sweep.networks import make_plan

ROOT = Path(__file__).parents[1]
REFERENCE = ROOT / "results" / "reference"
NAMES = document.experiment_names()
PAGE = (ROOT / "docs" / "gallery.md").read_text()


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_an_experiment_has_its_reference(name):
    """Made from the configuration that is shipped, with the verdicts that it expects."""
    config, folder = bnexp.load_config(name), REFERENCE / name
    assert bnexp.config.resolved(config) == (folder / "config.yaml").read_text()
    claims = config.experiment.claims or ()
    made = json.loads((folder / "claims.json").read_text())["claims"] if claims else []
    assert [claim["says"] for claim in made] == [claim.says for claim in claims]
    assert [claim["verdict"] for claim in made] == [claim.expect for claim in claims]
    assert list((folder / "figures").glob("*.png"))
    assert json.loads((folder / "manifest.json").read_text())["name"] == name


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in NAMES if (REFERENCE / name / FILE).is_file()])
def test_a_replication_fits_the_experiment(name):
    """On seeds of its own, of all claims, and without a reversed verdict."""
    experiment = bnexp.load_config(name).experiment
    made = json.loads((REFERENCE / name / FILE).read_text())
    seeds, random = made["seeds"], experiment.random
    assert made["name"] == name
    assert seeds["published"] == [*random.seeds]
    assert seeds["design"] == [*(random.design_seeds or ())]
    assert seeds["replication"]
    assert not {*seeds["replication"]} & {*seeds["published"], *seeds["design"]}
    claims = experiment.claims or ()
    described = [(one["says"], one["kind"], one["published"]) for one in made["claims"]]
    assert described == [(claim.says, claim.kind, claim.expect) for claim in claims]
    for claim, one in zip(claims, made["claims"], strict=True):
        reason = not_replicable(claim, experiment)
        expected = "not replicable" if reason else outcome(claim.expect, one["verdict"])
        assert one["outcome"] == expected != "reversed", claim.says


def test_the_references_are_those_of_shipped_experiments_and_small():
    assert sorted(path.name for path in REFERENCE.iterdir() if path.is_dir()) == NAMES
    assert sum(p.stat().st_size for p in REFERENCE.rglob("*") if p.is_file()) < 60e6
    assert not list(REFERENCE.rglob("cells"))


@pytest.mark.slow
def test_there_are_as_many_experiments_and_claims_as_the_gallery_says():
    claims = [c for name in NAMES for c in bnexp.load_config(name).experiment.claims or ()]
    own = [claim for claim in claims if claim.kind == "measured"]
    number = len(claims) - len(own)
    assert f"{len(NAMES)} experiments. Their sources make {number} claims:" in PAGE
    assert f"Beside them stand {len(own)} observations of their authors: " in PAGE
    for kind in OF_A_SOURCE:
        of_kind = sum(claim.kind == kind for claim in claims)
        assert (f"- {of_kind} {HEADINGS[kind]}: " in PAGE) == (of_kind > 0)
    assert len(NAMES) >= 20
    assert len(claims) >= 60


def test_the_gallery_shows_every_figure_of_every_experiment():
    headings = re.findall(r"^#### (\w+)$", PAGE, re.MULTILINE)
    assert sorted(headings) == NAMES
    shown = re.findall(r"!\[[^\]]+\]\(\.\./(results/reference/[^)]*)\)\n\n\*([A-Z].*\.)\*\n", PAGE)
    figures = {path.relative_to(ROOT).as_posix() for path in REFERENCE.glob("*/figures/*.png")}
    assert len(shown) == len(figures)
    assert {path for path, _ in shown} == figures


@pytest.mark.slow
def test_every_experiment_says_what_it_is():
    for name in NAMES:
        experiment = bnexp.load_config(name).experiment
        assert experiment.title, name
        assert experiment.source, name
        assert experiment.description, name
        assert experiment.seconds, name


@pytest.mark.slow
def test_reproducing_says_which_verdicts_changed(small, script, tmp_path, monkeypatch, capsys):
    reproduce = script("reproduce_all")
    text = small.read_text() + (
        'claims:\n  - {says: "it learns", measure: final_train_loss, at_least: 1.0e-9}\n'
    )
    folder = tmp_path / "configs"
    folder.mkdir()
    (folder / "small.yaml").write_text(text)
    monkeypatch.setattr(document, "experiments_folder", lambda: folder)
    monkeypatch.setattr(reproduce, "REFERENCE", tmp_path / "reference")
    reproduce.main(["-j", "1"])
    assert "1 supported; 2 new seeds: 1 same, 0 weaker" in capsys.readouterr().out
    kept = {p.name for p in (tmp_path / "reference" / "small").rglob("*") if p.is_file()}
    assert {"claims.json", "config.yaml", "manifest.json", "metrics.csv", "curves.png"} <= kept
    assert not any(name.endswith((".svg", ".lock")) for name in kept)
    path = tmp_path / "reference" / "small" / "claims.json"
    path.write_text(path.read_text().replace('"verdict": "supported"', '"verdict": "refuted"'))
    with pytest.raises(SystemExit) as ended:
        reproduce.main(["-j", "1", "small", "--replicate", "0"])
    assert "small: refuted before, supported now: it learns" in str(ended.value)
    assert not (path.parent / FILE).exists()


@pytest.mark.slow
def test_reproducing_replicates_and_says_what_is_reversed(
    small, script, tmp_path, monkeypatch, capsys
):
    reproduce = script("reproduce_all")
    claim = "{says: it learns, kind: published, measure: final_train_loss, at_least: 1.0e-9, "
    text = f"{small.read_text()}source: a paper\nclaims:\n  - {claim}expect: EXPECT}}\n"
    folder = tmp_path / "configs"
    folder.mkdir()
    (folder / "small.yaml").write_text(text.replace("EXPECT", "supported"))
    monkeypatch.setattr(document, "experiments_folder", lambda: folder)
    monkeypatch.setattr(reproduce, "REFERENCE", tmp_path / "reference")
    reproduce.main(["-j", "1", "--replicate", "3", "--images", "draw"])
    assert "3 new seeds: 1 same, 0 weaker, 0 stronger, 0 reversed" in capsys.readouterr().out
    path = tmp_path / "reference" / "small" / FILE
    first = json.loads(path.read_text())
    assert (len(first["seeds"]["replication"]), first["images"]) == (3, "draw")
    others = {p: p.read_bytes() for p in path.parent.rglob("*") if p.is_file() and p != path}
    (folder / "small.yaml").write_text(text.replace("EXPECT", "refuted"))
    with pytest.raises(SystemExit) as ended:
        reproduce.main(["-j", "1", "--only-replicate", "0"])
    expected = "small: refuted as published, supported on new seeds: it learns"
    assert expected in str(ended.value)
    again = json.loads(path.read_text())
    assert again["claims"][0]["outcome"] == "reversed"
    assert again["seeds"] == first["seeds"]  # drawn once
    assert {p: p.read_bytes() for p in others} == others
    (folder / "small.yaml").write_text(text.replace("EXPECT", "supported"))
    reproduce.main(["-j", "1", "--only-replicate", "5"])
    more = json.loads(path.read_text())["seeds"]["replication"]
    assert (len(more), more[:3]) == (5, first["seeds"]["replication"])
    others = text.replace("EXPECT", "supported").replace("it learns", "it does")
    (folder / "small.yaml").write_text(others)
    reproduce.main(["-j", "1", "--only-replicate", "3"])
    assert json.loads(path.read_text())["seeds"]["replication"] != more[:3]
    with pytest.raises(SystemExit):
        reproduce.main(["--replicate", "-1"])
    assert "expected numbers of seeds from 0" in capsys.readouterr().err


@pytest.mark.slow
def test_readme_counts_the_claims_of_sources(script):
    """But for replays of the book's scripts, which are not about other seeds."""
    gallery = script("pages.gallery")
    claims = [
        (claim["verdict"], again["outcome"])
        for name, _, judged in gallery.experiments()
        for claim, again in zip(judged, gallery.replication(name).get("claims", ()), strict=False)
        if gallery.kind_of(claim) != "measured" and again["outcome"] != "not replicable"
    ]
    counts = Counter(verdict for verdict, _ in claims)
    text = (ROOT / "README.md").read_text("utf-8")
    sentence = re.search(
        r"judges (\d+) claims .*?(\d+) are supported, (\d+) do not hold, and (\d+) are\s",
        text,
        re.DOTALL,
    )
    assert [int(number) for number in sentence.groups()] == [
        len(claims),
        *(counts[verdict] for verdict in ("supported", "refuted", "undecided")),
    ]
    assert "reversed" not in {outcome for _, outcome in claims}


@pytest.mark.slow
def test_the_gallery_is_reproduced_in_45_minutes_and_long_experiments_if_named(script):
    reproduce = script("reproduce_all")
    usual = reproduce.usual_names()
    assert sum(map(reproduce.expected_seconds, usual)) <= 45 * 60
    assert {*NAMES} - {*usual} == {"weight_scale_250_seeds"}


@pytest.mark.slow
def test_reproducing_side_by_side_gives_the_same(script, tmp_path, monkeypatch, capsys):
    """In as many processes as there are experiments, and one after the other in two."""
    reproduce = script("reproduce_all")
    names = ["rank", "scale_invariance"]
    tables = []
    for folder, words in (("beside", names), ("alone", names[:1]), ("alone", names[1:])):
        monkeypatch.setattr(reproduce, "REFERENCE", tmp_path / folder)
        reproduce.main(["-j", "2", "--replicate", "0", *words])
    lines = capsys.readouterr().out.splitlines()
    assert sorted(line.split()[2] for line in lines[:2]) == names
    for folder in ("beside", "alone"):
        found = sorted((tmp_path / folder).rglob("*.csv"))
        tables.append([_without_times(path) for path in found])
    assert tables[0] == tables[1] != []


def _without_times(path):
    """The rows of a table without the column of seconds, which differ."""
    rows = [line.split(",") for line in path.read_text().splitlines()]
    kept = [number for number, name in enumerate(rows[0]) if name != "seconds"]
    return [[row[number] for number in kept] for row in rows]


def test_q_values_of_the_gallery_are_over_the_claims_of_all_experiments(script, monkeypatch):
    """Claims without a p-value, and those of files that have none yet, do not count."""
    gallery = script("pages.gallery")
    claims = [{"p": 0.01}, {"p": None}], [{"p": 0.02}, {}, {"p": 0.9}]
    monkeypatch.setattr(gallery, "experiments", lambda: [("name", {}, part) for part in claims])
    q_values = gallery.gallery_q_values()
    assert [q_values[place] for place in (0, 2, 4)] == pytest.approx([0.03, 0.03, 0.9])
    assert all(map(isnan, (q_values[1], q_values[3])))
    line = gallery._claim({"verdict": "supported", "says": "It is so.", "reason": "n = 5"}, 0.03)
    assert line == "- **supported** (measured): It is so. (n = 5; q = 0.03)"


@pytest.mark.slow
def test_every_claim_of_a_source_is_on_the_page_of_the_literature(script):
    literature = script("pages.literature")
    works = literature.by_work()
    claims = [
        claim.says
        for name in NAMES
        for claim in bnexp.load_config(name).experiment.claims or ()
        if claim.kind in OF_A_SOURCE
    ]
    assert sorted(j.claim["says"] for group in works.values() for j in group) == sorted(claims)
    page = literature.page()
    headings = re.findall(r"^## (.*)$", page, re.MULTILINE)
    assert headings == list(works)
    assert {literature.anchor(h) for h in headings} == set(
        re.findall(r"^\| \[.*?\]\(#(.*?)\)", page, re.MULTILINE)
    )


@pytest.mark.parametrize(
    ("verdict", "kind", "q", "outcome", "certainty"),
    [
        ("supported", "direction", 0.01, "same", "sure"),
        ("refuted", "theory", 0.01, "same", "sure"),
        ("supported", "direction", 0.06, "same", "less sure"),
        ("supported", "direction", 0.01, "weaker", "less sure"),
        ("supported", "direction", 0.01, None, "less sure"),
        ("undecided", "direction", 0.01, "same", "open"),
        ("supported", "published", 0.01, "not replicable", "a replay"),
    ],
)
def test_a_verdict_is_sure_if_new_seeds_repeat_it(script, verdict, kind, q, outcome, certainty):
    claim = {"verdict": verdict, "kind": kind}
    assert script("pages.literature").certainty_of(claim, q, outcome) == certainty


def test_a_claim_belongs_to_the_publication_that_its_source_names_first(script):
    heading = script("pages.literature").heading
    references = [
        {"authors": ["Ann Ink"], "title": "On Ink", "year": 2001},
        {"authors": ["Bo Oak", "Cy Elm", "Di Ash"], "title": "On Wood", "year": 2002},
    ]
    values = {"source": "after Ink 2001", "references": references}
    assert heading({"source": "Oak et al. 2002, section 3; Ink 2001"}, values) == (
        "Oak et al. 2002: On Wood"
    )
    assert heading({"source": "derived here"}, values) == "Ink 2001: On Ink"
    assert heading({"source": "derived here"}, {"source": "a friend"}) == "a friend"
    work = {"authors": ["Ed van den Elk"], "title": "On Elk", "year": 2003}
    assert script("pages.literature").title(work) == "van den Elk 2003: On Elk"


@pytest.mark.slow
def test_whatever_trains_a_network_is_used_by_an_experiment():
    inits, norms, optimizers, schedules = set(), set(), set(), set()
    for name in NAMES:
        for network in make_plan(bnexp.load_config(name)).networks:
            model, train = network.setting.model, network.setting.train
            inits |= {init.kind for init in (model.init, *model.layer_init.values())}
            norms.add(model.norm.kind if model.norm else None)
            optimizers.add(train.optimizer.kind)
            schedules.add(train.schedule.kind)
    assert inits >= {*INITIALIZERS.builtin}
    assert norms >= {*NORMALIZERS.builtin}
    assert optimizers >= {*OPTIMIZERS.builtin}
    assert schedules >= {*SCHEDULES.builtin}


@pytest.mark.slow
def test_every_probe_is_used_by_an_experiment():
    experiments = [bnexp.load_config(name).experiment for name in NAMES]
    used = {probe.kind for e in experiments if e.probes for probe in e.probes.read}
    assert used >= {*PROBES.builtin}
