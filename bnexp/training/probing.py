"""Which probes are read, and after which steps."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bnexp.probes import Moment, Probe, Reading


@dataclass(frozen=True)
class Probing:
    """Probes and the steps after which they are read, 0 being before the first update."""

    probes: Sequence[Probe] = ()
    steps: frozenset[int] = frozenset()

    def read(self, moment: Moment) -> tuple[Reading, ...]:
        return tuple(reading for probe in self.probes for reading in probe.read(moment))


UNPROBED = Probing()
