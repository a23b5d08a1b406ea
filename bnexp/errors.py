"""The errors that a user can meet, each with the exit status of a command that ends by it.

A message says what is wrong and where, what was expected, what was found, and what to do.
"""

from __future__ import annotations

from typing import Any

from bnexp.text import printable


class BnexpError(Exception):
    """Base of every error meant for the user; `exit_status` is the command line's answer to it.

    text: one line. Names of files and keys in it may hold line feeds and control characters; these
    are shown as their codes. more: further lines, such as other ways to get the data.
    """

    exit_status = 1

    def __init__(self, text: str = "", more: str = "") -> None:
        super().__init__(text, *([more] if more else []))

    def __str__(self) -> str:
        text, *more = (str(argument) for argument in self.args)
        return "\n".join([printable(text), *(printable(part, lines=True) for part in more)])


class NetworksFailed(BnexpError):
    """Some networks could not be trained; `result` has the others, and they are kept."""

    def __init__(self, message: str, result: Any) -> None:
        super().__init__(message)
        self.result: Any = result


class ConfigError(BnexpError):
    """The experiment's text, or a value given on the command line, is not valid."""

    exit_status = 2


class DataError(BnexpError):
    """The data set is missing, damaged or not what the experiment needs."""

    exit_status = 3


class StoreError(BnexpError):
    """The run directory cannot be read or written."""

    exit_status = 4


class BnexpWarning(UserWarning):
    """Something that a user should know, though the command goes on without it."""


class Interrupted(BaseException):
    """A command was stopped by SIGINT, SIGTERM or SIGHUP.

    Its text, if it has one, says what is kept. It is no KeyboardInterrupt: where that passes
    through an import, Python ends by the signal instead of our exit status, even if it was caught.
    """

    exit_status = 130
