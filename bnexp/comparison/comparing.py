"""One run directory against another: how they were made, and how far their numbers are apart."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from bnexp.comparison.differences import Difference, differences
from bnexp.comparison.judging import check_tolerance
from bnexp.comparison.matching import matched
from bnexp.comparison.metrics import Final, Metric, finals, metrics
from bnexp.comparison.networks import Key
from bnexp.comparison.settings import config_differences
from bnexp.comparison.stored import stored


@dataclass(frozen=True)
class Comparison:
    """What `compare` found of two run directories, A and B.

    environment: with the data's SHA-256; None where one of the two does not say. keys: the swept
    keys by which networks are paired. only_first, only_second: networks that only A or B has.
    finals: where final accuracies differ. damaged: the files of each that could not be read.
    """

    directories: tuple[Path, Path]
    tolerance: float
    config: tuple[Difference, ...]
    environment: tuple[Difference, ...] | None
    keys: tuple[str, ...]
    paired: int
    only_first: tuple[Key, ...]
    only_second: tuple[Key, ...]
    metrics: tuple[Metric, ...]
    finals: tuple[Final, ...]
    damaged: tuple[tuple[str, ...], tuple[str, ...]]

    def __repr__(self) -> str:
        same = "all numbers identical" if self.all_paired else "what both have is identical"
        said = same if self.paired else "nothing to compare"
        if any(metric.largest for metric in self.metrics):
            names = ", ".join(self.beyond)
            said = f"beyond {self.tolerance:g}: {names}" if names else f"within {self.tolerance:g}"
        a, b = self.directories
        return f"Comparison({a} against {b}: {self.paired} paired, {said})"

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
        alone = any(metric.only_first or metric.only_second for metric in self.metrics)
        return not (alone or self.only_first or self.only_second)

    @property
    def exit_status(self) -> int:
        """1 if a number deviates beyond the tolerance, or if no network is in both."""
        return 1 if self.beyond or not self.paired else 0


def compare(first: str | Path, second: str | Path, tolerance: float = 0.0) -> Comparison:
    """Compare two run directories, or references without cells, number by number.

    Networks are paired by their swept values and seed, their numbers by step, those of probes by
    layer and place too. A number is within `tolerance` if |a - b| <= tolerance * max(1, |a|, |b|);
    one NaN is the same as another. Raises ConfigError where networks cannot be paired one to one,
    StoreError where a file is damaged.
    """
    check_tolerance(tolerance)
    a, b = stored(Path(first)), stored(Path(second))
    both = matched(a, b)
    known = a.facts is not None and b.facts is not None
    return Comparison(
        directories=(a.path, b.path),
        tolerance=tolerance,
        config=config_differences(a.config, b.config),
        environment=differences(a.facts or {}, b.facts or {}) if known else None,
        keys=both.keys,
        paired=len(both.both),
        only_first=both.only_first,
        only_second=both.only_second,
        metrics=tuple(metrics(both)),
        finals=tuple(finals(both)),
        damaged=(tuple(a.damaged.values()), tuple(b.damaged.values())),
    )
