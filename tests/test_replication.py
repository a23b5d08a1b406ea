"""Replications: the seeds that are drawn, and what is said of each claim."""

from __future__ import annotations

import json

import pytest
from click.testing import CliRunner

import bnexp
from bnexp import replication
from bnexp.cli.arguments import seeds_or_number
from bnexp.cli.main import cli
from bnexp.replication import outcome, replicate, replication_lines

TEXT = """\
name: two
title: Two
source: a paper
data: {name: synthetic, train: 100}
model: {hidden: [8]}
train: {epochs: 1, batch_size: 50}
random: {seeds: [0, 1], design_seeds: [5, 6, 7]}
sweep: {model.norm: [batch, none]}
figures: []
claims:
  - {says: first, kind: published, measure: final_train_loss, at_least: 1.0e-9}
  - {says: second, measure: final_train_loss, at_most: 1.0e+9}
"""
REVERSED = """\
  - {says: third, kind: theory, measure: final_train_loss, at_least: 2.0e-9, expect: refuted}
  - {says: fourth, kind: direction, measure: final_train_loss, at_least: 3.0e-9, expect: undecided}
  - says: fifth
    kind: direction
    measure: final_train_loss
    where: {model.norm: layer}
    absent: undecided
    at_least: 4.0e-9
"""
BOOK = """\
name: replay
data: {name: synthetic, train: 100}
model: {hidden: [8], init: {kind: normal, std: 0.01}}
train: {epochs: 1, batch_size: 50, sampling: with_replacement, evaluate: book}
random: {stream: book, seeds: [0]}
figures: []
claims:
  - {says: printed, measure: final_train_accuracy, equals: [0.97]}
"""


@pytest.fixture
def two(config_file):
    return config_file(TEXT, "two.yaml")


def call(*arguments):
    return CliRunner().invoke(cli, [str(argument) for argument in arguments])


@pytest.mark.parametrize(
    ("published", "here", "expected"),
    [
        ("supported", "supported", "same"),
        ("supported", "undecided", "weaker"),
        ("supported", "refuted", "reversed"),
        ("undecided", "supported", "stronger"),
        ("undecided", "undecided", "same"),
        ("undecided", "refuted", "stronger"),
        ("refuted", "supported", "reversed"),
        ("refuted", "undecided", "weaker"),
        ("refuted", "refuted", "same"),
    ],
)
def test_what_a_replication_says_of_a_published_verdict(published, here, expected):
    assert outcome(published, here) == expected


def test_seeds_are_drawn_until_as_many_are_new_as_the_experiment_has(two, monkeypatch):
    numbers = iter([0, 6, 9, 9, 1, 3])
    monkeypatch.setattr(replication.secrets, "randbelow", lambda limit: next(numbers))
    monkeypatch.setattr(replication, "LOWEST_SEED", 0)
    made = replicate(two)
    assert made.seeds == (9, 3)
    assert (made.published, made.design, made.draws_images) == ((0, 1), (5, 6, 7), False)
    assert set(made.result.summary["seed"]) == {9, 3}
    assert [claim.outcome for claim in made.claims] == ["same", "same"]
    assert not made.reversed


def test_seeds_come_from_the_operating_system(two):
    first, second = (replicate(two, seeds=4).seeds for _ in range(2))
    for seeds in (first, second):
        assert len({*seeds}) == 4
        assert not {*seeds} & {0, 1, 5, 6, 7}
        assert all(0 <= seed < replication.LARGEST_SEED for seed in seeds)
    assert first != second


