"""A run directory's report.html, from its own config, results and manifest."""

from __future__ import annotations

from pathlib import Path

from bnexp import report
from bnexp.claims import verdicts
from bnexp.config import Config, load_config, shipped
from bnexp.files import write_whole
from bnexp.opening import finished
from bnexp.store import RunDirectory


def write_report(
    directory: str | Path, out: str | Path | None = None, other: str | Path | None = None
) -> Path:
    """Write the page of a run directory, report.html in it unless `out` says otherwise.

    With `other`, another run directory, the page sets the two side by side. Returns where it is.
    Raises ConfigError, StoreError or BnexpError where there is nothing to say.
    """
    if other is not None:
        return write_sides(Path(directory), Path(other), None if out is None else Path(out))
    store = RunDirectory(Path(directory))
    text = report.page(read_run(store.path))
    return _written(store, "report.html", text, None if out is None else Path(out))


def write_sides(first: Path, second: Path, out: Path | None = None) -> Path:
    """Write the page that sets two runs side by side, by default into the first one."""
    store = RunDirectory(first)
    text = report.sides(read_run(first), read_run(second))
    return _written(store, f"report-{second.resolve().name}.html", text, out)


def _written(store: RunDirectory, name: str, text: str, out: Path | None) -> Path:
    if out is not None:
        write_whole(out, text.encode())
        return out
    with store.writing():
        return store.write(name, text)


def read_run(directory: Path) -> report.Run:
    """What a page says of a run directory; trains and writes nothing."""
    made = finished(directory)
    manifest = RunDirectory(directory).manifest() or {}
    own = _shipped(made.config.name)
    return report.Run(
        config=made.config,
        tables=made.tables,
        verdicts=verdicts(made.config, made.plan, made.tables),
        missing=[
            report.Missing(cell.point, cell.seed, made.missing[cell.id])
            for cell in made.plan.cells
            if cell.id in made.missing
        ],
        manifest=manifest,
        parent=_shipped(manifest.get("extends", own.document.extends if own else "")),
        shipped=own,
    )


def _shipped(name: object) -> Config | None:
    """The shipped experiment of that name, None if there is none."""
    return load_config(str(name)) if name in shipped.names() else None
