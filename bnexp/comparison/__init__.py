"""Whether numbers repeat: a run against the same training here, and one run against another."""

from bnexp.comparison.comparelines import compare_lines
from bnexp.comparison.comparing import Comparison, compare
from bnexp.comparison.lines import verify_lines
from bnexp.comparison.verifying import Verification, verify

__all__ = ["Comparison", "Verification", "compare", "compare_lines", "verify", "verify_lines"]
