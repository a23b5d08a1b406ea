"""Networks to train, to ask and to keep."""

from __future__ import annotations

CNN = """\
name: cnn
data: {name: synthetic, train: 200}
model:
  kind: cnn
  blocks: [{kind: conv, features: 4}, {kind: max_pool, size: 4}, {kind: dense, features: 9}]
train: {epochs: 1, batch_size: 50}
"""
ONE = {"random.seeds": [1], "train.epochs": 1, "data.test": 300}
SHORT = {"sweep.model.init.std": None, "sweep.model.norm": None, "model.hidden": [6]}


def evaluation(name):
    return {"kind": "batch", "evaluation": name}


NORMS = {
    **{name: evaluation(name) for name in ("running", "debiased", "population", "batch")},
    "none": "none",
    "layer": "layer",
    "rms": "rms",
    "group": {"kind": "group", "groups": 3},
    "weight": {"kind": "weight", "start": "data"},
}
