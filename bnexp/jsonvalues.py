"""Numbers that JSON does not have."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any


def plain(value: Any) -> Any:
    """The value without NumPy's types; NaN is null, infinities are texts.

    >>> plain({"loss": [0.5, float("nan"), float("inf")]})
    {'loss': [0.5, None, 'inf']}
    """
    if hasattr(value, "tolist"):
        value = value.tolist()
    if isinstance(value, float) and not math.isfinite(value):
        return None if math.isnan(value) else str(value)
    if isinstance(value, Mapping):
        return {key: plain(inner) for key, inner in value.items()}
    return [plain(inner) for inner in value] if isinstance(value, list | tuple) else value
