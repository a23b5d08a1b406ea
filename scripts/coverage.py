#!/usr/bin/env python3
"""How often the 95 % interval covers the mean, for the accuracies of the book's figure.

    scripts/coverage.py FOLDER --seeds 150 -j 2

Trains the networks of weight_scale, 16 weight scales with and without batch norm, for so many seeds
in FOLDER, or only those that are missing there. The final accuracies of a panel are its population.
From each 10,000 samples of n seeds are drawn, with replacement, and the share of samples is counted
whose interval has the population's mean in it. Prints the table of docs/numerics.md, and below it
the same for losses and for differences between the two methods.

    scripts/coverage.py

Without a folder nothing is trained: it prints how often a false claim about the mean of a skewed
population is supported, the second table of docs/numerics.md.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping, Sequence
from math import inf, sqrt
from typing import TypeAlias

import numpy as np
from pages.markdown import table

import bnexp
from bnexp.runs.stats import Floats, Limits, band, t_quantile

EXPERIMENT = "weight_scale"
SAMPLES = 10_000
SIZES = (3, 5, 10, 20)
SHARE, LOSS, DIFFERENCE = (0.0, 1.0), (0.0, inf), (-1.0, 1.0)

# Draws (n, samples) -> the ends of their intervals.
Ends: TypeAlias = Callable[[Floats], tuple[Floats, Floats]]
# Weight scale and method -> a number for each seed.
Populations: TypeAlias = Mapping[tuple[float, str], Floats]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", nargs="?", help="the run directory of the networks")
    parser.add_argument("--seeds", type=int, default=150)
    parser.add_argument("-j", "--jobs", type=int, default=1, help="workers")
    options = parser.parse_args()
    if options.folder is None:
        print(false_table(skewed_populations()))
        return
    overrides = {
        "random.seeds": list(range(options.seeds)),
        "train.evaluate": [191],  # the last update alone
        "claims": None,
        "figures": [],
    }
    result = bnexp.run(bnexp.load_config(EXPERIMENT, overrides), options.folder, options.jobs)
    populations = {
        column: by_panel(result.summary, f"final_{column}")
        for column in ("train_accuracy", "test_accuracy", "train_loss")
    }
    print(accuracy_table(populations["train_accuracy"], populations["test_accuracy"]))
    pairs = differences(populations["train_accuracy"])
    for title, panels, limits in (
        ("training losses", populations["train_loss"], LOSS),
        ("differences of training accuracies", pairs, DIFFERENCE),
    ):
        print(f"\n{title}\n")
        print(small_table(panels, limits))


def by_panel(summary: Mapping[str, Floats], column: str) -> Populations:
    """The numbers of each panel; without the panels where some are not finite."""
    scales, norms = summary["model.init.std"].astype(float), summary["model.norm"].astype(str)
    panels = {}
    for method in ("none", "batch"):
        for scale in np.unique(scales).tolist():
            mask = (scales == scale) & np.char.startswith(norms, method)
            panels[scale, method] = summary[column][mask].astype(float)
    return {panel: values for panel, values in panels.items() if np.isfinite(values).all()}


def differences(panels: Populations) -> Populations:
    """Batch norm's number less the other one, seed by seed."""
    return {
        (w, "difference"): panels[w, "batch"] - values
        for (w, method), values in panels.items()
        if method == "none"
    }


def coverage(population: Floats, n: int, ends: Ends) -> float:
    """The share of samples of n whose interval has the population's mean in it."""
    random = np.random.default_rng(n)
    low, high = ends(population[random.integers(0, len(population), (n, SAMPLES))])
    mean, slack = population.mean(), 1e-12  # of rounding, where all are the same
    return float(np.mean((low <= mean + slack) & (mean <= high + slack)))


def of_bnexp(limits: Limits) -> Ends:
    def ends(draws: Floats) -> tuple[Floats, Floats]:
        interval = band(draws, limits)
        return interval.low, interval.high

    return ends


