"""Compare one run directory with another: how they were made, and how far apart their numbers are.

`compare` pairs the networks of the two runs and returns a `Comparison`: the differences in config
and environment, a `ComparedMetric` for each quantity, and a `FinalAccuracies` for each point where
networks end with other accuracies.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from math import nan
from pathlib import Path

import numpy as np

from bnexp.comparison.match import (
    Deviation,
    Difference,
    Floats,
    MatchedNetworks,
    NetworkKey,
    Series,
    check_tolerance,
    damaged_files,
    deviation_sizes,
    identical,
    key_differences,
    match_networks,
    pair_series,
    read_compared_run,
    run_facts,
)
from bnexp.config import Config
from bnexp.config.experiment import explicit_values
from bnexp.config.yaml import flatten, unquoted
from bnexp.metrics import HEADLINE, evaluation_columns
from bnexp.runs.references import find_run
from bnexp.runs.tables import Value, axis_texts
from bnexp.text import Texts, exact

ACCURACIES = evaluation_columns([HEADLINE])
NO_NUMBERS = Series(np.zeros((0, 3)), np.zeros(0))


@dataclass(frozen=True)
class ComparedMetric:
    """One quantity over all networks that both runs have.

    paired, only_first, only_second: how many numbers are in both runs, or in one. final: the mean
    of |A - B| at the end of training, each run's own; NaN if there is nothing to compare. largest,
    network: the largest deviation and its network; None if all numbers are identical.
    """

    name: str
    paired: int
    only_first: int
    only_second: int
    final: float
    largest: Deviation | None
    network: NetworkKey | None


@dataclass(frozen=True)
class FinalAccuracies:
    """The final accuracies at one point of the common axes, as means over its seeds.

    accuracies: by metric, of A and of B; NaN if there are none.
    """

    point: tuple[Value, ...]
    accuracies: Mapping[str, tuple[float, float]]


@dataclass(frozen=True)
class Comparison:
    """What `compare` found of two run directories, A and B.

    environment: with the data's SHA-256; None where one of the two does not say. keys: the swept
    keys by which networks are paired. only_first, only_second: networks that only A or B has.
    finals: where final accuracies differ. damaged: the files of each that could not be read.
    texts: of the swept values of both, by key.
    """

    directories: tuple[Path, Path]
    tolerance: float
    config: tuple[Difference, ...]
    environment: tuple[Difference, ...] | None
    keys: tuple[str, ...]
    paired: int
    only_first: tuple[NetworkKey, ...]
    only_second: tuple[NetworkKey, ...]
    metrics: tuple[ComparedMetric, ...]
    finals: tuple[FinalAccuracies, ...]
    damaged: tuple[tuple[str, ...], tuple[str, ...]]
    texts: Texts = field(default_factory=dict, repr=False)

    def __repr__(self) -> str:
        if any(metric.largest for metric in self.metrics):
            names = ", ".join(self.beyond)
            limit = exact(self.tolerance)
            result = f"beyond {limit}: {names}" if names else f"within {limit}"
        elif not self.paired:
            result = "nothing to compare"
        else:
            result = "all numbers identical" if self.all_paired else "what both have is identical"
        a, b = self.directories
        return f"Comparison({a} against {b}: {self.paired} paired, {result})"

    @property
    def beyond(self) -> tuple[str, ...]:
        """The quantities with a deviation beyond the tolerance."""
        return tuple(
            metric.name
            for metric in self.metrics
            if metric.largest and metric.largest.size > self.tolerance
        )

    @property
    def all_paired(self) -> bool:
        """Whether neither run has a network or a number that the other lacks."""
        unpaired = any(metric.only_first or metric.only_second for metric in self.metrics)
        return not (unpaired or self.only_first or self.only_second)

    @property
    def exit_status(self) -> int:
        """1 if a number deviates beyond the tolerance, or if no network is in both."""
        return 1 if self.beyond or not self.paired else 0


def compare(first: str | Path, second: str | Path, tolerance: float = 0.0) -> Comparison:
    """Compare two run directories, or references without cells, number by number.

    Either may be the name of a shipped experiment, for its shipped result.

    Networks are paired by their swept values and seed, their numbers by step, those of probes by
    layer and place too. A number is within `tolerance` if |a - b| <= tolerance * max(1, |a|, |b|);
    one NaN is the same as another. Raises ConfigError where networks cannot be paired one to one,
    StoreError where a file is damaged.
    """
    check_tolerance(tolerance)
    a, b = (read_compared_run(find_run(each).directory) for each in (first, second))
    networks = match_networks(a, b)
    facts_a, facts_b = run_facts(a), run_facts(b)
    return Comparison(
        directories=(Path(first), Path(second)),
        tolerance=tolerance,
        config=config_differences(a.config, b.config),
        environment=None
        if facts_a is None or facts_b is None
        else key_differences(facts_a, facts_b),
        keys=networks.keys,
        paired=len(networks.pairs),
        only_first=networks.only_first,
        only_second=networks.only_second,
        metrics=tuple(_compare_metrics(networks)),
        finals=tuple(_compare_finals(networks)),
        damaged=(tuple(damaged_files(a).values()), tuple(damaged_files(b).values())),
        texts=axis_texts((*a.axes, *b.axes)),
    )


def config_differences(first: Config, second: Config) -> tuple[Difference, ...]:
    """The dotted keys whose values differ between two experiments, with every default.

    The values of an axis of the sweep are compared as one value.
    """

    def is_axis(key: str) -> bool:
        return key.startswith("sweep.") and key != "sweep.zip"

    def texts(config: Config) -> dict[str, str]:
        values = flatten(explicit_values(config.experiment), is_axis)
        return {key: unquoted(value) for key, value in values}

    return key_differences(texts(first), texts(second))


def _compare_metrics(networks: MatchedNetworks) -> Iterator[ComparedMetric]:
    """Each quantity that a network of one of the runs has numbers of.

    Quantities that are NaN everywhere, such as test scores without test images, are left out.
    """
    names = dict.fromkeys(
        name for numbers in networks.pairs.values() for side in numbers for name in side
    )
    for name in names:
        series = {
            network: (a.get(name, NO_NUMBERS), b.get(name, NO_NUMBERS))
            for network, (a, b) in networks.pairs.items()
        }
        if all(np.isnan(side.values).all() for pair in series.values() for side in pair):
            continue
        paired = {network: pair_series(a, b) for network, (a, b) in series.items()}
        deviations = [
            (deviation, network)
            for network, pair in paired.items()
            if (deviation := pair.largest_deviation(name))
        ]
        largest = max(deviations, key=lambda item: item[0].size, default=(None, None))
        ends = [(_last_step(a), _last_step(b)) for a, b in series.values()]
        distances = [deviation_sizes(a, b, relative=False) for a, b in ends if len(a) == len(b) > 0]
        yield ComparedMetric(
            name,
            sum(len(pair.first) for pair in paired.values()),
            sum(pair.only_first for pair in paired.values()),
            sum(pair.only_second for pair in paired.values()),
            float(np.mean(np.concatenate(distances))) if distances else nan,
            *largest,
        )


def _compare_finals(networks: MatchedNetworks) -> Iterator[FinalAccuracies]:
    """Each point where some network ends with another accuracy.

    A point is a combination of values of the common axes; its networks are those of its seeds. A
    network's final accuracy is that of its last evaluation, whatever its step.
    """
    points: dict[tuple[Value, ...], list[NetworkKey]] = {}
    for network in networks.pairs:
        points.setdefault(network[:-1], []).append(network)

    def mean(values: Floats) -> float:
        values = values[~np.isnan(values)]
        return float(np.mean(values)) if len(values) else nan

    for point, seeds in points.items():
        ends = {
            name: [
                np.array([_last_step(networks.pairs[seed][side][name])[-1] for seed in seeds])
                for side in (0, 1)
            ]
            for name in ACCURACIES
        }
        if not all(identical(a, b).all() for a, b in ends.values()):
            means = {name: (mean(a), mean(b)) for name, (a, b) in ends.items()}
            yield FinalAccuracies(point, means)


def _last_step(series: Series) -> Floats:
    """The numbers of the last step."""
    steps = series.places[:, 0]
    return series.values[steps == steps.max()] if len(steps) else series.values
