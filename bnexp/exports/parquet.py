"""Tables as Parquet files, with the config in their metadata."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from bnexp.config.load import resolved
from bnexp.exports.base import Each, Exported, require
from bnexp.files import write_export
from bnexp.runs.csv import absent
from bnexp.runs.data import RunData
from bnexp.runs.tables import Table
from bnexp.text import counted


def write(data: RunData, place: str, each: Each) -> Exported:
    """metrics.parquet, summary.parquet, and probes.parquet where there are probes.

    Columns are those of the CSV files: integers, float64 and strings; a value is null where the
    CSV's field is empty.
    """
    require("parquet", "pyarrow", "pyarrow.parquet")
    named = {"metrics": data.metrics, "summary": data.summary}
    if len(data.probes["quantity"]):
        named["probes"] = data.probes
    write_export(place, _contents(named, _metadata(data)))
    numbers = {name: len(table["cell"]) for name, table in named.items()}
    rows = [f"{name}.parquet: {counted(number, 'row')}" for name, number in numbers.items()]
    metrics = f"{Path(place, 'metrics.parquet')}"
    lines = (f"{counted(len(data.records), 'network')} in {place}", *(f"  {row}" for row in rows))
    return Exported(Path(place), lines, f"pandas.read_parquet({metrics!r})")


def _contents(named: dict[str, Table], metadata: dict[str, str]) -> Iterator[tuple[str, bytes]]:
    from pyarrow import parquet

    for name, table in named.items():
        buffer = BytesIO()
        parquet.write_table(_arrow(table).replace_schema_metadata(metadata), buffer)
        yield f"{name}.parquet", buffer.getvalue()


def _arrow(table: Table) -> Any:
    import pyarrow

    return pyarrow.table({name: _column(name, table) for name in table})


def _column(name: str, table: Table) -> Any:
    import pyarrow

    column, missing = table[name], absent(name, table)
    if column.dtype.kind == "O":  # a swept key with numbers among texts too
        texts = [repr(v) if isinstance(v, float) else str(v) for v in column.tolist()]
        return pyarrow.array(texts, pyarrow.string())
    return pyarrow.array(column, mask=missing, from_pandas=False)  # NaN is no null


def _metadata(data: RunData) -> dict[str, str]:
    manifest = {"bnexp.manifest": json.dumps(data.manifest)} if data.manifest else {}
    return {"bnexp.name": data.config.name, "bnexp.config": resolved(data.config), **manifest}
