"""How every command ends: with one message and an exit status, never a traceback."""

from __future__ import annotations

import os
from typing import Any

import click

from bnexp.errors import BnexpError, StoreError

INTERRUPTED = 130


class Interrupted(BaseException):
    """SIGINT or SIGTERM came. Not KeyboardInterrupt: where that passes through an import, Python
    ends by the signal instead of our status, even though it was caught."""


class Commands(click.Group):
    """Turns errors into one message on stderr and an exit status, never a traceback."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except BnexpError as error:
            click.echo(str(error), err=True)
            ctx.exit(error.exit_status)
        except (KeyboardInterrupt, Interrupted):
            click.echo("interrupted; the same command goes on from here", err=True)
            ctx.exit(INTERRUPTED)
        except (click.ClickException, click.exceptions.Exit, click.Abort, BrokenPipeError):
            raise
        except OSError as error:
            click.echo(f"bnexp: {error}", err=True)
            ctx.exit(StoreError.exit_status)
        except Exception as error:
            if os.environ.get("BNEXP_DEBUG"):
                raise
            click.echo(
                f"bnexp: a mistake of the program, please report it: {type(error).__name__}: "
                f"{error}; BNEXP_DEBUG=1 shows where",
                err=True,
            )
            ctx.exit(1)
