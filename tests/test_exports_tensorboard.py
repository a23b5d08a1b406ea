"""TensorBoard exports, read back with TensorBoard's EventAccumulator."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
from click.testing import CliRunner
from report_cases import LEAST, PLAIN, STRUCTURES, made

import bnexp
from bnexp.cli.main import cli
from bnexp.exports.common import ExportedNetwork, start_time
from bnexp.exports.tensorboard import MAX_NAME, folder_names
from bnexp.runs.data import read_finished_run
from bnexp.sweep import Network

accumulator = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
plugin = pytest.importorskip("tensorboard.plugins.hparams.plugin_data_pb2")

HOSTILE = ["../../etc", "..", ".", "/", "a/b", "a\\b", "a\nb", "a b", "A b", "con", "x" * 500]
HOSTILE += ["x" * 501, "é", "\u202e", "", " ", "~", "$(rm)", "a:b", "-", "|", "\0", "a,b"]


def read(folder):
    loaded = accumulator.EventAccumulator(str(folder), size_guidance={"scalars": 0, "tensors": 0})
    return loaded.Reload()


@pytest.mark.parametrize("text", [PLAIN, LEAST, STRUCTURES])
def test_every_evaluation_is_a_scalar_of_its_step(text, tmp_path):
    out = bnexp.export(made(text), "tensorboard", tmp_path / "out")
    opened = read_finished_run(made(text))
    folders = {path.name.rpartition(".")[2]: path.parent for path in out.rglob("*tfevents*")}
    assert set(folders) == set(opened.records)
    for network, record in opened.records.items():
        events = read(folders[network])
        tags = {name: name.replace("_", "/") for name in record.metrics}
        assert set(events.Tags()["scalars"]) == set(tags.values())
        for name, values in record.metrics.items():
            scalars = events.Scalars(tags[name])
            assert [scalar.step for scalar in scalars] == list(record.steps)
            found = [scalar.value for scalar in scalars]
            assert np.array_equal(found, [np.float32(v) for v in values], equal_nan=True)


def test_nan_stays_nan_and_test_scores_are_there(tmp_path):
    out = bnexp.export(made(PLAIN), "tensorboard", tmp_path / "out")
    (folder,) = out.glob("model.init.std=1e+20,model.norm=none,seed=0")
    events = read(folder)
    assert np.isnan([scalar.value for scalar in events.Scalars("train/loss")]).all()
    assert {scalar.value for scalar in events.Scalars("test/accuracy")} == {float(np.float32(0.1))}


def session(folder, tag):
    content = read(folder).SummaryMetadata(f"_hparams_/{tag}").plugin_data.content
    return plugin.HParamsPluginData.FromString(content)


def test_swept_values_and_seed_are_hyper_parameters(tmp_path):
    out = bnexp.export(made(PLAIN), "tensorboard", tmp_path / "out")
    networks = read_finished_run(made(PLAIN)).plan.networks
    found = {}
    for folder in filter(lambda path: path.is_dir(), out.iterdir()):
        start = session(folder, "session_start_info").session_start_info
        values = {
            key: getattr(value, value.WhichOneof("kind")) for key, value in start.hparams.items()
        }
        found[start.group_name] = values
    assert found == {network.id: {**network.point, "seed": network.seed} for network in networks}


def test_tensorboards_own_table_of_hyper_parameters(tmp_path):
    """As its HPARAMS tab asks for it, with the swept keys and the last scores."""
    from tensorboard.backend.event_processing import data_provider, plugin_event_multiplexer
    from tensorboard.context import RequestContext
    from tensorboard.plugins import base_plugin
    from tensorboard.plugins.hparams import backend_context

    out = bnexp.export(made(PLAIN), "tensorboard", tmp_path / "out")
    runs = plugin_event_multiplexer.EventMultiplexer()
    runs.AddRunsFromDirectory(str(out))
    runs.Reload()
    provider = data_provider.MultiplexerDataProvider(runs, str(out))
    context = backend_context.Context(base_plugin.TBContext(data_provider=provider))
    content = context.hparams_metadata(RequestContext(), "")
    hparams = context.hparams_from_data_provider(RequestContext(), "", limit=None)
    experiment = context.experiment_from_metadata(RequestContext(), "", True, content, hparams)
    by_name = {info.name: info for info in experiment.hparam_infos}
    assert set(by_name) == {"model.init.std", "model.norm", "seed"}
    texts = [value.string_value for value in by_name["model.norm"].domain_discrete.values]
    assert sorted(texts) == ["batch", "none"]
    interval = by_name["model.init.std"].domain_interval
    assert (interval.min_value, interval.max_value) == (0.01, 1e20)
    metrics = {info.name.tag for info in experiment.metric_infos}
    assert metrics == {"train/loss", "train/accuracy", "test/loss", "test/accuracy"}


@pytest.mark.slow
def test_the_bytes_are_the_same_in_another_process(tmp_path):
    one = bnexp.export(made(PLAIN), "tensorboard", tmp_path / "one")
    code = "import sys, bnexp; bnexp.export(sys.argv[1], 'tensorboard', sys.argv[2])"
    subprocess.run([sys.executable, "-c", code, made(PLAIN), tmp_path / "two"], check=True)
    paths = [path.relative_to(one) for path in one.rglob("*") if path.is_file()]
    assert len(paths) == 12 + 2
    for path in paths:
        assert (one / path).read_bytes() == (tmp_path / "two" / path).read_bytes()


def test_exporting_again_replaces(tmp_path):
    bnexp.export(made(PLAIN), "tensorboard", tmp_path / "out")
    bnexp.export(made(LEAST), "tensorboard", tmp_path / "out")
    (folder,) = (path for path in (tmp_path / "out").iterdir() if path.is_dir())
    assert folder.name == "seed=0"
    bnexp.export(made(LEAST), "tensorboard", tmp_path / "out")
    assert len(list(folder.iterdir())) == 1
    assert len(read(folder).Scalars("train/loss")) == 1
    config = (tmp_path / "out" / "config.yaml").read_text()
    assert config == (made(LEAST) / "config.yaml").read_text()


def network(number, point):
    return ExportedNetwork(Network(f"{number:020x}", None, 0, point, None), None)


def test_folders_have_safe_names_each_only_once():
    points = [{"data.name": text} for text in HOSTILE]
    made_names = folder_names([network(i, point) for i, point in enumerate(points)])
    assert len({name.casefold() for name in made_names.values()}) == len(HOSTILE)
    for name in made_names.values():
        assert re.fullmatch(r"data\.name=[A-Za-z0-9.,=+_-]*", name)
        assert len(name) <= MAX_NAME + 21
        assert name[-1] not in ". "
    assert made_names[f"{4:020x}"] == "data.name=a_b,seed=0_" + f"{4:020x}"
    assert made_names[f"{1:020x}"] == "data.name=..,seed=0"


def test_a_run_without_a_manifest_has_no_time(tmp_path):
    run = tmp_path / "run"
    shutil.copytree(made(LEAST), run)
    manifest = json.loads((run / "manifest.json").read_text())
    for started in ("2026-01-02T03:04:05+00:00", "2026-01-02T03:04:05"):
        (run / "manifest.json").write_text(json.dumps({**manifest, "started": started}))
        assert start_time(read_finished_run(run)) == 1767323045
    (run / "manifest.json").unlink()
    out = bnexp.export(run, "tensorboard")
    assert {event.wall_time for event in read(out / "seed=0").Scalars("train/loss")} == {0}


def test_the_command_says_how_to_look(tmp_path):
    out = tmp_path / "to look at"
    arguments = ["export", str(made(STRUCTURES)), "--to", "tensorboard", "--out", str(out)]
    result = CliRunner().invoke(cli, arguments)
    assert (result.exit_code, result.stderr) == (0, "")
    assert result.stdout == (
        f"6 networks in {out}\n  one run each; the HPARAMS tab filters\n"
        f"look at it: tensorboard --logdir '{out}'\n"
    )
