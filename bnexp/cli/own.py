"""A user's own classes for the command line: modules that register them are imported."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterable
from importlib import import_module

from bnexp.errors import ConfigError


def import_modules(names: Iterable[str]) -> None:
    """Import each module, from the current folder or installed; ConfigError where that fails."""
    if os.getcwd() not in sys.path:  # worker processes are given this path, too
        sys.path.insert(0, os.getcwd())
    for name in names:
        if not all(part.isidentifier() for part in name.split(".")):
            raise ConfigError(f"--import {name}: expected a module's name such as my_norms")
        try:
            import_module(name)
        except ModuleNotFoundError as error:
            if error.name is None or not f"{name}.".startswith(f"{error.name}."):
                raise _failed(name, error) from None
            module = name.removesuffix(".py")
            hint = "" if module == name else f"; did you mean {module}?"
            raise ConfigError(
                f"--import {name}: no such module, expected the name of an installed one or of "
                f"{module.replace('.', '/')}.py in {os.getcwd()}{hint}"
            ) from None
        except Exception as error:  # whatever the user's code raises
            raise _failed(name, error) from None


def _failed(name: str, error: Exception) -> ConfigError:
    return ConfigError(f"--import {name}: the module raised {type(error).__name__}: {error}")
