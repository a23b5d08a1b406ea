"""The tables of docs/numerics.md, from the code and from the references' claims."""

from __future__ import annotations

import dataclasses
import json
import re
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from bnexp.claims import VERDICT_TEXTS
from bnexp.nn import ACTIVATIONS, INITIALIZERS, OPTIMIZERS, BatchNorm, Sequential, gradient_errors
from bnexp.nn.optimizers import SCHEDULES
from bnexp.registry import description
from bnexp.runs.stats import t_quantile
from bnexp.text import exact
from pages.markdown import REFERENCE, table

DIALECTS = {name: BatchNorm(**options) for name, options in BatchNorm.DIALECTS.items()}
# The experiments that compare what theory gives with what networks do.
LAWS = (
    "variance_propagation",
    "critical_weight_scale",
    "gradient_growth",
    "gradient_growth_activations",
    "correlation",
)
FAN_IN, UNITS = 784, 100
GLUE = "\u00a0"


def options() -> str:
    """A row for each option, a column for each dialect; what is not the book's is in bold."""
    book = DIALECTS["book"]
    rows = []
    for field in dataclasses.fields(BatchNorm):
        values = [getattr(norm, field.name) for norm in DIALECTS.values()]
        usual = getattr(book, field.name)
        rows.append([f"`{field.name}`", *(_shown(value, value != usual) for value in values)])
    return table(["option", *DIALECTS], rows)


def _shown(value: Any, bold: bool) -> str:
    text = exact(value) if isinstance(value, float) else str(value).lower()
    return f"**{text}**" if bold else text


def meanings() -> str:
    return listed({f.name: f.metadata["doc"] for f in dataclasses.fields(BatchNorm)})


def listed(texts: Mapping[str, str]) -> str:
    """A list, its lines wrapped to be read as text; none begins with a sign, as a list's item."""
    items = (f"- `{name}`: {glued(text)}" for name, text in texts.items())
    wrapped = (textwrap.fill(item, 98, subsequent_indent="  ") for item in items)
    return "\n".join(wrapped).replace(GLUE, " ")


def glued(text: str) -> str:
    """Signs cannot be parted from what is before them."""
    return re.sub(r" ([*/+=-]|<-) ", GLUE + r"\1 ", text)


def differences() -> str:
    """What the options do, each row a question and each column a dialect's answer."""
    questions = {
        "inputs of std 0.01, batch of 100: the output's std": lambda norm: _scale(norm, 0.01),
        "inputs of std 0.001: the output's std": lambda norm: _scale(norm, 0.001),
        "running mean after 20 batches of mean 1": lambda norm: _running(norm, "mean"),
        "running variance after 20 batches of variance 1": lambda norm: _running(norm, "var"),
        "batches of 10: output's std at evaluation / in training": _discrepancy,
        "batches of 8: relative error of dx": _gradient_error,
    }
    rows = [
        [text, *(_number(answer(norm)) for norm in DIALECTS.values())]
        for text, answer in questions.items()
    ]
    return table(["", *DIALECTS], rows)


def _number(value: float | None) -> str:
    if value is None:
        return "-"
    return "0" if abs(value) < 1e-6 else f"{value:.3f}"


def _batch(size: int, mean: float, std: float) -> Any:
    """Numbers of exactly this mean and this standard deviation (over N), (1, N, 1)."""
    x = np.linspace(-1, 1, size)[None, :, None]
    return mean + std * x / x.std()


def _start(norm: BatchNorm) -> tuple[Any, Any]:
    _, parameters, state = norm.init(np.random.default_rng(0), (1,))
    stacked = [{name: array[None] for name, array in part.items()} for part in (parameters, state)]
    return stacked[0], stacked[1]


def _scale(norm: BatchNorm, std: float) -> float:
    parameters, state = _start(norm)
    return float(norm.forward(parameters, state, _batch(100, 0, std), train=True)[0].std())


def _running(norm: BatchNorm, name: str) -> float | None:
    """After 20 updates, as an evaluation takes it; None where none does."""
    if norm.evaluation == "population":
        return None
    parameters, state = _start(norm)
    for _ in range(20):
        _, _, state = norm.forward(parameters, state, _batch(100, 1, 1), train=True)
    mean, var = norm.statistics(state)
    return float((mean if name == "mean" else var).item())


