"""Loading experiments: defaults, validation, and the resolved text."""

from __future__ import annotations

import pytest
from config_cases import SMALLEST

from bnexp.config import document, load_config, resolved


def test_defaults_go_through_validation(config_file):
    experiment = load_config(config_file(SMALLEST)).experiment
    assert experiment.model.activation.kind == "relu"
    assert experiment.model.norm is None
    assert experiment.model.init.kind == "he"
    assert experiment.train.optimizer.lr == 0.01
    assert experiment.random.seeds == (0,)


@pytest.mark.parametrize("name", document.experiment_names())
def test_the_resolved_text_says_the_same(name, tmp_path):
    config = load_config(name)
    path = tmp_path / "config.yaml"
    path.write_text(resolved(config))
    again = load_config(path)
    told = config.experiment.model_copy(update={"seconds": None})  # not of a run
    assert again.experiment == told
    assert resolved(again) == resolved(config)
