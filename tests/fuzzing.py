"""What the fuzz tests share: odd values, damaged bytes, and what must not come out."""

from __future__ import annotations

import json
import math
import os
import signal
import tracemalloc
from contextlib import contextmanager
from copy import deepcopy

import pytest
from hypothesis import strategies as st

from bnexp.errors import BnexpError

ODD = st.sampled_from(
    [None, True, -1, 0, 1e308, 1e999, math.nan, 10**30, 2**63, "", "x", "\ud800", [], {}, [[]]]
)
JSON = st.recursive(
    ODD | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
    max_leaves=5,
)


class Hangs(Exception):
    """A minute of the processor's time was not enough."""


@contextmanager
def no_hang(seconds=60):
    """Raise Hangs after so many seconds of the processor's time, however busy the machine is."""

    def stop(signum, frame):
        raise Hangs

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)


@contextmanager
def little_memory(megabytes):
    tracemalloc.start()
    try:
        yield
        assert tracemalloc.get_traced_memory()[1] < megabytes * 1e6
    finally:
        tracemalloc.stop()


@st.composite
def damages(draw):
    """A change of bytes: bits flipped, parts cut out, put in or set to 0."""
    steps = draw(
        st.lists(
            st.tuples(
                st.sampled_from(("flip", "cut", "put", "zero", "end")),
                st.floats(0, 1, exclude_max=True),
                st.integers(0, 7),
                st.binary(min_size=1, max_size=9),
            ),
            min_size=1,
            max_size=3,
        )
    )

    def change(content):
        for how, part, bit, more in steps:
            i = int(part * len(content))
            old = content[i : i + 1]
            new = {"flip": bytes([old[0] ^ 1 << bit]) if old else b"", "put": more + old}
            new |= {"cut": b"", "zero": bytes(len(more)), "end": b""}
            over = len(more) if how in ("cut", "zero") else 1
            content = content[:i] + new[how] + (b"" if how == "end" else content[i + over :])
        return content

    return change


@st.composite
def forgeries(draw):
    """A change of plain values: one of them, somewhere inside, gone or another."""
    steps = draw(st.lists(st.tuples(st.integers(0, 10**6), JSON, st.booleans()), max_size=3))

    def change(value):
        value = json.loads(json.dumps(value))
        for number, new, gone in steps:
            holder, key = None, None
            inner = value
            while isinstance(inner, dict | list) and inner and (holder is None or number % 4):
                keys = list(inner) if isinstance(inner, dict) else range(len(inner))
                holder, key = inner, keys[number % len(inner)]
                inner, number = inner[key], number // 7
            if holder is None:
                return deepcopy(new)
            if gone:
                del holder[key]
            else:
                holder[key] = deepcopy(new)
        return value

    return change


def long(number):
    """So many examples where BNEXP_FUZZ_ALL asks for all 10,000, else a fifth."""
    return number if os.environ.get("BNEXP_FUZZ_ALL") else number // 5


def sometimes(default, slow):
    many = pytest.param(long(slow), marks=pytest.mark.slow)
    return pytest.mark.parametrize("number", [default, many])


def read_or_refused(call, error=BnexpError):
    """What `call` returns, None where it raises the error."""
    try:
        return call()
    except error as refusal:
        said = str(refusal)
    assert 5 <= len(said) < 5000
    return None