def test_a_replication_goes_on_with_its_seeds(two, tmp_path):
    out = tmp_path / "out"
    first = replicate(two, out=out)
    again = replicate(two, out=out)
    assert (again.seeds, again.result.trained) == (first.seeds, 0)
    more = replicate(two, out=out, seeds=3)
    assert (more.seeds[:2], more.result.trained) == (first.seeds, 2)
    again = replicate(two, out=out)
    assert (again.seeds, again.result.trained) == (more.seeds, 0)
    with pytest.raises(
        bnexp.ConfigError, match=r"a replication on 3 seeds, expected as many or mo"
    ):
        replicate(two, out=out, seeds=2)
    with pytest.raises(bnexp.ConfigError, match=r"got a list without \d+ and \d+; take another"):
        replicate(two, out=out, seeds=[more.seeds[0], 8])
    config = bnexp.load_config(out)
    assert config.experiment.random.seeds == more.seeds
    assert config.experiment.random.design_seeds == (5, 6, 7)


def test_a_replication_says_on_how_many_seeds_it_was_tried_before(two, tmp_path):
    out = tmp_path / "out"
    for number, earlier in ((2, ()), (2, ()), (3, (2,)), (5, (2, 3)), (None, (2, 3))):
        made = replicate(two, out=out, seeds=number)
        assert made.earlier == earlier
        content = json.loads((out / "replication.json").read_text())
        assert content.get("earlier", []) == [*earlier]
    assert "after replications on 2 and 3 of them" in [*replication_lines(made)]
    forged = [
        "[]",
        "[" * 100_000,
        "{}",
        '{"seeds": {"replication": [-1]}}',
        '{"seeds": {"replication": [1, 2]}, "earlier": "3"}',
        '{"seeds": {"replication": [1, 2]}, "earlier": [1e400]}',
    ]
    for text in forged:
        (out / "replication.json").write_text(text)
        with pytest.raises(bnexp.StoreError, match=r"replication.json: damaged, .*expected"):
            replicate(two, out=out)


@pytest.mark.parametrize(
    ("old", "new", "part"),
    [
        ("at_most: 1.0e+9}", "at_most: 1.0e+8}", "claims"),
        ("says: second", "says: other", "claims"),
        ("epochs: 1", "epochs: 2", "train"),
        ("[batch, none]", "[layer, none]", "sweep"),
    ],
)
def test_a_replication_of_another_version_of_the_experiment_is_left_alone(
    two, tmp_path, old, new, part
):
    out = tmp_path / "out"
    replicate(two, out=out)
    before = (out / "replication.json").read_text()
    assert old in TEXT
    two.write_text(TEXT.replace(old, new))
    with pytest.raises(bnexp.ConfigError, match=f"same settings and claims, got other {part}; tak"):
        replicate(two, out=out)
    with pytest.raises(bnexp.ConfigError, match="out: a replication of another version of two"):
        replicate(two, out=out, seeds=9)
    assert (out / "replication.json").read_text() == before
    two.write_text(TEXT.replace("title: Two", "title: Another"))
    assert replicate(two, out=out).result.trained == 0


def test_given_seeds_are_taken(two):
    made = replicate(two, seeds=[30, 10], overrides={"train.epochs": 2})
    assert made.seeds == (30, 10)
    assert made.result.config.experiment.train.epochs == 2


def test_images_are_drawn_by_each_seed(two):
    kept, drawn = (replicate(two, seeds=[3], draw_images=draw) for draw in (False, True))
    assert kept.result.config.experiment.data.draw == "first"
    assert drawn.result.config.experiment.data.draw == "seed"
    losses = [made.result.summary["final_train_loss"].tolist() for made in (kept, drawn)]
    assert losses[0] != losses[1]
    assert "with images drawn for each: 3" in next(iter(replication_lines(drawn)))


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (
            {"seeds": [8, 1]},
            "seeds: no replication, expected seeds that are not in random.seeds and",
        ),
        ({"seeds": [8, 1, 6]}, "random.design_seeds, got 1 and 6"),
        ({"seeds": 0}, "seeds: expected a number from 2 to 1,000, got 0"),
        ({"seeds": True}, "seeds: expected a number from 2 to 1,000, got True"),
        ({"seeds": 1001}, "seeds: expected a number from 2 to 1,000, got 1001"),
        ({"seeds": []}, "random.seeds: not a valid value, expected a list of at least 1"),
        ({"seeds": [-3]}, "random.seeds[0]: not a valid value, expected a number >= 0, got -3"),
        ({"seeds": [8, 8]}, "random.seeds: a seed twice, expected each once, got 8 again"),
        ({"seeds": "8"}, "seeds: expected a number or a list of seeds, got '8'"),
        ({"draw_images": "draw"}, "draw_images: expected True or False, got 'draw'"),
        ({"overrides": {"claims": None}}, "two.yaml: nothing to replicate, expected claims that c"),
        ({"overrides": {"train.epoch": 1}}, "train.epoch: unknown key"),
    ],
)
def test_what_cannot_be_meant(two, arguments, expected):
    with pytest.raises(bnexp.ConfigError) as caught:
        replicate(two, **arguments)
    assert expected in str(caught.value)


