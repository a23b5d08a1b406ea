"""What a network is as an MLflow run: a name, parameters, metrics and tags."""

from __future__ import annotations

import math
from typing import Any, NamedTuple

from bnexp.config.writing import bare, flat, said
from bnexp.exports.run import Network
from bnexp.wording import cut

# MLflow's limits, the name's that of its databases.
MAX_PARAM, MAX_NAME = 6000, 250


class Content(NamedTuple):
    """`metrics` are of (name, value, step)."""

    name: str
    params: dict[str, str]
    metrics: list[tuple[str, float, int]]
    tags: dict[str, str]


def content(network: Network) -> Content:
    """The swept values, seed and whole setting as parameters, each evaluation as metrics."""
    record = network.record
    metrics = [
        (name, value, step)
        for name, values in record.metrics.items()
        for step, value in zip(record.steps, values, strict=True)
    ]
    return Content(cut(network.name, MAX_NAME), _params(network), metrics, _tags(network))


def _params(network: Network) -> dict[str, str]:
    values = {**dict(flat(said(network.cell.setting))), **network.point}
    return {key: cut(_text(value), MAX_PARAM) for key, value in values.items()}


def _tags(network: Network) -> dict[str, str]:
    record = network.record
    at = record.diverged_at_step
    infinite = [name for name, values in record.metrics.items() if any(map(math.isinf, values))]
    return {
        "bnexp.status": record.status,
        "bnexp.data_sha256": record.data_sha256,
        **({} if at is None else {"bnexp.diverged_at_step": str(at)}),
        # MLflow's databases hold the largest float in place of an infinity.
        **({"bnexp.infinite": ", ".join(infinite)} if infinite else {}),
    }


def _text(value: Any) -> str:
    return repr(value) if isinstance(value, float) else bare(value)