def _discrepancy(norm: BatchNorm) -> float:
    """After so many equal batches that the averages have settled."""
    x, (parameters, state) = _batch(10, 1, 1), _start(norm)
    trained = norm.forward(parameters, state, x, train=True)[0]
    if norm.evaluation == "population":
        (state,) = Sequential((norm,)).population_state((parameters,), (state,), [x] * 10)
    else:
        for _ in range(3000):
            _, _, state = norm.forward(parameters, state, x, train=True)
    return float(norm.forward(parameters, state, x, train=False)[0].std() / trained.std())


def _gradient_error(norm: BatchNorm) -> float:
    """The median over 25 batches of the check's error."""
    random = np.random.default_rng(0)
    batches = random.standard_normal((25, 1, 8, 20))
    return float(np.median([gradient_errors(norm, x)["x"] for x in batches]))


def initializers() -> str:
    rows = []
    for name, cls in _builtin(INITIALIZERS):
        required = [f.name for f in dataclasses.fields(cls) if f.default is dataclasses.MISSING]
        needed = dict.fromkeys(required, 0.1)
        w = cls(**needed).draw(np.random.default_rng(0), (FAN_IN, UNITS), FAN_IN, UNITS)
        shown = ", ".join(f"{key} {value}" for key, value in needed.items()) or _options(cls)
        weights, _, source = documented(cls)
        rows.append(
            [f"`{name}`", weights, re.split(r"(?<! al)\. ", source)[0], shown, f"{w.std():.4f}"]
        )
    return table(["kind", "weights", "source", "with", f"std at {FAN_IN} -> {UNITS}"], rows)


def _options(cls: Any) -> str:
    return ", ".join(f"{f.name} {f.default:g}" for f in dataclasses.fields(cls) if _is_number(f))


def _is_number(field: Any) -> bool:
    return isinstance(field.default, int | float) and not isinstance(field.default, bool)


def equations(registry: Any) -> str:
    """What the docstring of each class of a registry says, and its options."""
    texts = {}
    for name, cls in _builtin(registry):
        options = _options(cls)
        texts[name] = "".join(documented(cls)) + (f" Options: {options}." if options else "")
    return listed(texts)


def _builtin(registry: Any) -> Iterator[tuple[str, Any]]:
    """Without what is installed on this machine."""
    return ((name, cls) for name, cls in registry.items() if name in registry.builtin)


def documented(cls: type) -> tuple[str, str, str]:
    """The first paragraph of a docstring, a space, and the second one, without line ends."""
    first, *rest = description(cls).replace("`", "").split("\n\n")
    return " ".join(first.split()), " " if rest else "", " ".join(" ".join(rest[:1]).split())


def quantiles() -> str:
    seeds = (2, 3, 4, 5, 10, 20)
    return table(["seeds", *map(str, seeds)], [["t", *(f"{t_quantile(n - 1):.3f}" for n in seeds)]])


def laws() -> str:
    """The claims with a number that theory gives, and what was measured where it fits worst."""
    rows = []
    for name in LAWS:
        for claim in json.loads((REFERENCE / name / "claims.json").read_text())["claims"]:
            wanted = claim["claim"].get("within")
            if wanted is not None:
                theory = f"{wanted['of']:g} +- {_near(wanted)}"
                rows.append([claim["says"], theory, *_measured(claim), _link(name)])
    head = ["law", "theory, and how near it is judged", "measured, 95 %", "verdict", "experiment"]
    return table(head, rows)


def _near(wanted: Mapping[str, Any]) -> str:
    relative = wanted.get("relative")
    return f"{wanted['by']:g}" if relative is None else f"{100 * relative:g} %"


def _measured(claim: Mapping[str, Any]) -> tuple[str, str]:
    worst = min(claim["points"], key=lambda point: point["margin"])
    estimate, low, high = (f"{worst[key]:.4g}" for key in ("estimate", "low", "high"))
    return f"{estimate} [{low}, {high}]", VERDICT_TEXTS[claim["verdict"]]


def _link(name: str) -> str:
    return f"[`{name}`](../results/reference/{name})"


def parts() -> dict[str, str]:
    """The page's parts by name."""
    return {
        "options": options(),
        "meanings": meanings(),
        "differences": differences(),
        "initializers": initializers(),
        "activations": equations(ACTIVATIONS),
        "optimizers": equations(OPTIMIZERS),
        "schedules": equations(SCHEDULES),
        "quantiles": quantiles(),
        "laws": laws(),
    }
