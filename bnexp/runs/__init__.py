"""The run directory: the only place that writes results."""

from bnexp.runs.directory import RunDirectory

__all__ = ["RunDirectory"]
