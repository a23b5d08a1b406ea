"""A run as one HTML page that needs no other file: figures, claims, numbers, how to repeat it.

`run_page` shows one run, `pair_page` two runs side by side. Both return the page's text, which is
always the same for the same run. `write_report` writes it to a file, and `write_site` the pages of
many runs, with an index, to a folder.
"""

from bnexp.report.html import pair_page, run_page, write_report
from bnexp.report.site import write_site

__all__ = ["pair_page", "run_page", "write_report", "write_site"]
