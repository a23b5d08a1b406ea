#!/usr/bin/env python3
"""Write the whole gallery as a static site: every shipped result, with an index.

    PYTHONPATH=. python3 scripts/gallery_site.py [FOLDER]      default: site

Nothing is trained. Names after the folder choose experiments; default: all that have a result. A
run of your own in results/NAME is never in it.
"""

import sys
from collections.abc import Iterable
from pathlib import Path

from bnexp.config.document import experiment_names
from bnexp.errors import BnexpError, ConfigError
from bnexp.report import write_site
from bnexp.runs.references import is_run, reference_folders
from bnexp.text import choices


def shipped_results() -> dict[str, Path]:
    """The folder of each experiment's shipped result, by name."""
    places = [
        folder / name for name in sorted(experiment_names()) for folder in reference_folders()
    ]
    return {place.name: place for place in reversed(places) if is_run(place)}


def write_gallery(folder: str | Path, names: Iterable[str] = ()) -> Path:
    """Write the site of these experiments, default: all; return the path of its index."""
    places = shipped_results()
    for name in names:
        if name not in places:
            raise ConfigError(f"expected {choices(name, [*places])}")
    return write_site([places[name] for name in sorted(names or places)], folder)


def main(arguments: list[str]) -> None:
    folder, *names = arguments or ["site"]
    try:
        print(write_gallery(folder, names))
    except BnexpError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main(sys.argv[1:])
