"""The errors a user can meet: each says what, expected, got, what to do, and knows its status."""

from __future__ import annotations

from typing import Any


class BnexpError(Exception):
    """Base of every error meant for the user; `exit_status` is the command line's answer to it."""

    exit_status = 1


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
