"""From records to tidy tables."""

from bnexp.tables.building import results
from bnexp.tables.columns import METRICS
from bnexp.tables.csvtext import absent, csv_text
from bnexp.tables.results import Axis, Results

__all__ = ["METRICS", "Axis", "Results", "absent", "csv_text", "results"]
