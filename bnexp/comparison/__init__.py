"""Whether numbers repeat: a run against the same training here, and one run against another."""

from bnexp.comparison.comparison import Comparison, compare
from bnexp.comparison.text import compare_lines, verify_lines
from bnexp.comparison.verification import Verification, verify

__all__ = ["Comparison", "Verification", "compare", "compare_lines", "verify", "verify_lines"]
