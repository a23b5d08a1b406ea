"""What stands for a user's own class in a network's identity: its name and a hash of its code."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Iterator
from types import CodeType
from typing import Any


def fingerprint(cls: type) -> str | None:
    """None for bnexp's own classes; any other is known by its text, or else by its bytecode."""
    if cls.__module__.partition(".")[0] == "bnexp":
        return None
    try:
        text = inspect.getsource(cls)
    except (OSError, TypeError):
        text = "\n".join(_compiled(cls))
    digest = hashlib.sha256(text.encode()).hexdigest()
    return f"{cls.__module__}.{cls.__qualname__} {digest}"


def _compiled(cls: type) -> Iterator[str]:
    for name, member in sorted(vars(cls).items()):
        member = member.fget if isinstance(member, property) else member
        function: Any = getattr(member, "__func__", member)
        code = getattr(inspect.unwrap(function), "__code__", None)
        if isinstance(code, CodeType):
            yield f"{name} {_code(code)}"


def _code(code: CodeType) -> str:
    names = (code.co_names, code.co_varnames, code.co_freevars)
    return f"{code.co_code.hex()} {names} {[_constant(value) for value in code.co_consts]}"


def _constant(value: Any) -> str:
    """As repr, but for code, which has its address there, and sets, whose order varies."""
    if isinstance(value, CodeType):
        return _code(value)
    if isinstance(value, frozenset):
        return f"{{{sorted(map(_constant, value))}}}"
    return f"({[_constant(inner) for inner in value]})" if isinstance(value, tuple) else repr(value)
