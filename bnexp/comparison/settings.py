"""Two configurations, key by key."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from bnexp.comparison.manifests import Difference, differences
from bnexp.config import Config
from bnexp.config.writing import flow, plain


def config_differences(first: Config, second: Config) -> tuple[Difference, ...]:
    """The dotted keys whose values differ, every default written out."""
    return differences(dict(_keys(first)), dict(_keys(second)))


def _keys(config: Config) -> Iterator[tuple[str, str]]:
    values = plain(config.experiment)
    if config.experiment.model.norm is None:
        values["model"]["norm"] = "none"
    yield from _flat("", values)


def _flat(key: str, value: Any) -> Iterator[tuple[str, str]]:
    """Mappings key by key, but an axis of the sweep as one value."""
    if isinstance(value, Mapping) and (not key.startswith("sweep.") or key == "sweep.zip"):
        for name, inner in value.items():
            yield from _flat(f"{key}.{name}" if key else str(name), inner)
    else:
        yield key, value if isinstance(value, str) else flow(value)
