"""Claims in an experiment's text: what is refused, where and why, and what is kept."""

from __future__ import annotations

import jsonschema
import pytest
import yaml

from bnexp.config import json_schema, load_config, resolved
from bnexp.errors import ConfigError
from bnexp.running import prepare

HEAD = """\
name: claimed
data: {name: synthetic, train: 200, test: 0}
model: {hidden: [12, 12]}
train: {epochs: 3, batch_size: 50}
random: {seeds: [0, 1]}
sweep:
  model.init: [{kind: normal, std: 0.1}, {kind: normal, std: 0.3}, he]
  train.optimizer.lr: [0.1, 0.025118864315095794, 0.01]
  model.norm: [{kind: batch, dialect: book}, {kind: batch, dialect: keras}, layer, none]
claims:
  - says: it is so
    measure: final_train_accuracy
"""
LR = "train.optimizer.lr"


def prepared(path):
    return prepare(load_config(path))


def refusal(path):
    """What loading the text, or preparing what it says, is answered with."""
    with pytest.raises(ConfigError) as caught:
        prepared(path)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("at_leas: 1", "13:5: claims[0].at_leas: unknown key, expected one of says, kind, s"),
        ("", "claims[0]: no single relation, expected exactly one of at_least, at_most, "),
        ("at_least: 1\n    at_most: 2", "got at_least and at_most"),
        ("at_least: x", "13:15: claims[0].at_least: not a valid value, expected a number, got 'x'"),
        ("at_least: .nan", "claims[0].at_least: not a valid value, expected a finite number"),
        ("at_least: 1\n    expect: maybe", "claims[0].expect: not a valid value, expected 'supp"),
        ("at_least: 1\n    tolerance: 1", "14:16: claims[0].tolerance: no use here, expected it b"),
        ("non_decreasing: x\n    in_at_least: 1", "claims[0].in_at_least: no use here, expected"),
        ("equals: []", "claims[0].equals: not a valid value, expected a list of at least 1"),
        ("at_least: 1\n    in_at_least: 0", "claims[0].in_at_least: not a valid value, expected a"),
        ("within: {of: 1}", "claims[0].within: no single distance, expected either by or relativ"),
        ("within: {of: 1, by: 1, relative: 1}", "expected either by or relative, got both"),
        ("near: {}", "claims[0].near: no single distance, expected either by or relative, got nei"),
        ("near: {by: 1, relative: 1}", "claims[0].near: no single distance, expected either by or"),
        ("near: {by: -1}", "claims[0].near.by: not a valid value, expected a number >= 0, got -1"),
        ("near: {relative: -1}", "claims[0].near.relative: not a valid value, expected a number >"),
        ("near: {by: 1, times: 0}", "claims[0].near.times: not a valid value, expected a number >"),
        ("near: {by: 1, where: {a: {}}}", "claims[0].near.where.a: no range, expected at_least, "),
        ("at_least: 1\n    kind: measure", "14:11: claims[0].kind: not a valid value, expected 'p"),
        (
            "at_least: 1\n    kind: measure",
            "or 'measured', got 'measure'; did you mean 'measured'?",
        ),
        (
            "at_least: 1\n    kind: theory",
            "14:11: claims[0].kind: no source, expected one of the c",
        ),
        ("within: {of: 1, by: -1}", "claims[0].within.by: not a valid value, expected a number >="),
        ("above: {times: 0}", "claims[0].above.times: not a valid value, expected a number > 0"),
        ("at_least: 1\n    where: {a: {}}", "claims[0].where.a: no range, expected at_least, at_"),
        ("at_least: 1\n    where: {a: {at_least: 2, at_most: 1}}", "an empty range, expected at_l"),
        ("at_least: 1\n    where: {a: {least: 2}}", "expected a value, a list of values, or {at_"),
        ("at_least: 1\n    where: {a: null}", "claims[0].where.a: not swept, expected one of"),
        (
            "at_least: 1\n    where: {a: [1, {}]}",
            "claims[0].where.a[1]: no range, expected at_least",
        ),
        (
            "at_least: 1\n    where: {a: [{at_least: 2, at_most: 1}]}",
            "a[0]: an empty range, expected",
        ),
        ("at_least: 1\n    where: {a: []}", "expected a value, a list of values, or {at_least"),
        ("at_least: 1\n    says: ''", "duplicate key 'says'"),
    ],
)
def test_mistakes_in_one_claim(text, expected, config_file):
    message = refusal(config_file(f"{HEAD}    {text}\n"))
    assert expected in message
    assert "experiment.yaml:1" in message


