"""The gallery and the page of all claims, from results/reference/; the choices of experiments."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from math import nan
from typing import Any

from bnexp.claims import HEADINGS, VERDICT_TEXTS, counts_text, q_text
from bnexp.cli.explore import work_of
from bnexp.config import document, load_config
from bnexp.config.claims import OF_A_SOURCE, VERDICT_WORDS
from bnexp.config.figures import FIGURES as FIGURE_KINDS
from bnexp.figures.captions import caption_of
from bnexp.nn import INITIALIZERS, NORMALIZERS, BatchNorm
from bnexp.registry import Registry
from bnexp.replication import FILE, OUTCOMES, outcomes_text
from bnexp.runs.stats import benjamini_hochberg
from bnexp.text import counted
from pages.markdown import REFERENCE, ROOT

# What Markdown would not show as it stands in an experiment's text.
MARKUP = str.maketrans({sign: f"\\{sign}" for sign in "\\`*<"})


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
    """The parts of docs/gallery.md by name."""
    return {"gallery": "\n".join([*_table(), "", *_total()]), "figures": "\n".join(_sections())}


def choices() -> dict[str, str]:
    """What can be chosen for each key, the names from the registries: a part of a page."""
    dialects = _names(BatchNorm.DIALECTS)
    rows = {
        "`model.kind`": "`mlp`, or `cnn` with a list of convolution, residual, pooling and dense "
        "blocks",
        "`model.norm`": f"{_names(NORMALIZERS)}, before or after the activation",
        "`dialect` of `batch`": f"{dialects}: presets of epsilon, variances and running averages, "
        "each of which can be set on its own",
        "`model.residual`": "skip connections around blocks of layers, activated before or after "
        "the addition, with SkipInit's factor or Fixup's initial weights",
        "`model.init`": f"{_names(INITIALIZERS)}, for all layers or for one",
        "`train`": "six optimizers, learning-rate schedules with warm-up, L2 penalty, weight "
        "decay, gradient clipping, batches of few classes, early stopping",
        "`probes`": "statistics of each layer, histograms, percentiles, the loss along the "
        "gradient, internal covariate shift, filters, mistakes, accuracy on changed images",
        "`figures`": _names(FIGURE_KINDS),
    }
    lines = [f"| {key} | {text} |" for key, text in rows.items()]
    return {"choices": "\n".join(["| to choose | there are |", "|---|---|", *lines])}


def _names(registry: Registry[Any]) -> str:
    """The built-in names; `he` stands for `he_uniform`, too."""
    names = (name.removesuffix("_uniform") for name in registry if name in registry.builtin)
    return ", ".join(f"`{name}`" for name in dict.fromkeys(names))


def _sections() -> Iterator[str]:
    """Each experiment with its figures and their captions, below a heading for each source."""
    works: dict[str, list[str]] = {}
    for name, values, _ in experiments():
        works.setdefault(work_of(str(values.get("source", ""))), []).append(name)
    for work, names in works.items():
        yield from (f"### {work}", "")
        for name in names:
            yield from _section(name)


def _section(name: str) -> Iterator[str]:
    """A heading of the experiment's name, which links lead to, and what the experiment shows."""
    experiment = load_config(REFERENCE / name / "config.yaml").experiment
    title, source, description = (
        str(text).translate(MARKUP)
        for text in (experiment.title, experiment.source, experiment.description)
    )
    yield from (f"#### {name}", "", f"**{title}**", "", f"{description} Source: {source}.", "")
    numbers: Counter[str] = Counter()
    for options in experiment.figures or ():
        numbers[options.kind] += 1
        stem = f"{options.kind}{numbers[options.kind]}".removesuffix("1")
        path = REFERENCE / name / "figures" / f"{stem}.png"
        if path.is_file():
            yield f"![{title}](../{path.relative_to(ROOT).as_posix()})"
            yield from ("", f"*{caption_of(options).translate(MARKUP)}*", "")
    yield f"[The experiment](../configs/{name}.yaml), [its results](../results/reference/{name})"
    yield ""


def _table() -> Iterator[str]:
    heads = ("experiment", "question", "source", "its claims", "own observations", "on new seeds")
    yield f"| {' | '.join(heads)} |"
    yield "|---" * len(heads) + "|"
    for name, values, claims in experiments():
        groups = of_sources(claims), [claim for claim in claims if kind_of(claim) == "measured"]
        counts = " | ".join(_short_counts(group) for group in groups)
        source = work_of(str(values.get("source", "")))
        row = [f"[`{name}`](#{name})", values["title"], source, counts]
        yield f"| {' | '.join([*row, _replicated(name)])} |"


@cache
def replication(name: str) -> Mapping[str, Any]:
    """The replication of a reference; empty if there is none."""
    path = REFERENCE / name / FILE
    return json.loads(path.read_text()) if path.is_file() else {}


def _replicated(name: str) -> str:
    """'4 of 5 same; own 3 of 3': what a replication says of the verdicts of each group."""
    texts = []
    for word, is_own in (("", False), ("own ", True)):
        outcomes = [
            claim["outcome"]
            for claim in replication(name).get("claims", ())
            if (kind_of(claim) == "measured") == is_own and claim["outcome"] != "not replicable"
        ]
        if outcomes:
            others = {o: outcomes.count(o) for o in OUTCOMES if o != "same" and o in outcomes}
            more = "".join(f", {number} {outcome}" for outcome, number in others.items())
            texts.append(f"{word}{outcomes.count('same')} of {len(outcomes)} same{more}")
    return "; ".join(texts)


def _short_counts(claims: Sequence[Mapping[str, Any]]) -> str:
    """Supported / do not hold / undecided; empty without claims."""
    return " / ".join(str(_count(claims, word)) for word in VERDICT_WORDS) if claims else ""