def test_a_folder_of_another_run_is_left_alone(two, config_file, tmp_path):
    own = tmp_path / "own"
    bnexp.run(bnexp.load_config(two, {"random.seeds": [0, 1]}), own)
    with pytest.raises(
        bnexp.ConfigError, match=r"own: no replication, expected seeds .* got 0 and"
    ):
        replicate(two, out=own)
    other = config_file(TEXT.replace("name: two", "name: other"), "other.yaml")
    replicate(other, out=tmp_path / "other")
    with pytest.raises(bnexp.ConfigError, match="other: a run of other, expected a replication of"):
        replicate(two, out=tmp_path / "other")
    assert not (own / "replication.json").exists()
    seen = tmp_path / "seen"
    bnexp.run(bnexp.load_config(two, {"random.seeds": [91, 92]}), seen)
    with pytest.raises(bnexp.ConfigError, match="seen: a run that is no replication"):
        replicate(two, out=seen)


def test_what_was_chosen_by_hand_is_said(two, tmp_path):
    out = tmp_path / "out"
    given = replicate(two, out=out, seeds=[81, 82], assignments=["train.optimizer.lr=0.2"])
    content = json.loads((out / "replication.json").read_text())
    assert (content["seeds"]["drawn"], content["changed"]) == (False, ["train.optimizer.lr=0.2"])
    text = " ".join(replication_lines(given))
    assert "seeds were given, not drawn" in text
    assert "not the experiment's own settings: train.optimizer.lr=0.2" in text
    more = replicate(two, {"train.optimizer.lr": 0.2}, out, seeds=4)
    assert (more.drawn, more.changed, more.seeds[:2]) == (False, ("train.optimizer.lr",), (81, 82))
    drawn = replicate(two, seeds=2)
    assert (drawn.drawn, drawn.changed) == (True, ())
    assert not {"given", "settings"} & {*" ".join(replication_lines(drawn)).split()}


def test_printed_numbers_of_a_seed_are_not_replicable(config_file):
    """What the book's script prints after numpy.random.seed(0) says nothing of other seeds."""
    path = config_file(BOOK)
    with pytest.raises(bnexp.ConfigError, match="but all are about numbers of its own seeds"):
        replicate(path)
    more = "  - {says: more, measure: final_train_loss, at_least: 3.0e-9, expect: undecided}\n"
    made = replicate(config_file(BOOK + more))
    assert [(c.outcome, c.reason) for c in made.claims] == [
        ("not replicable", "about seed 0"),
        ("stronger", ""),  # of the one seed of the experiment it is undecided
    ]
    assert not made.reversed
    lines = [*replication_lines(made)]
    assert lines[-2:] == [
        "measured        0 same, 0 weaker, 1 stronger, 0 reversed",
        "not replicable  1",
    ]
    assert "about seed 0" in " ".join(lines)
    with pytest.raises(bnexp.ConfigError, match="images cannot be drawn, expected random"):
        replicate(config_file(BOOK + more), draw_images=True)
    # Without the replay `equals` is a claim about any seed.
    plain = BOOK.replace("stream: book, ", "").replace("evaluate: book", "evaluate: epoch")
    assert replicate(config_file(plain)).claims[0].outcome == "reversed"


