"""The command line: parse, call, print."""

from bnexp.cli.main import main

__all__ = ["main"]
