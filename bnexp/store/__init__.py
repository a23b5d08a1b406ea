"""The run directory: the only place that writes results."""

from bnexp.store.directory import RunDirectory

__all__ = ["RunDirectory"]
