"""A run as one HTML page that needs nothing else: figures, claims, data to explore, how to repeat.

`page` is of one run, `sides` sets two side by side. Both return text; the same run gives the same.
"""

from bnexp.report.html import page, sides

__all__ = ["page", "sides"]