@pytest.mark.parametrize(
    ("measure", "expected"),
    [
        ("final_accuracy", "12:14: claims[0].measure: not a valid value, expected one of final_tr"),
        ("3", "expected a name such as final_train_accuracy, or a mapping with metric or with qua"),
        ("{at: final}", "claims[0].measure: not a valid value, expected a name such as final_trai"),
        ("{metric: accuracy}", "claims[0].measure.metric: not a valid value, expected 'train_los"),
        ("{metric: gap, at: {steps: 3}}", "12:32: claims[0].measure.at: not a valid value, expect"),
        ("{metric: gap, when: 3}", "claims[0].measure.when: unknown key, expected one of metric, "),
        ("{quantity: dead, layer: -1}", "claims[0].measure.layer: not a valid value, expected a n"),
        ("{quantity: dead, layer: 1, growth: [1, 2]}", "expected either layer or growth, got both"),
        ("{quantity: dead, growth: [2, 1]}", "claims[0].measure.growth: no growth, expected [fir"),
        ("{quantity: dead, step: often}", "claims[0].measure.step: not a valid value, expected a"),
        ("{quantity: dead, layer: 1}", "claims[0].measure.quantity: not recorded, expected probes"),
        ("final_gap", "claims[0].measure: no test images, expected data.test above 0 for gap, got"),
        ("{metric: train_loss, at: {step: 5}}", "claims[0].measure.at.step: not a step that is s"),
        ("{metric: train_loss, at: {epoch: 4}}", "expected one of 1, 2, 3, got 4; the nearest i"),
        ("{metric: train_loss, at: {mean_of_last: 4}}", "expected at most 3 evaluations, got 4"),
    ],
)
def test_mistakes_in_a_measure(measure, expected, config_file):
    text = HEAD.replace("final_train_accuracy", measure)
    message = refusal(config_file(f"{text}    at_least: 1\n"))
    assert expected in message
    assert "experiment.yaml:12:" in message


@pytest.mark.parametrize(
    ("measure", "expected"),
    [
        ("{quantity: gradient_nrm, layer: 1}", "got 'gradient_nrm'; did you mean 'gradient_norm'?"),
        ("{quantity: gradient_norm}", "measure: no such layer, expected 1 to 3 for gradient_norm"),
        ("{quantity: gradient_norm, layer: 4}", "measure.layer: no such layer, expected 1 to 3"),
        ("{quantity: gradient_norm, growth: [1, 4]}", "measure.growth: no such layer, expected 1"),
        ("{quantity: gradient_norm, layer: 1, step: 5}", "measure.step: not a step that is probe"),
        ("{quantity: gradient_norm, layer: 1, step: {mean_from: 13}}", "expected at most step 12"),
    ],
)
def test_what_probes_will_not_read(measure, expected, config_file):
    text = HEAD.replace("final_train_accuracy", measure)
    text = text.replace("random:", "probes: {read: [layers]}\nrandom:")
    assert expected in refusal(config_file(f"{text}    at_least: 1\n"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("where: {model.nrm: none}", "13:13: claims[0].where.model.nrm: not swept, expected one o"),
        ("where: {model.nrm: none}", "got 'model.nrm'; did you mean 'model.norm'?"),
        ("where: {model.norm: group}", "13:25: claims[0].where.model.norm: no value of the axis, "),
        ("where: {model.norm: batch}", "several values of the axis, expected one of batch dialec"),
        ("where: {model.norm: [none, rms]}", "13:32: claims[0].where.model.norm[1]: no value of"),
        (f"where: {{{LR}: 0.02}}", "no value of the axis, expected one of 0.1, 0.02512, 0.01, go"),
        (f"where: {{{LR}: {{at_least: 0.2}}}}", "expected some of 0.1, 0.02512, 0.01, got at_leas"),
        ("where: {model.norm: {at_least: 1}}", "no range of it, expected values of an axis that i"),
    ],
)
def test_selections_that_the_sweep_does_not_have(text, expected, config_file):
    assert expected in refusal(config_file(f"{HEAD}    {text}\n    at_least: 0.5\n"))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("equals: [1, 2]", "13:13: claims[0].equals: not one for each point, expected 36 numbers"),
        ("at_least: 1\n    in_at_least: 37", "claims[0].in_at_least: more than there are, expect"),
        ("non_decreasing: model.hidden", "13:21: claims[0].non_decreasing: not swept, expected"),
        ("non_increasing: model.norm\n    where: {model.norm: none}", "expected at least 2 value"),
        ("above: {by: 1}", "claims[0].above: compared with itself, expected other points, got m"),
        (
            "above: {where: {model.norm: none}}\n    where: {model.norm: none}",
            "compared with itsel",
        ),
        ("above: {where: {model.norm: [none, layer]}}", "several values, expected one to compare"),
        ("below: {where: {model.nor: none}}", "claims[0].below.where.model.nor: not swept"),
        ("below: {measure: final_gap}", "claims[0].below.measure: no test images"),
        ("near: {by: 1}", "claims[0].near: compared with itself, expected other points, got m"),
        ("near: {by: 1, where: {model.nor: none}}", "claims[0].near.where.model.nor: not swept"),
        ("near: {by: 1, measure: final_gap}", "claims[0].near.measure: no test images"),
    ],
)
def test_relations_that_do_not_fit_the_sweep(text, expected, config_file):
    assert expected in refusal(config_file(f"{HEAD}    {text}\n"))


