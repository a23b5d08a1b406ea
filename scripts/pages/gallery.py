"""The README's gallery and choices, and the page of all claims, from results/reference/."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from typing import Any

from bnexp.cli.explore import work_of
from bnexp.config import document
from bnexp.config.claims import WORDS
from bnexp.config.figures import FIGURES as FIGURE_KINDS
from bnexp.nn import INITIALIZERS, NORMALIZERS, BatchNorm
from bnexp.registry import Registry
from pages.markdown import REFERENCE

# The figures that the README shows: experiment, figure, and what is to be seen.
FIGURES = (
    ("ioffe_figure1", "curves", "The paper's figure 1(a) on MNIST"),
    ("dialects", "heatmap", "Batch norm in five dialects, and with slower averages"),
    ("landscape", "landscape", "The loss along the gradient at four learning rates"),
    ("gradient_growth", "depth", "Gradients explode through batch norm, as theory predicts"),
)


@cache
def experiments() -> list[tuple[str, Mapping[str, Any], Sequence[Mapping[str, Any]]]]:
    """Name, configuration and claims of each reference, by source and name."""
    found = []
    for folder in sorted(path.parent for path in REFERENCE.glob("*/config.yaml")):
        values = document.read_document(folder / "config.yaml").value
        path = folder / "claims.json"
        claims = json.loads(path.read_text())["claims"] if path.is_file() else []
        found.append((folder.name, values, claims))
    return sorted(found, key=lambda one: (work_of(str(one[1].get("source", ""))), one[0]))


def parts() -> dict[str, str]:
    """The README's parts by name."""
    return {"gallery": "\n".join([*_figures(), *_table(), "", *_total()]), "choices": choices()}


def choices() -> str:
    """What can be chosen for each key, the names from the registries."""
    dialects = _names(BatchNorm.DIALECTS)
    rows = {
        "`model.kind`": "`mlp`, or `cnn` with a list of convolution, pooling and dense blocks",
        "`model.norm`": f"{_names(NORMALIZERS)}, before or after the activation",
        "`dialect` of `batch`": f"{dialects}: presets of epsilon, variances and running averages, "
        "each of which can be set on its own",
        "`model.init`": f"{_names(INITIALIZERS)}, for all layers or for one",
        "`train`": "six optimizers, learning-rate schedules with warm-up, L2 penalty, weight "
        "decay, gradient clipping",
        "`probes`": "statistics of each layer, histograms, percentiles, the loss along the "
        "gradient, internal covariate shift",
        "`figures`": _names(FIGURE_KINDS),
    }
    lines = [f"| {key} | {text} |" for key, text in rows.items()]
    return "\n".join(["| to choose | there are |", "|---|---|", *lines])


def _names(registry: Registry[Any]) -> str:
    """The built-in names; `he` stands for `he_uniform`, too."""
    names = (name.removesuffix("_uniform") for name in registry if name in registry.builtin)
    return ", ".join(f"`{name}`" for name in dict.fromkeys(names))


def _figures() -> Iterator[str]:
    there = [one for one in FIGURES if (REFERENCE / one[0] / "figures" / f"{one[1]}.png").is_file()]
    if not there:
        return
    networks = [
        f"**`{name}`** {text}<br>![{text}](results/reference/{name}/figures/{kind}.png)"
        for name, kind, text in there
    ]
    yield "| | |\n|---|---|"
    for i in range(0, len(networks), 2):
        yield f"| {' | '.join(networks[i : i + 2])} |"
    yield ""


def _table() -> Iterator[str]:
    yield "| experiment | question | source | claims: supported / refuted / undecided |"
    yield "|---|---|---|---|"
    for name, values, claims in experiments():
        counts = " / ".join(str(_count(claims, word)) for word in WORDS) if claims else ""
        source = work_of(str(values.get("source", "")))
        yield f"| [`{name}`](results/reference/{name}) | {values['title']} | {source} | {counts} |"


def _total() -> Iterator[str]:
    every = [claim for _, _, claims in experiments() for claim in claims]
    counts = ", ".join(f"{_count(every, word)} {word}" for word in WORDS if _count(every, word))
    yield (
        f"{len(experiments())} experiments, {len(every)} claims: {counts}. "
        "[results/reference](results/reference/README.md) has every claim with its numbers; "
        "`scripts/reproduce_all.py` runs all experiments again and reports changed verdicts."
    )


def page() -> str:
    """Every claim with its verdict."""
    lines = [
        "# What holds on MNIST, and what does not",
        "",
        "Every claim of the shipped experiments, with its verdict. This page is written by",
        "`scripts/docs.py` from the references in this folder, which `scripts/reproduce_all.py`",
        "makes. Each estimate is a mean over n seeds with its 95 % t-interval, at the point that",
        "decides the verdict; intervals are not corrected for their number.",
        "[Intervals and verdicts](../../docs/numerics.md#intervals-and-verdicts) has the rules.",
    ]
    for name, values, claims in experiments():
        lines += ["", f"## [`{name}`]({name}): {values['title']}", "", str(values["source"]), ""]
        lines += [_claim(claim) for claim in claims]
    return "\n".join(lines) + "\n"


def _claim(claim: Mapping[str, Any]) -> str:
    reason = f" ({claim['reason']})" if claim.get("reason") else ""
    return f"- **{claim['verdict']}**: {claim['says']}{reason}"


def _count(claims: Sequence[Mapping[str, Any]], word: str) -> int:
    return sum(claim["verdict"] == word for claim in claims)
