"""The catalogue of keys, and what `bnexp explain` says of them."""

from __future__ import annotations

import re
from dataclasses import dataclass, fields

import pytest
from click.testing import CliRunner

import bnexp
from bnexp.cli.main import cli
from bnexp.config import document, reference
from bnexp.config.reference import experiment_keys, search_topics, walk_keys
from bnexp.nn import ACTIVATIONS, INITIALIZERS, NORMALIZERS, OPTIMIZERS, BatchNorm, option
from bnexp.nn.optimizers import SCHEDULES
from bnexp.probes import PROBES
from bnexp.text import listed

REGISTRIES = {
    "model.activation": ACTIVATIONS,
    "model.norm": NORMALIZERS,
    "model.init": INITIALIZERS,
    "train.optimizer": OPTIMIZERS,
    "train.schedule": SCHEDULES,
    "probes.read[]": PROBES,
}


def explained(*asked):
    result = CliRunner().invoke(cli, ["explain", *asked])
    assert result.exit_code == 0, result.output
    return result.output


def refused(asked):
    result = CliRunner().invoke(cli, ["explain", asked])
    assert result.exit_code == 2
    return result.output


def topics():
    return {topic.name: topic for topic in reference.all_topics()}


def one(name):
    (variant,) = topics()[name].variants
    return variant.key


def test_every_key_has_a_meaning_and_a_type():
    keys = list(walk_keys(experiment_keys()))
    assert len({key.name for key in keys}) > 150
    assert [key.name for key in keys if not key.meaning or not key.type or not key.default] == []


def test_every_kind_of_every_registry_is_there_with_its_options():
    named = topics()
    for name, registry in REGISTRIES.items():
        for kind, cls in registry.items():
            shape = named[f"{name}={kind}"].mapping
            names = [field.name for field in fields(cls)]
            assert [key.last for key in shape.keys if key.last != "dialect"] == names
            assert shape.summary


def dialects_with(option, value):
    """The dialects of batch norm with this value, as in a sentence."""
    return listed(
        [n for n, values in BatchNorm.DIALECTS.items() if values.get(option) == value], "and"
    )


@pytest.mark.parametrize(
    ("name", "type_", "default"),
    [
        ("train.batch_size", "a whole number >= 1", "required"),
        ("train.l2", "a number >= 0", "0"),
        ("model.dropout.ratio", "a number >= 0 and < 1", "required"),
        ("model.norm_position", "before or after", "before"),
        ("model.activation", "the name of a kind or {kind: NAME, ...}", "relu"),
        ("model.norm", "none, the name of a kind or {kind: NAME, ...}", "none"),
        ("model.hidden", "a list of whole numbers from 1 to 20,000, at most 200", "required"),
        ("model.bias", "true or false", "true"),
        ("data.train", "all or a whole number >= 1", "all"),
        ("train.clip_norm", "none or a number > 0", "not set"),
        (
            "figures[].against",
            "step or epoch",
            "epoch for metrics scored once per epoch, else step",
        ),
        ("sweep.KEY.linspace", "[a number, a number, a whole number >= 1]", "required"),
        ("model.norm.ddof", "0 or 1", f"0; 1 with {dialects_with('ddof', 1)}"),
    ],
)
def test_types_and_defaults_in_words(name, type_, default):
    assert (one(name).type, one(name).default) == (type_, default)


def test_a_key_of_several_kinds_says_which_has_what():
    variants = topics()["model.norm.eps"].variants
    defaults = {name: v.key.default for v in variants for name in v.owners_to_name}
    assert defaults["batch"].startswith(f"1e-06; 1e-05 with {dialects_with('eps', 1e-5)}; ")
    assert f"; 0.001 with {dialects_with('eps', 1e-3)}" in defaults["batch"]
    with_eps = {kind: cls for kind, cls in NORMALIZERS.items() if hasattr(cls, "eps")}
    assert defaults.keys() == with_eps.keys()
    others = {kind: cls.eps for kind, cls in with_eps.items() if kind != "batch"}
    assert {kind: float(defaults[kind]) for kind in others} == others
    owner_of = {kind: v.owners_to_name for v in variants for kind in v.owners_to_name}
    assert owner_of["batch"] == ("batch",)
    assert {"layer", "instance", "group", "rms"} <= {*owner_of["layer"]}
    assert "noisy_batch" not in owner_of["layer"]


