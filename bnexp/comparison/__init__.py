"""Whether numbers repeat: a run against the same training here, and one run against another."""

from bnexp.comparison.comparelines import compare_lines
from bnexp.comparison.comparing import Comparison, compare
from bnexp.comparison.verifying import Verification, verify
from bnexp.comparison.verifylines import verify_lines

__all__ = ["Comparison", "Verification", "compare", "compare_lines", "verify", "verify_lines"]