ZIPPED = """\
name: zipped
data: {name: synthetic, train: 200, test: 0}
model: {hidden: [12]}
train: {epochs: 1, batch_size: 50}
sweep: {zip: {model.norm: [batch, none], train.optimizer.lr: [0.1, 0.01]}}
claims:
  - says: it is so
    measure: final_train_accuracy
"""


def test_axes_that_move_together_need_both_values(config_file):
    one = "    where: {model.norm: batch}\n    above: {where: {model.norm: none}}\n"
    assert "10:20: claims[0].above.where: no such point" in refusal(config_file(ZIPPED + one))
    assert "give every key that moves along" in refusal(config_file(ZIPPED + one))
    both = one.replace("model.norm: none", f"model.norm: none, {LR}: 0.01")
    assert len(prepared(config_file(ZIPPED + both)).plan.networks) == 2
    never = f"    where: {{model.norm: batch, {LR}: 0.01}}\n    at_least: 1\n"
    assert "no such points, expected a combination" in refusal(config_file(ZIPPED + never))
    along = "    non_decreasing: model.norm\n"
    assert len(prepared(config_file(ZIPPED + along)).plan.networks) == 2


LAYER = "where: {model.norm: layer}"
NONE = "where: {model.norm: none}"


@pytest.mark.parametrize(
    ("kind", "relation", "margins"),
    [
        ("direction", f"above: {{{NONE}, by: 0.1}}", "above.by"),
        ("direction", f"below: {{{NONE}, by: 0.1, times: 2}}", "below.by and below.times"),
        ("direction", f"near: {{{NONE}, by: 0.1}}", "near"),
        ("direction", "at_least: 0.5", "at_least"),
        ("direction", "at_most: 0.5", "at_most"),
        ("direction", "within: {of: 0.5, by: 0.1}", "within"),
        ("direction", f"above: {{{NONE}}}\n    in_at_least: 1", "in_at_least"),
        ("direction", f"non_increasing: {LR}\n    tolerance: 0.1", "tolerance"),
        ("direction", f"above: {{{NONE}}}", None),
        ("direction", f"non_increasing: {LR}\n    tolerance: 0", None),
        ("published", f"above: {{{NONE}, by: 0.1}}", None),
        ("theory", "within: {of: 0.5, by: 0.1}", None),
    ],
)
def test_only_what_a_source_says_can_be_expected_not_to_hold(kind, relation, margins, config_file):
    """The author's own margin cannot be refuted: it was chosen wrongly."""
    claim = f"    kind: {kind}\n    source: a paper\n    {LAYER}\n    {relation}\n"
    assert prepared(config_file(f"{HEAD}{claim}"))
    refuted = config_file(f"{HEAD}{claim}    expect: refuted\n")
    if margins is None:
        assert prepared(refuted)
        return
    line = (HEAD + claim).count("\n") + 1
    message = refusal(refuted)
    assert f"experiment.yaml:{line}:13: claims[0].expect: no refutation of the source" in message
    assert message.endswith(f"got refuted with {margins}")


def test_what_was_measured_is_not_expected_not_to_hold(config_file):
    text = f"{HEAD}    at_least: 0.5\n    kind: measured\n    expect: refuted\n"
    assert "15:13: claims[0].expect: no refutation of a source" in refusal(config_file(text))
    text = text.replace("    kind: measured\n", "")
    assert "14:13: claims[0].expect: no refutation of a source" in refusal(config_file(text))


def test_a_claim_of_a_source_has_one_of_its_own_or_the_experiments(config_file):
    text = f"{HEAD}    at_least: 0.5\n    kind: published\n"
    assert "expected one of the claim or of the experiment with publ" in refusal(config_file(text))
    assert prepared(config_file(f"{text}    source: a paper\n"))
    assert prepared(config_file(text.replace("data:", "source: a paper\ndata:")))