def test_dialects_are_the_presets():
    dialects = topics()["model.norm=batch"].mapping.dialects
    assert list(dialects) == list(BatchNorm.DIALECTS)
    assert dialects["keras"] == {**vars(BatchNorm()), **BatchNorm.DIALECTS["keras"]}


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        ("train.optimizer.lr", ["train.optimizer.lr"]),
        ("lr", ["train.optimizer.lr"]),
        ("optimizer.lr", ["train.optimizer.lr"]),
        ("eps", ["model.norm.eps", "train.optimizer.eps"]),
        ("train.optimizer.adam.lr", ["train.optimizer.lr"]),
        ("model.norm=batch", ["model.norm=batch"]),
        ("model.norm.batch", ["model.norm=batch"]),
        ("norm=batch", ["model.norm=batch"]),
        ("model.norm.kind=batch", ["model.norm=batch"]),
        ("keras", ["model.norm=batch dialect=keras"]),
        ("model.norm.dialect=keras", ["model.norm=batch dialect=keras"]),
        ("model.norm.kind", ["model.norm"]),
        ("figures[0].axis", ["figures[].axis"]),
        ("figures.panels", ["figures[]=panels"]),
        ("claims.measure", ["claims[].measure"]),
        ("model.layer_init.output.std", ["model.layer_init.LAYER.std"]),
        ("model.layer_init.2=normal", ["model.layer_init.LAYER=normal"]),
        ("sweep.model.init.std", ["model.init.std"]),
        ("sweep.zip.train.l2", ["train.l2"]),
        ("std", ["model.init.std"]),
        ("train.epochs=5", ["train.epochs"]),
        ("train.optimizer.lr=0.1", ["train.optimizer.lr"]),
        ("model.norm=none", ["model.norm"]),
        ("probes.read.percentiles", ["probes.read[]=percentiles", "probes.read[].percentiles"]),
        ("extends", ["extends"]),
    ],
)
def test_a_key_is_found_by_what_users_call_it(asked, found):
    assert [topic.name for topic in reference.find_topics(asked)] == found


@pytest.mark.parametrize(
    ("asked", "said"),
    [
        ("train.epoch", "train.epoch: unknown key, expected one of epochs, steps, batch_size"),
        ("train.epoch", "got 'epoch'; did you mean 'epochs'?"),
        ("trian", "expected one of name, extends, title"),
        ("trian", "did you mean 'train'?"),
        ("lrr", "did you mean 'train.optimizer.lr'?"),
        ("model.norm=btach", "unknown kind, expected one of batch, layer, instance"),
        ("model.norm=btach", "got 'btach'; did you mean 'batch'?"),
        ("model.norm.batch.epz", "did you mean 'eps'?"),
        ("qqq", "got 'qqq'; `bnexp explain` lists them"),
        ("", "got ''"),
        ("=", "got ''"),
    ],
)
def test_an_unknown_key_is_answered_with_near_ones(asked, said):
    assert said in refused(asked)


def test_without_a_key_it_lists_the_top_ones():
    lines = explained().splitlines()[2:]
    names = [line.split()[0] for line in lines if line[2] != " "]
    assert names == [key.last for key in experiment_keys()]
    assert names[:2] == ["name", "extends"]


def test_a_page_says_meaning_type_default_and_who_uses_it():
    lines = explained("model.layer_init.1.std").splitlines()
    assert lines[0] == "model.layer_init.LAYER.std"
    assert re.match("  of normal, truncated.*: the standard deviation of the weights", lines[1])
    assert lines[2:4] == ["    type: a number >= 0", "    default: required"]
    assert lines[lines.index("") :] == [
        "",
        f"used by 5 of {len(document.experiment_names())} shipped experiments, * sweeps over it:",
        "  balduzzi_shattering gradient_growth gradient_growth_activations output_scale*",
        "  scale_invariance",
    ]


def test_a_page_of_a_mapping_has_kinds_and_keys():
    page = explained("model.norm")
    for kind in NORMALIZERS:
        assert re.search(rf"\n  {kind}\s", page)
    assert "  --set model.norm=VALUE\n  sweep: {model.norm: [VALUE, ...]}" in page
    assert "of batch" not in page
    assert "\n  eps             added to keep the division finite (batch, layer," in page
    assert "--set" not in explained("train")
    assert "  --set random.seeds=VALUE\n\nused" in explained("seeds")
    assert "  --set train.evaluate=VALUE\n  sweep:" in explained("evaluate")
    assert "--set" not in explained("figures.kind")


def test_a_page_of_a_kind_and_of_a_dialect():
    page = explained("model.norm=batch")
    assert page.startswith("model.norm: {kind: batch, ...}, or batch alone\n")
    assert "default: 0.9; 0.99 with keras, tensorflow, flax, darknet and" in " ".join(page.split())
    assert ">>>" not in page, "examples are for Python"
    page = explained("keras")
    assert page.startswith("model.norm: {kind: batch, dialect: keras}\n")
    assert "  eps             0.001\n" in page
    assert explained("model.init=normal").startswith("model.init: {kind: normal, ...}\n")


