"""The command line: parse, call, print.

`main` has the group and how every command ends, `run`, `explore`, `results` and `data` the
commands, `arguments` what several of them share, `output` and `progress` what they print. Commands
import what they need when they are called, so that `bnexp --help` is quick.
"""

from bnexp.cli.main import main

__all__ = ["main"]
