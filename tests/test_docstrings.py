"""What the docstrings of the public API say: their examples run, shapes and errors are named."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import pkgutil
import re
import textwrap
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import bnexp
import bnexp.data
import bnexp.nn
import bnexp.nn.functional

MODULES = [
    m.name for m in pkgutil.walk_packages(bnexp.__path__, "bnexp.") if "__main__" not in m.name
]
FUNCTIONAL = [
    name for name in vars(bnexp.nn.functional) if re.search(r"^[a-z]+_.*(for|back)ward", name)
]
SHAPE = re.compile(r"\((?:[KNn]\b[^()]*|n,|fan_in, units)\)")
ARRAYS = {"x", "dy", "dout", "images", "labels", "logits", "probabilities", "parameters"}
# Public names that are no class and no function: tables and types.
PLAIN = {"nn", "ACTIVATIONS", "Array", "Parameters", "State", "DATASETS"}
PLAIN |= {"INITIALIZERS", "NORMALIZERS", "OPTIMIZERS"}
PLAIN |= {"INITIALISERS", "NORMALISERS", "OPTIMISERS"}  # names of version 0.1


def module(name: str) -> Any:
    """The module, or a skip where a library that only an extra brings is not there."""
    try:
        return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if str(error.name).startswith("bnexp"):
            raise
        pytest.skip(f"{name} needs {error.name}")


@pytest.mark.parametrize("name", MODULES)
def test_examples(name, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    with np.errstate(all="raise"), np.printoptions():
        result = doctest.testmod(module(name), raise_on_error=False)
    assert result.failed == 0


def test_what_is_used_first_has_an_example():
    functions = (
        bnexp.load_config,
        bnexp.run,
        bnexp.fit,
        bnexp.data.load,
        bnexp.nn.BatchNorm,
        bnexp.nn.LayerNorm,
        bnexp.nn.Dense,
        bnexp.nn.Conv,
        bnexp.nn.Sequential,
        bnexp.nn.stack,
        bnexp.nn.gradient_errors,
        bnexp.nn.SoftmaxCrossEntropy,
        bnexp.nn.functional.batchnorm_forward,
    )
    for function in functions:
        assert doctest.DocTestParser().get_examples(inspect.getdoc(function)), function


def public() -> Iterator[tuple[str, Any]]:
    """Public classes and functions by their dotted names."""
    for where, names in (
        (bnexp, bnexp.__all__),
        (bnexp.nn, bnexp.nn.__all__),
        (bnexp.nn.functional, FUNCTIONAL),
        (bnexp.data, bnexp.data.__all__),
    ):
        yield from ((f"{where.__name__}.{n}", getattr(where, n)) for n in names if n not in PLAIN)


def callables() -> Iterator[tuple[str, Any, str]]:
    """Public functions and methods, each with what its docstring, or its class's, says; of an
    optimizer also what its protocol says."""
    for name, thing in public():
        if inspect.isfunction(thing):
            yield name, thing, inspect.getdoc(thing) or ""
            continue
        stated = [bnexp.nn.Optimizer] if thing in bnexp.nn.OPTIMIZERS.values() else []
        classes = [*inspect.getmro(thing)[:-1], *stated]
        texts = "\n".join(cls.__doc__ or "" for cls in classes)
        for own, method in inspect.getmembers(thing, inspect.isfunction):
            if not own.startswith("_") and method.__module__.startswith("bnexp"):
                yield f"{name}.{own}", method, f"{texts}\n{inspect.getdoc(method) or ''}"


PUBLIC, CALLABLES = dict(public()), {name: rest for name, *rest in callables()}


@pytest.mark.parametrize("name", PUBLIC)
def test_everything_public_says_what_it_is(name):
    """Not what a dataclass makes up, and not inherited."""
    text = PUBLIC[name].__doc__ or ""
    assert len(text) > 10
    assert not text.startswith(f"{PUBLIC[name].__name__}(")
    assert text.strip().split("\n\n")[0].rstrip().endswith((".", ":")), "a sentence"


@pytest.mark.parametrize("name", CALLABLES)
def test_what_takes_arrays_says_their_shapes(name):
    """By its own docstring or by its class's."""
    function, text = CALLABLES[name]
    taken = ARRAYS & set(inspect.signature(function).parameters)
    assert SHAPE.search(text) or not taken, text


@pytest.mark.parametrize("name", CALLABLES)
def test_what_is_raised_is_said(name):
    function, text = CALLABLES[name]
    tree = ast.parse(textwrap.dedent(inspect.getsource(function)))
    raised = {
        ast.unparse(getattr(node.exc, "func", node.exc))
        for node in ast.walk(tree)
        if isinstance(node, ast.Raise) and node.exc is not None
    }
    for error in raised - {"NotImplementedError"}:
        if error[0].isupper():
            assert error in text, text