@pytest.fixture
def reversing(config_file):
    return config_file(TEXT + REVERSED, "two.yaml")


def test_the_command_says_what_is_reversed(reversing, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = call("replicate", reversing, "--seeds", "11,12", "-j", 1)
    assert made.exit_code == 1
    lines = made.output.splitlines()
    assert "replication on 2 new seeds: 11, 12" in lines
    places = [
        next(i for i, line in enumerate(lines) if says in line)
        for says in ("first", "fourth", "fifth", "third", "second")
    ]
    assert places == sorted(places)
    assert [lines[i].split()[0] for i in places] == [
        "same",
        "stronger",
        "weaker",
        "reversed",
        "same",
    ]
    assert "expected: does not hold; here: supported" in " ".join(made.output.split())
    assert [line for line in lines if line.endswith("reversed")] == [
        "published  1 same, 0 weaker, 0 stronger, 0 reversed",
        "direction  0 same, 1 weaker, 1 stronger, 0 reversed",
        "theory     0 same, 0 weaker, 0 stronger, 1 reversed",
        "measured   1 same, 0 weaker, 0 stronger, 0 reversed",
    ]
    assert max(map(len, lines)) <= 80
    content = json.loads((tmp_path / "results/two-replication/replication.json").read_text())
    assert content["bnexp_replication"] == 1
    assert content["seeds"] == {
        "replication": [11, 12],
        "published": [0, 1],
        "design": [5, 6, 7],
        "drawn": False,
    }
    assert (content["name"], content["images"]) == ("two", "keep")
    third = content["claims"][2]
    assert third["says"] == "third"
    assert [third[key] for key in ("kind", "published", "outcome", "verdict")] == [
        "theory",
        "refuted",
        "reversed",
        "supported",
    ]


def test_the_command_without_a_reversal(two, tmp_path):
    out = tmp_path / "out"
    made = call("replicate", two, "--seeds", "2", "--images", "draw", "--out", out, "-j", 1)
    assert made.exit_code == 0
    seeds = json.loads((out / "replication.json").read_text())["seeds"]["replication"]
    assert f"new seeds, with images drawn for each: {seeds[0]}, {seeds[1]}" in made.output
    again = call("replicate", two, "--images", "draw", "--out", out, "-j", 1, "--quiet")
    assert (again.exit_code, again.output) == (0, "")
    assert json.loads((out / "replication.json").read_text())["seeds"]["replication"] == seeds


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (("--seeds", "5-3"), "expected a number of seeds"),
        (("--seeds", "1,x"), "expected a number of seeds"),
        (("--seeds", "1,8"), "seeds: no replication, expected seeds that are not in random.seeds"),
        (("--images", "new"), "'new' is not one of 'keep', 'draw'"),
        (("--out", " "), "expected a folder, got an empty name"),
        (("--set", "train.epoch=1"), "train.epoch: unknown key"),
    ],
)
def test_wrong_options(two, words, expected, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    made = call("replicate", two, *words)
    assert (made.exit_code, expected in made.output) == (2, True)
    assert not (tmp_path / "results").exists()


def test_seeds_of_the_command():
    texts = ("5", "0,1,7", "3,", None)
    assert [seeds_or_number(text) for text in texts] == [5, [0, 1, 7], [3], None]


def test_an_experiment_that_is_a_mapping():
    claim = {"says": "it trains", "measure": "final_train_accuracy", "at_most": 0.99}
    experiment = {
        "data": {"name": "synthetic", "train": 100},
        "model": {"hidden": [6]},
        "train": {"epochs": 1, "batch_size": 50},
        "claims": [claim],
        "figures": [],
    }
    assert replicate(experiment, seeds=10).claims[0].outcome == "same"
    with pytest.raises(bnexp.ConfigError, match=r"^the mapping: nothing to replicate, expected"):
        replicate({**experiment, "claims": []}, seeds=2)
