"""Bytes from files, packed or not, never more than was promised."""

from __future__ import annotations

import gzip
import zlib
from io import BytesIO
from pathlib import Path
from stat import S_ISREG

from bnexp.errors import DataError

LIMIT = 1 << 30  # bytes; no data set for this program is near it, a gzip bomb soon is
CHUNK = 1 << 20
GZIP_MARK = b"\x1f\x8b"

Stream = BytesIO | gzip.GzipFile


def read_file(path: Path) -> bytes:
    """All bytes of a file as it lies on disk; DataError if it cannot be read or exceeds LIMIT."""
    try:
        if path.stat().st_size > LIMIT:
            raise DataError(f"{path}: expected at most {LIMIT} bytes, got {path.stat().st_size}.")
        return path.read_bytes()
    except OSError as error:
        raise DataError(f"{path}: cannot be read ({error.strerror}).") from error


def is_file(path: Path) -> bool:
    """Whether `path` is a file; DataError if that cannot be told, as in a folder closed to us."""
    try:
        return S_ISREG(path.stat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return False
    except (OSError, ValueError) as error:  # ValueError: a path no system can have
        raise DataError(
            f"{path}: cannot be looked up ({getattr(error, 'strerror', error)}). "
            "Check the path and the permissions of its folders."
        ) from error


def open_bytes(raw: bytes) -> Stream:
    """A stream of what `raw` holds. The content decides: browsers unpack files and keep `.gz`."""
    source = BytesIO(raw)
    return gzip.GzipFile(fileobj=source) if raw.startswith(GZIP_MARK) else source


def read_up_to(stream: Stream, size: int, path: Path) -> bytes:
    """The next `size` bytes, fewer only at the end; DataError if the packed data are damaged."""
    content = bytearray()
    try:
        while len(content) < size and (part := stream.read1(min(CHUNK, size - len(content)))):
            content += part
    except EOFError as error:
        raise DataError(_cut_short(path, len(content))) from error
    except (OSError, zlib.error) as error:
        raise DataError(f"{path}: damaged gzip data ({error}). Get the file again.") from error
    return bytes(content)


def _cut_short(path: Path, got: int) -> str:
    return (
        f"{path}: the file is truncated: expected a complete gzip stream, "
        f"got one that ends after {got} unpacked bytes of this part. Get the file again."
    )
