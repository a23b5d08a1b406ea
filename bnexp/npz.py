"""Arrays and a header of plain values as one npz file: no pickles, nothing packed, all checked."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bnexp.errors import BnexpError, StoreError

Arrays = dict[str, NDArray[Any]]


def encode(kind: str, header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> bytes:
    """The file's content. `kind` names the header's entry, and so what the file is."""
    content = io.BytesIO()
    np.savez(content, allow_pickle=False, **{kind: np.array(json.dumps(header))}, **arrays)
    return content.getvalue()


def decode(kind: str, version: int, content: bytes, path: Path) -> tuple[dict[str, Any], Arrays]:
    """Header and arrays; StoreError where the content is not whole, or of another kind or format.

    Its size in memory is that of the content: packed entries are refused.
    """
    try:
        arrays = _arrays(content)
        header = _header(kind, arrays.pop(kind, None), path)
        if header["format"] != version:
            raise StoreError(
                f"{path}: of format {header['format']}, this bnexp reads {version}; make it again, "
                "or use the bnexp that wrote it"
            )
    except BnexpError:
        raise
    except Exception as error:  # zipfile, numpy, its tokenizer and json raise of many kinds
        raise StoreError(f"{path}: damaged, expected a whole {kind} file: {error}") from None
    return header, arrays


def named(**parts: Sequence[Mapping[str, NDArray[Any]]]) -> Arrays:
    """Arrays of layers under one flat name each: `parameters/3/gamma`."""
    return {
        f"{part}/{i}/{name}": array
        for part, layers in parts.items()
        for i, own in enumerate(layers)
        for name, array in own.items()
    }


def _arrays(content: bytes) -> Arrays:
    """The arrays by name. Each is read whole, which is what compares its checksum."""
    arrays = {}
    with zipfile.ZipFile(io.BytesIO(content)) as file:
        entries = file.infolist()
        packed = any(entry.compress_type != zipfile.ZIP_STORED for entry in entries)
        if packed or sum(entry.file_size for entry in entries) > len(content):
            raise ValueError("larger unpacked than packed")
        for entry in entries:
            raw = io.BytesIO(file.read(entry))
            array = np.lib.format.read_array(raw, allow_pickle=False)
            if raw.read(1):
                raise ValueError(f"{entry.filename}: longer than its shape")
            arrays[entry.filename.removesuffix(".npy")] = array
    return arrays


def _header(kind: str, text: NDArray[Any] | None, path: Path) -> dict[str, Any]:
    if text is None:
        raise StoreError(f"{path}: of another kind, expected a {kind} file that bnexp wrote")
    header = json.loads(str(text))
    if type(header) is not dict:
        raise ValueError("its header is no mapping")
    return header
