"""The parquet export: a run's tables as Parquet files, with the config in their metadata."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

from bnexp.config.load import resolved
from bnexp.exports.common import Export, NetworkProgress, require_libraries, summary_line
from bnexp.files import write_export
from bnexp.runs.csv import empty_fields
from bnexp.runs.data import RunData
from bnexp.runs.tables import Table
from bnexp.text import counted


def write_parquet(run: RunData, target: str, progress: NetworkProgress) -> Export:
    """Write metrics.parquet, summary.parquet, and probes.parquet if there are probe readings.

    Columns are those of the CSV files, with types: int64, float64 (double) and string. A value is
    null where the field of the CSV file is empty; NaN stays NaN. The files' metadata have the
    experiment's name, its config as YAML and the manifest as JSON.
    """
    require_libraries("parquet", "pyarrow", "pyarrow.parquet")
    import pyarrow
    from pyarrow import parquet

    tables = {"metrics": run.metrics, "summary": run.summary}
    if len(run.probes["quantity"]):
        tables["probes"] = run.probes
    metadata = {"bnexp.name": run.config.name, "bnexp.config": resolved(run.config)}
    if run.manifest:
        metadata["bnexp.manifest"] = json.dumps(run.manifest)

    def contents() -> Iterator[tuple[str, bytes]]:
        for name, table in tables.items():
            columns = pyarrow.table({column: _arrow_column(column, table) for column in table})
            buffer = BytesIO()
            parquet.write_table(columns.replace_schema_metadata(metadata), buffer)
            yield f"{name}.parquet", buffer.getvalue()

    write_export(target, contents())
    lines = [summary_line(run, target)]
    for name, table in tables.items():
        lines.append(f"  {name}.parquet: {counted(len(table['cell']), 'row')}")
    path = str(Path(target, "metrics.parquet"))
    return Export(Path(target), tuple(lines), f"pandas.read_parquet({path!r})")


def _arrow_column(name: str, table: Table) -> Any:
    """A column as an Arrow array; texts if it has numbers and texts, as a swept key may have."""
    import pyarrow

    column = table[name]
    if column.dtype.kind == "O":
        texts = [repr(v) if isinstance(v, float) else str(v) for v in column.tolist()]
        return pyarrow.array(texts, pyarrow.string())
    return pyarrow.array(
        column, mask=empty_fields(name, table), from_pandas=False
    )  # NaN is no null