def skewed_populations() -> dict[str, tuple[Floats, Limits]]:
    """Numbers of 10,000 seeds each, and their limits: the skewed shapes that experiments have."""
    random = np.random.default_rng(0)
    normal = random.standard_normal(10_000)
    rank = np.arange(10_000)

    def mixed(rare: int, one: float, other: float) -> Floats:
        return np.where(rank % rare == 0, one, other) + 0.005 * np.tanh(normal)

    return {
        "normal, 0.5 with s = 0.03": (0.5 + 0.03 * normal, SHARE),
        "near 1: 1 - 0.005 exp(z)": (np.clip(1 - 0.005 * np.exp(normal), 0, 1), SHARE),
        "1 seed in 5 has 0.6, others 0.95": (mixed(5, 0.6, 0.95), SHARE),
        "1 seed in 20 has 0.6, others 0.95": (mixed(20, 0.6, 0.95), SHARE),
        "1 seed in 20 has 0.9, others 0.1": (mixed(20, 0.9, 0.1), SHARE),
        "at chance: 0.116 or 0.117": (np.where(rank % 3 == 0, 0.116, 0.117), SHARE),
        "a loss: exp(z)": (np.exp(normal), LOSS),
    }


def false_verdicts(population: Floats, n: int, ends: Ends) -> tuple[float, float]:
    """The shares of samples of n whose interval is above the mean, and below it.

    So often a claim that the mean is at least, or at most, a number just beyond it is supported.
    """
    random = np.random.default_rng(n)
    low, high = ends(population[random.integers(0, len(population), (n, SAMPLES))])
    mean, slack = population.mean(), 1e-12
    return float(np.mean(low > mean + slack)), float(np.mean(high < mean - slack))


def false_table(populations: Mapping[str, tuple[Floats, Limits]]) -> str:
    """A row a population: for each n the percentages above and below."""
    rows = []
    for name, (population, limits) in populations.items():
        pairs = (false_verdicts(population, n, of_bnexp(limits)) for n in SIZES)
        shares = [f"{100 * above:.1f} / {100 * below:.1f}" for above, below in pairs]
        rows.append([name, *moments(population)[2:], *shares])
    return table(["population", "skewness", *map(str, SIZES)], rows)


def of_student(draws: Floats) -> tuple[Floats, Floats]:
    n, mean = len(draws), draws.mean(axis=0)
    half = t_quantile(n - 1) * draws.std(axis=0, ddof=1) / sqrt(n)
    return mean - half, mean + half


def moments(population: Floats) -> list[str]:
    mean, deviation = population.mean(), population.std()
    skewness = np.mean((population - mean) ** 3) / deviation**3 if deviation else 0.0
    return [f"{mean:.4f}", f"{deviation:.4f}", f"{skewness:.1f}"]


def accuracy_table(train: Populations, test: Populations) -> str:
    """A row a panel; panels whose numbers are the same are one row."""
    head = ["batch norm", "W", "mean", "s", "skewness", "t, 10", "t, 20"]
    head += [*map(str, SIZES), "test, 10", "test, 20"]
    rows: list[tuple[list[float], list[str]]] = []
    for (scale, method), values in train.items():
        shares = [coverage(values, n, of_student) for n in (10, 20)]
        shares += [coverage(values, n, of_bnexp(SHARE)) for n in SIZES]
        shares += [coverage(test[scale, method], n, of_bnexp(SHARE)) for n in (10, 20)]
        with_norm = "yes" if method == "batch" else "no"
        row = [with_norm, *moments(values), *(f"{100 * share:.1f}" for share in shares)]
        if rows and rows[-1][1] == row:
            rows[-1][0].append(scale)
        else:
            rows.append(([scale], row))
    return table(head, [[row[0], scales_text(scales), *row[1:]] for scales, row in rows])


def small_table(panels: Populations, limits: Limits) -> str:
    rows = [
        [method, scales_text([scale]), *moments(values)]
        + [f"{100 * coverage(values, n, of_student):.1f}" for n in (10, 20)]
        + [f"{100 * coverage(values, n, of_bnexp(limits)):.1f}" for n in SIZES]
        for (scale, method), values in panels.items()
    ]
    head = ["", "W", "mean", "s", "skewness", "t, 10", "t, 20", *map(str, SIZES)]
    return table(head, rows)


def scales_text(scales: Sequence[float]) -> str:
    texts = [f"{scale:.3g}" for scale in scales]
    return texts[0] if len(texts) == 1 else f"{texts[0]} to {texts[-1]}"


if __name__ == "__main__":
    main()