def kind_of(claim: Mapping[str, Any]) -> str:
    """What a claim of claims.json rests on."""
    return str(claim.get("kind", "measured"))


def of_sources(claims: Sequence[Mapping[str, Any]]) -> list[Mapping[str, Any]]:
    """The claims that a source makes."""
    return [claim for claim in claims if kind_of(claim) in OF_A_SOURCE]


def _total() -> Iterator[str]:
    every = [claim for _, _, claims in experiments() for claim in claims]
    groups = {kind: [c for c in every if kind_of(c) == kind] for kind in OF_A_SOURCE}
    stated = {kind: group for kind, group in groups.items() if group}
    own = [claim for claim in every if kind_of(claim) == "measured"]
    yield (
        "Numbers of claims and observations: supported / do not hold here / undecided. The last "
        "column says how many verdicts `bnexp replicate` repeats on seeds that are not the "
        "experiment's."
    )
    yield ""
    number = sum(map(len, stated.values()))
    yield f"{len(experiments())} experiments. Their sources make {counted(number, 'claim')}:"
    yield ""
    for kind, group in stated.items():
        yield f"- {len(group)} {HEADINGS[kind]}: {_counts(group)}{_note(kind, group)}"
    yield from [""] * bool(stated)
    yield from _replications()
    yield (
        f"Beside them stand {counted(len(own), 'observation')} of their authors: {_counts(own)}. "
        "[results/reference](../results/reference/README.md) has every claim with its numbers; "
        "`scripts/reproduce_all.py` runs all experiments again and reports changed verdicts."
    )


def _note(kind: str, claims: Sequence[Mapping[str, Any]]) -> str:
    """What a reader has to know of the numbers of a kind before its counts mean anything."""
    if kind == "published":
        replays = sum("numpy.random.seed" in c["source"] for c in claims)
        text = "are what a script of the book prints for seed 0, a replay that tests no other seed"
        return f"; {replays} of them {text}"
    if kind == "theory":
        laws = [p["law_inside"] for c in claims for p in c["points"] if "law_inside" in p]
        held = [inside for inside in laws if inside is not None]
        text = (
            "points the law's number lies inside the interval, at the others within the tolerance"
        )
        return f"; at {sum(held)} of {len(held)} {text}"
    return ""


def _replications() -> Iterator[str]:
    """How many verdicts on the sources' claims are the same on new seeds; nothing without any."""
    replicated = {name: found for name, _, _ in experiments() if (found := replication(name))}
    claims = [
        (name, claim)
        for name, found in replicated.items()
        for claim in of_sources(found["claims"])
        if claim["outcome"] != "not replicable"
    ]
    if not claims:
        return
    number = counted(len(replicated), "experiment")
    outcomes = outcomes_text(claim["outcome"] for _, claim in claims)
    yield f"On new seeds, of {number}, the sources' claims are: {outcomes}."
    yield ""
    lost = [(name, claim) for name, claim in claims if claim["outcome"] in ("weaker", "reversed")]
    for name, claim in lost:
        yield f"- {claim['outcome']}: [`{name}`](#{name}): {claim['says']}"
    yield from [""] * bool(lost)


def _counts(claims: Sequence[Mapping[str, Any]]) -> str:
    return counts_text(claim["verdict"] for claim in claims)


def page() -> str:
    """Every claim with its verdict."""
    lines = [
        "# What holds on MNIST, and what does not",
        "",
        "Every claim of the shipped experiments, with its verdict and its kind: `published`,",
        "`direction` and `theory` are claims of a source, `measured` are observations of the",
        "experiment's author. This page is written by",
        "`scripts/docs.py` from the references in this folder, which `scripts/reproduce_all.py`",
        "makes. Each estimate is a mean over n seeds with its 95 % interval, at the point that",
        "decides the verdict; intervals are not corrected for their number. q is the q-value over",
        "all claims of this page: of those with q of at most 0.05 some 5 % may be decided wrongly.",
        "[Intervals and verdicts](../../docs/numerics.md#intervals-and-verdicts) has the rules.",
    ]
    q_values = iter(gallery_q_values())
    for name, values, claims in experiments():
        lines += ["", f"## [`{name}`]({name}): {values['title']}", "", str(values["source"]), ""]
        outcomes = {one["says"]: one for one in replication(name).get("claims", ())}
        for claim in claims:
            again = _again(outcomes.get(claim["says"]))
            lines.append(_claim(claim, next(q_values)) + again)
    return "\n".join(lines) + "\n"


def gallery_q_values() -> list[float]:
    """The q-value of each claim over the claims of all references; NaN without a p-value."""
    every = [claim for _, _, claims in experiments() for claim in claims]
    return benjamini_hochberg([nan if claim.get("p") is None else claim["p"] for claim in every])


def _claim(claim: Mapping[str, Any], q: float) -> str:
    word, kind = VERDICT_TEXTS[claim["verdict"]], kind_of(claim)
    if claim["verdict"] == "refuted" and kind in OF_A_SOURCE:
        word += " in this setting"
    parts = [claim.get("reason", ""), q_text(q), *claim.get("remarks", ())]
    remarks = "; ".join(filter(None, parts))
    return f"- **{word}** ({kind}): {claim['says']}{f' ({remarks})' if remarks else ''}"


def _again(claim: Mapping[str, Any] | None) -> str:
    """What a replication says of the claim, if there is one."""
    if claim is None:
        return ""
    if claim["outcome"] == "not replicable":
        return f" *Not replicable: {claim['reason']}.*"
    return f" *On new seeds: {claim['outcome']}; {claim['reason']}.*"


def _count(claims: Sequence[Mapping[str, Any]], word: str) -> int:
    return sum(claim["verdict"] == word for claim in claims)
