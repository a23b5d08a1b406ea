"""Whether numbers repeat: a run against the same training here, and one run against another.

`verify` trains the networks of a run directory again, `compare` sets two run directories side by
side. Both compare every number: `match` finds the networks and numbers of a run, `differences` the
deviations between numbers and the differences in config and environment that may explain them.
`verify_lines` and `compare_lines` write down what was found.
"""

from bnexp.comparison.comparison import Comparison, compare
from bnexp.comparison.text import compare_lines, verify_lines
from bnexp.comparison.verification import Verification, verify

__all__ = ["Comparison", "Verification", "compare", "compare_lines", "verify", "verify_lines"]