def test_several_of_one_name_are_listed():
    assert explained("eps").startswith(
        "eps: 2 keys or kinds have this name; `bnexp explain NAME` says more."
    )
    both = explained("probes.read.percentiles")
    assert "{kind: percentiles, ...}" in both
    assert "default: [15, 50, 85]" in both


@pytest.mark.slow
def test_all_pages_fit_80_columns():
    for topic in reference.all_topics()[::25]:
        page = explained(topic.spellings[0]).splitlines()
        assert max(map(len, page)) < 80, topic.name


@pytest.mark.slow
def test_who_uses_a_key_is_what_the_experiments_say():
    users = reference.experiments_using(reference.find_topics("train.optimizer.lr")[0])
    for name in document.experiment_names():
        path = document.experiments_folder() / f"{name}.yaml"
        values = document.read_document(path).value
        swept = "lr" in str(values.get("sweep"))
        said = "lr" in str(values["train"].get("optimizer"))
        assert users.get(name) == ({True: True, False: False if said else None}[swept])


def test_uses_of_kinds_are_those_said_and_inherited():
    users = reference.experiments_using(reference.find_topics("model.norm=batch")[0])
    assert users["quickstart"]  # by book_weight_scale, which it extends
    assert "variance_propagation" not in users
    assert reference.experiments_using(reference.find_topics("keras")[0]) == {
        "dialects": True,
        "dialects_population": True,
    }


@dataclass(frozen=True)
class Triangular:
    """Weights between -width and width, small ones likelier."""

    width: float = option(0.1, doc="the largest weight", gt=0)

    def draw(self, generator, shape, fan_in, fan_out):
        return self.width * generator.uniform(-1, 1, size=shape)


@dataclass(frozen=True)
class Wordless:
    size: int = 3

    def draw(self, generator, shape, fan_in, fan_out):
        return generator.uniform(size=shape)


@dataclass(frozen=True)
class Curved:
    """Weights in a curve."""

    bend: float = option(2.0, doc="how far it bends; default: none is best")
    table: dict[str, int] = option({"a": 1}, doc="its table")  # noqa: RUF009

    def draw(self, generator, shape, fan_in, fan_out):
        return generator.uniform(size=shape)


def test_a_default_is_the_options_and_not_what_its_text_says(monkeypatch):
    monkeypatch.setattr(INITIALIZERS, "_entries", dict(INITIALIZERS))
    INITIALIZERS.register("curved")(Curved)
    assert one("model.init.bend").default == "2"
    assert one("model.init.bend").meaning == "how far it bends; default: none is best"
    assert one("model.init.table").default == "{a: 1}"
    assert "    bend: float = 2.0\n" in Curved.__doc__
    assert "    table: dict[str, int] = {'a': 1}\n" in Curved.__doc__


def test_a_users_own_class_is_explained(monkeypatch):
    monkeypatch.setattr(INITIALIZERS, "_entries", dict(INITIALIZERS))
    INITIALIZERS.register("triangular")(Triangular)
    INITIALIZERS.register("wordless")(Wordless)
    page = explained("model.init.width")
    assert "of triangular: the largest weight\n    type: a number > 0\n    default: 0.1" in page
    assert "used by none of" in page
    assert "Weights between -width and width, small ones likelier." in explained("triangular")
    assert explained("wordless").startswith("model.init: {kind: wordless, ...}, or wordless alone")
    assert one("model.init.size").default == "3"


def test_after_that_it_is_forgotten():
    with pytest.raises(bnexp.ConfigError, match="unknown key"):
        reference.find_topics("triangular")


def test_an_experiments_name_leads_to_its_description():
    result = CliRunner().invoke(cli, ["explain", "dialects"])
    assert result.exit_code == 2
    assert result.stderr.endswith("that is an experiment: `bnexp list --verbose dialects`\n")


def test_a_data_sets_name_leads_to_what_is_known_of_it():
    hint = "got 'synthetic'; that is a data set: `bnexp data info synthetic`"
    assert refused("synthetic").rstrip().endswith(hint)


@pytest.mark.parametrize(
    ("query", "name"), [("label noise", "data.label_noise"), ("batch size", "train.batch_size")]
)
def test_words_find_the_key_that_is_made_of_them(query, name):
    assert name in [topic.name for topic, _ in search_topics(query)]
