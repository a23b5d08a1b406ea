#!/usr/bin/env python3
"""Write the whole gallery as a static site: every shipped result, with an index.

    PYTHONPATH=. python3 scripts/gallery_site.py [FOLDER]      default: site

Nothing is trained. Names after the folder choose experiments; default: all that have a result.
"""

import sys

from bnexp.config.document import experiment_names
from bnexp.errors import BnexpError
from bnexp.report import write_site
from bnexp.runs.references import is_run, reference_folders


def shipped_results() -> list[str]:
    """The names of the experiments that have a shipped result, by name."""
    folders = list(reference_folders())
    return [n for n in sorted(experiment_names()) if any(is_run(f / n) for f in folders)]


def main(arguments: list[str]) -> None:
    folder, *names = arguments or ["site"]
    try:
        print(write_site(names or shipped_results(), folder))
    except BnexpError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(sys.argv[1:])