def test_the_kind_is_in_the_resolved_text_unless_it_is_the_default(config_file):
    text = f"{HEAD}    source: a paper\n    at_least: 0.5\n    kind: "
    config = load_config(config_file(f"{text}published\n"))
    assert 'kind: published, source: "a paper"' in resolved(config)
    again = load_config(config_file(resolved(config), "resolved.yaml"))
    assert again.experiment == config.experiment
    assert "kind: measured" not in resolved(load_config(config_file(f"{text}measured\n")))


FITTING = [
    f"where: {{{LR}: 0.0251}}",
    f"where: {{{LR}: {{at_most: 0.0251, at_least: 0.01}}}}",
    "where: {model.norm: batch dialect=book, model.init: he}",
    "where: {model.norm: [none, layer]}",
]


@pytest.mark.parametrize("text", FITTING)
def test_selections_as_people_type_them(text, config_file):
    config = load_config(config_file(f"{HEAD}    {text}\n    at_least: 0.5\n"))
    assert len(prepare(config).plan.networks) == 72


def test_a_kind_is_enough_where_it_is_the_only_one(config_file):
    text = HEAD.replace("{kind: batch, dialect: keras}, ", "").replace(
        "{kind: normal, std: 0.3}", "{kind: xavier}"
    )
    config = load_config(config_file(f"{text}    where: {{model.norm: batch}}\n    at_least: 1\n"))
    assert prepare(config).config is config


def test_the_resolved_text_repeats_the_claims(config_file):
    text = f"{HEAD}    where: {{{LR}: 0.0251}}\n    above: {{where: {{{LR}: 0.1}}, by: 0.1}}\n"
    config = load_config(config_file(text))
    again = load_config(config_file(resolved(config), "resolved.yaml"))
    assert again.experiment == config.experiment
    assert resolved(again) == resolved(config)
    assert resolved(config).index("claims:") > resolved(config).index("sweep:")


CLAIM = "    at_least: 0.5\n"


@pytest.mark.parametrize("text", FITTING)
def test_the_json_schema_accepts_what_loads(text, config_file):
    config = load_config(config_file(f"{HEAD}    {text}\n    below: {{where: {{}}, by: 1}}\n"))
    schema = jsonschema.Draft202012Validator(json_schema())
    assert not list(schema.iter_errors(yaml.safe_load(resolved(config))))
    wrong = resolved(config).replace("below: ", "beneath: ")
    errors = schema.iter_errors(yaml.safe_load(wrong))
    assert {error.absolute_path[0] for error in errors} == {"claims"}


def test_claims_are_not_inherited(config_file):
    parent = config_file(HEAD + CLAIM, "parent.yaml")
    child = config_file("name: child\nextends: parent.yaml\nsweep: {model.norm: null}\n")
    assert len(load_config(parent).experiment.claims) == 1
    assert load_config(child).experiment.claims is None
    own = "claims: [{says: own, measure: final_train_loss, at_most: 1}]\n"
    text = f"name: child\nextends: parent.yaml\n{own}"
    assert [claim.says for claim in load_config(config_file(text)).experiment.claims] == ["own"]


def test_claims_can_be_set_away(config_file):
    path = config_file(HEAD + CLAIM)
    assert load_config(path, assignments=["claims=null"]).experiment.claims is None
    assert load_config(path, {"claims": None}).experiment.claims is None
    assert load_config(path, assignments=["claims=[]"]).experiment.claims == ()


def test_overrides_make_what_does_not_fit_undecided(config_file):
    """The mark is in the resolved text, so that the run can be repeated from it."""
    path = config_file(f"{HEAD}    where: {{model.norm: none}}\n{CLAIM}")
    assert load_config(path).experiment.claims[0].absent == "error"
    config = load_config(path, assignments=["sweep.model.norm=null"])
    assert config.experiment.claims[0].absent == "undecided"
    again = load_config(config_file(resolved(config), "resolved.yaml"))
    assert prepare(again).config.experiment == config.experiment


@pytest.mark.parametrize("key", ["claims", " claims "])
def test_claims_that_are_overrides_themselves_must_fit(config_file, key):
    claim = "[{says: a, measure: final_train_accuracy, at_least: 0, where: {model.norm: rms}}]"
    path = config_file(HEAD + CLAIM)
    config = load_config(path, assignments=["train.epochs=1", f"{key}={claim}"])
    assert config.experiment.claims[0].absent == "error"
    message = r"claims\[0\]\.where\.model\.norm: no value of the axis, expected one of .*, got rms"
    with pytest.raises(ConfigError, match=message):
        prepare(config)
    with pytest.raises(ConfigError, match=message):
        prepare(load_config(path, {"claims": yaml.safe_load(claim)}))
