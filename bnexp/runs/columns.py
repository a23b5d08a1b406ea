"""`Columns`, a table as a dictionary of NumPy arrays, which prompts and notebooks show."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from bnexp.errors import BnexpError
from bnexp.runs.csv import empty_fields
from bnexp.text import counted, distinct, notebook_html, printable, short

MAX_ROWS = 5


class Columns(dict[str, Any]):
    """A table as column name -> array.

    All arrays have one length. It is a dictionary that shows itself as a table: its columns are
    listed with the first MAX_ROWS values of each.

    swept: the columns of swept keys, whose values are shown with as many digits as tell them apart.
    """

    def __init__(self, table: Mapping[str, Any] | None = None, swept: Collection[str] = ()) -> None:
        super().__init__(table or {})
        self._swept = swept

    def __repr__(self) -> str:
        """A line for each column, with its first values."""
        names = {name: printable(name) for name in self}
        width = max(map(len, names.values()), default=0)
        more = ", ..." if self._length() > MAX_ROWS else ""
        lines = [f"  {names[n]:<{width}}  {', '.join(self._texts(n))}{more}" for n in self]
        return "\n".join([self._size(), *lines])

    def _repr_html_(self) -> str:
        """The first rows, and how many there are."""
        rows = list(zip(*map(self._texts, self), strict=True))
        return notebook_html("columns.html", names=list(self), rows=rows, count=self._size())

    def _texts(self, name: str) -> list[str]:
        """The first values of a column; those of a swept key with as many digits as differ."""
        values = self[name].tolist()
        if name not in self._swept:
            return [short(value) for value in values[:MAX_ROWS]]
        different = list(dict.fromkeys(values))
        texts = dict(zip(different, distinct(different), strict=True))
        return [texts[value] for value in values[:MAX_ROWS]]

    def _length(self) -> int:
        return len(next(iter(self.values()), ()))

    def _size(self) -> str:
        return f"{counted(self._length(), 'row')} x {counted(len(self), 'column')}"

    def to_pandas(self) -> Any:
        """The table as a pandas DataFrame, NaN where the CSV is empty; needs the extra `pandas`.

        BnexpError if pandas is not installed. The index is the number of the row.
        """
        try:
            import pandas
        except ModuleNotFoundError:
            raise BnexpError("to_pandas: needs pandas; pip install 'bnexp[pandas]'") from None
        frame = pandas.DataFrame(dict(self))
        for name in frame:
            if (empty := empty_fields(name, self)).any():
                frame[name] = frame[name].mask(empty)
        return frame
