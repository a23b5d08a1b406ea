"""Data and programs inside a page."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Iterable
from typing import Any

from markupsafe import Markup

from bnexp.jsonvalues import plain

# What could end the element, or a line of JavaScript, is written as JSON writes any letter.
_ESCAPES = {ord(letter): f"\\u{ord(letter):04x}" for letter in "<>&\u2028\u2029"}


def embedded(data: Any) -> Markup:
    """Data as JSON that no page can mistake for markup; NaN is null, infinities are texts."""
    text = json.dumps(plain(data), allow_nan=False, ensure_ascii=False, separators=(",", ":"))
    return Markup(text.translate(_ESCAPES))


def policy(styles: Iterable[str], scripts: Iterable[str]) -> str:
    """The Content-Security-Policy that allows these texts, and pictures within the page, only."""
    return "; ".join(
        [
            "default-src 'none'",
            f"style-src {' '.join(map(_source, styles))}",
            f"script-src {' '.join(map(_source, scripts))}",
            "img-src data:",
            "base-uri 'none'",
            "form-action 'none'",
        ]
    )


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
