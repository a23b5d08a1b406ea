"""What `verify` and `compare` found, as lines of at most 80 characters for the terminal.

Long lists and tables are cut, with a line that says how much was left out.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from math import isnan

from bnexp.comparison.comparison import ACCURACIES, ComparedMetric, Comparison, FinalAccuracies
from bnexp.comparison.match import Difference, describe_network
from bnexp.comparison.verification import CAUSES, Verification, Verified
from bnexp.text import (
    PAGE_WIDTH,
    Texts,
    aligned,
    counted,
    cut,
    distinct_by_key,
    exact,
    omitted,
    paragraph,
)

MAX_ROWS = 20  # of a table
MAX_ITEMS = 5  # of a list
MAX_TEXT = 60  # letters of a fact about the environment
CONTEXT = 12  # letters that are shown before the first one that differs


def verify_lines(verification: Verification) -> Iterator[str]:
    """A row for each network that is not identical, then what may explain it, then the counts.

    outcome    deviation  model.norm, seed  where: stored -> here
    different    1.0e-02  batch, 0          train_accuracy, step 5: 0.91 -> 0.92

    what may explain it, the likeliest first (stored -> here):
      numpy  1.26.4 -> 2.0.0

    12 networks: 11 identical, 1 different
    """
    networks = [n for n in verification.networks if n.outcome not in ("identical", "not trained")]
    if networks:
        keys = ", ".join([*networks[0].point, "seed"])
        head = ["outcome", "deviation", keys, "where: stored -> here"]
        texts = distinct_by_key(
            {key: dict.fromkeys(n.point[key] for n in networks) for key in networks[0].point}
        )
        rows = [_verified_row(network, texts) for network in networks[:MAX_ROWS]]
        yield from aligned([head, *rows], right={1}, wrap_last=True)
        yield from omitted(len(networks) - MAX_ROWS, "networks")
        yield ""
    if any(network.worst or network.outcome == "different" for network in networks):
        yield from _cause_lines(verification)
        yield ""
    for name in verification.unread:
        yield f"no {name}: what only it has is not verified"
    counts = [
        f"{number} {outcome} ({exact(verification.tolerance)})"
        if outcome == "within tolerance"
        else f"{number} {outcome}"
        for outcome, number in verification.counts.items()
    ]
    left_out = verification.left_out
    total = counted(len(verification.networks) + left_out, "network")
    sample = f", {left_out} not in the sample" if left_out else ""
    yield f"{total}: {', '.join(counts)}{sample}"


def _verified_row(network: Verified, texts: Texts) -> list[str]:
    """Outcome, size of the largest deviation, network, and where that deviation is."""
    values = [texts[key][value] for key, value in network.point.items()]
    name = ", ".join([*values, str(network.seed)])
    if not (worst := network.worst):
        return [network.outcome, "-", name, network.reason]
    numbers = f"{worst.first:.6g}", f"{worst.second:.6g}"
    if numbers[0] == numbers[1]:  # they differ in later digits only
        numbers = repr(worst.first), repr(worst.second)
    return [network.outcome, f"{worst.size:.1e}", name, f"{worst}: {' -> '.join(numbers)}"]


def _cause_lines(verification: Verification) -> Iterator[str]:
    """The likely causes of a difference."""
    causes = verification.causes
    if verification.renamed and not any(c.key == CAUSES["numerics"] for c in causes or ()):
        yield "metrics.csv is of other cells: made by another bnexp, or of another config.yaml"
    if causes is None:
        yield "no manifest.json: nothing says what the stored numbers were made with"
    elif not causes:
        yield from paragraph(
            "no difference of environment found: the same data, numerics, BLAS, numpy, processor "
            "and python; the stored numbers may have been changed"
        )
    else:
        if any(cause.key == CAUSES["device.name"] for cause in causes):
            yield from paragraph(
                "trained on other devices, which differ in the last bits and, where training is "
                "chaotic, by more; --device says where to train"
            )
        yield "what may explain it, the likeliest first (stored -> here):"
        rows = [
            [f"  {c.key}", f"{cut(c.first, MAX_TEXT)} -> {cut(c.second, MAX_TEXT)}"] for c in causes
        ]
        yield from aligned(rows, wrap_last=True)


def compare_lines(comparison: Comparison) -> Iterator[str]:
    """Config, environment and data, networks, numbers, final accuracies, and a last line.

        A: results/quickstart
        B: results/faster

        config: 1 difference
          train.optimizer.lr
            A: 0.01
            B: 0.02

    and so on; the last line says whether the numbers are identical, or within the tolerance.
    """
    for side, path in zip("AB", comparison.directories, strict=True):
        yield f"{side}: {path}"
    yield ""
    yield from _difference_lines("config", comparison.config)
    yield ""
    if comparison.environment is None:
        yield "environment and data: a manifest.json is missing, not compared"
    else:
        yield from _difference_lines("environment and data", comparison.environment)
    yield ""
    yield from _network_lines(comparison)
    if comparison.metrics:
        yield ""
        yield from _metric_lines(comparison.metrics)
    different = [metric for metric in comparison.metrics if metric.largest]
    if different:
        yield ""
        yield "where they are largest, as |A - B| / max(1, |A|, |B|):"
    for metric in different:
        if metric.largest is not None and metric.network is not None:
            sides = f"A {metric.largest.first!r}, B {metric.largest.second!r}"
            network = describe_network(comparison.keys, metric.network, comparison.texts)
            yield from paragraph(f"{metric.largest}: {sides}", indent=2, hanging=4)
            yield from paragraph(network, indent=4, hanging=6)
    if comparison.finals:
        yield ""
        yield from _final_lines(comparison.keys, comparison.finals, comparison.texts)
    yield ""
    if not comparison.paired:
        yield "no network is in both: nothing to compare"
    elif comparison.beyond:
        names = ", ".join(comparison.beyond)
        yield f"beyond the tolerance of {exact(comparison.tolerance)}: {names}"
    elif different:
        yield f"within the tolerance of {exact(comparison.tolerance)}"
    elif comparison.all_paired:
        yield "all numbers are identical"
    else:
        yield "the numbers that both have are identical; one has more of them than the other"


def _difference_lines(title: str, differences: Sequence[Difference]) -> Iterator[str]:
    """Each key with the texts of A and B, long ones from shortly before they differ."""
    if not differences:
        yield f"{title}: the same"
        return
    yield f"{title}: {counted(len(differences), 'difference')}"
    for difference in differences:
        texts = [" ".join(text.split()) for text in (difference.first, difference.second)]
        width = PAGE_WIDTH - 7
        if max(map(len, texts)) > width:
            pairs = enumerate(zip(*texts, strict=False))
            same = next((index for index, (a, b) in pairs if a != b), 0)
            if same > CONTEXT + 3:
                texts = [f"...{text[same - CONTEXT :]}" for text in texts]
            texts = [cut(text, width) for text in texts]
        yield f"  {difference.key}"
        yield f"    A: {texts[0]}"
        yield f"    B: {texts[1]}"


def _network_lines(comparison: Comparison) -> Iterator[str]:
    """How many networks are in both runs, and the first ones that are not."""
    keys, only = comparison.keys, (comparison.only_first, comparison.only_second)
    yield from paragraph(f"networks paired by {', '.join([*keys, 'seed'])}:", hanging=2)
    yield f"  {comparison.paired} paired, {len(only[0])} only in A, {len(only[1])} only in B"
    for side, networks in zip("AB", only, strict=True):
        for network in networks[:MAX_ITEMS]:
            text = f"only in {side}: {describe_network(keys, network, comparison.texts)}"
            yield from paragraph(text, indent=2, hanging=4)
        for line in omitted(len(networks) - MAX_ITEMS, f"only in {side}"):
            yield f"  {line}"
    for side, files in zip("AB", comparison.damaged, strict=True):
        for file in files[:MAX_ITEMS]:
            yield f"  {side}: {file}, left out"
        for line in omitted(len(files) - MAX_ITEMS, f"of {side}"):
            yield f"  {line}"


def _metric_lines(metrics: Sequence[ComparedMetric]) -> Iterator[str]:
    """A table of how far the numbers of each quantity are apart."""
    yield "deviations: the largest of all, and the mean |A - B| at the end of training"
    rows = [["numbers", "paired", "only A", "only B", "largest", "mean at end"]]
    for metric in metrics:
        counts = [str(n) for n in (metric.paired, metric.only_first, metric.only_second)]
        largest = f"{metric.largest.size:.1e}" if metric.largest else "0"
        final = "-" if isnan(metric.final) else f"{metric.final:.1e}" if metric.final else "0"
        rows.append([metric.name, *counts, largest if metric.paired else "-", final])
    yield from aligned(rows, right={1, 2, 3, 4, 5})


def _final_lines(
    keys: Sequence[str], finals: Sequence[FinalAccuracies], of_values: Texts
) -> Iterator[str]:
    """A table of the final accuracies at the points where they differ."""
    names = [
        name
        for name in ACCURACIES
        if not all(isnan(accuracy) for final in finals for accuracy in final.accuracies[name])
    ]
    sides = [f"{name.removesuffix('_accuracy')} {side}" for name in names for side in "AB"]
    yield "final accuracies where they differ, means over seeds"
    rows = [[", ".join(keys), *sides]]
    for final in finals[:MAX_ROWS]:
        accuracies = [accuracy for name in names for accuracy in final.accuracies[name]]
        texts = ["-" if isnan(accuracy) else f"{accuracy:.4f}" for accuracy in accuracies]
        values = [of_values[key][value] for key, value in zip(keys, final.point, strict=True)]
        rows.append([", ".join(values) or "all", *texts])
    yield from aligned(rows, right=set(range(len(rows[0]))))
    yield from omitted(len(finals) - MAX_ROWS, "points")
