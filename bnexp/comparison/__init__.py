"""Compare numbers: those of a run with the same training repeated here, or those of two runs.

`verify` trains the networks of a run directory again, `compare` sets two run directories side by
side. Both compare every number: `match` pairs the networks and numbers of two runs and says how far
they are apart. `verify_lines` and `compare_lines` write down what was found.
"""

from bnexp.comparison.comparison import Comparison, compare
from bnexp.comparison.text import compare_lines, verify_lines
from bnexp.comparison.verification import Verification, verify

__all__ = ["Comparison", "Verification", "compare", "compare_lines", "verify", "verify_lines"]
