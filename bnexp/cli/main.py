"""The group of all commands, and how each of them ends.

A command ends with an exit status and, if something is wrong, one message on stderr; never with a
traceback, unless BNEXP_DEBUG is set. Everything heavy is imported inside the commands, so that
`bnexp --help` is quick.
"""

from __future__ import annotations

import errno
import os
import signal
import sys
import warnings
from contextlib import suppress
from types import FrameType
from typing import Any

import click

from bnexp import __version__
from bnexp.cli import data, explore, results, run
from bnexp.cli.arguments import import_modules, import_option
from bnexp.cli.terminal import GOES_ON, echo
from bnexp.errors import BnexpError, BnexpWarning, Interrupted, StoreError
from bnexp.execution import stopping
from bnexp.machine import IS_WINDOWS
from bnexp.registry import raised_in
from bnexp.text import cut, printable

# A closed terminal, where there is such a thing, stops a run gracefully too.
STOP_SIGNALS = (
    signal.SIGINT,
    signal.SIGTERM,
    *([signal.SIGHUP] if hasattr(signal, "SIGHUP") else []),
)
show_warning = warnings.showwarning
ANSWERED: list[int] = []  # those of them that the process was not started to ignore
EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOMEM, errno.EAGAIN)
NO_READER = 141  # the exit status where SIGPIPE ends a program: 128 and its number
MAX_CAUSE = 200  # characters of an error of the system or of a library


class Commands(click.Group):
    """A group that turns errors into one message on stderr and an exit status."""

    def make_context(self, *args: Any, **kwargs: Any) -> click.Context:
        """Parse the arguments; click's own errors may quote them."""
        try:
            return super().make_context(*args, **kwargs)
        except click.ClickException as error:
            raise readable(error) from None
        except OSError as error:  # of what --help and --version print
            if is_broken_pipe(error):
                raise click.exceptions.Exit(NO_READER) from None
            echo(f"bnexp: {system_error(error)}", err=True)
            raise click.exceptions.Exit(StoreError.exit_status) from None

    def invoke(self, ctx: click.Context) -> Any:
        """Call the command; exit with the status of the error that it raises, if any."""
        try:
            try:
                result = super().invoke(ctx)
            except Exception as error:
                if getattr(error, "exit_code", None) != Interrupted.exit_status:
                    stopping.check()  # a library's own error may stand for an interruption
                raise
            stopping.check()
            return result
        except BnexpError as error:
            echo(*str(error).split("\n"), err=True)
            ctx.exit(error.exit_status)
        except (KeyboardInterrupt, Interrupted):
            echo(interruption(ctx), err=True)
            ctx.exit(Interrupted.exit_status)
        except click.ClickException as error:
            raise readable(error) from None
        except (click.exceptions.Exit, click.Abort):
            raise
        except Exception as error:
            if is_broken_pipe(error):
                ctx.exit(NO_READER)
            if os.environ.get("BNEXP_DEBUG"):
                raise
            cause = first_cause(error)
            if is_exhausted(cause):
                echo(
                    f"bnexp: this system allows no more memory, files or processes: "
                    f"{one_line(cause) or 'out of memory'}; use fewer workers (-j 1) or a smaller "
                    "experiment, or allow more (ulimit -a shows the limits)",
                    err=True,
                )
                ctx.exit(1)
            if isinstance(error, OSError):
                echo(f"bnexp: {system_error(error)}", err=True)
                ctx.exit(StoreError.exit_status)
            place = raised_in(error)
            mistake = (
                f"a mistake in {place}" if place else "a mistake of the program, please report it"
            )
            echo(
                f"bnexp: {mistake}: {type(error).__name__}: {one_line(error)}; "
                "BNEXP_DEBUG=1 shows where",
                err=True,
            )
            ctx.exit(1)


def interruption(ctx: click.Context | None) -> str:
    """What is said last of a command that was interrupted: if it goes on later, how to do that."""
    return "; ".join(["interrupted", *filter(None, [ctx and ctx.meta.get(GOES_ON)])])


def readable(error: click.ClickException) -> click.ClickException:
    """The error with what it quotes of an argument made printable, line feeds included.

    The help of a group that is called without a command is an error of click's, and stays.
    """
    if not isinstance(error, click.exceptions.NoArgsIsHelpError):
        vars(error).update(message=printable(error.message))
    return error


def first_cause(error: BaseException) -> BaseException:
    """The error that led to this one: libraries raise others with pages of advice."""
    while error.__cause__ is not None:
        error = error.__cause__
    return error


def one_line(error: BaseException) -> str:
    """The text of an error of the system or of a library, in one line."""
    return cut(" ".join(str(error).split()), MAX_CAUSE)


def system_error(error: OSError) -> str:
    """An error of the system in words; without a file's name it is the output that is refused.

    >>> system_error(OSError(errno.ENOSPC, "No space left on device"))
    'cannot print: No space left on device'
    """
    if isinstance(error, PermissionError) and error.filename is not None and not IS_WINDOWS:
        return f"{os.fsdecode(error.filename)}: no permission to read or write"
    is_output = error.filename is None and error.errno in (errno.ENOSPC, errno.EIO, errno.EBADF)
    return f"cannot print: {error.strerror}" if is_output else str(error)


def is_broken_pipe(error: BaseException) -> bool:
    """Whether the reader of the output has gone; Windows calls the argument invalid then."""
    is_output = isinstance(error, OSError) and error.filename is None
    return isinstance(error, BrokenPipeError) or (
        IS_WINDOWS and is_output and getattr(error, "errno", None) == errno.EINVAL
    )


def is_exhausted(error: BaseException) -> bool:
    """Whether an error says that memory, files or threads have run out, as Python puts it.

    >>> is_exhausted(MemoryError()), is_exhausted(ImportError("failed to map segment of x.so"))
    (True, True)
    >>> is_exhausted(RuntimeError("can't start new thread")), is_exhausted(ImportError("no x"))
    (True, False)

    Extension modules that cannot be given memory may fail without saying why:

    >>> is_exhausted(SystemError("error return without exception set"))
    True
    """
    if isinstance(error, SystemError):
        return "without exception set" in str(error) or "without setting an ex" in str(error)
    if isinstance(error, MemoryError) or getattr(error, "errno", None) in EXHAUSTED:
        return True
    words = ("failed to map segment", "cannot allocate memory", "can't start new thread")
    return any(word in str(error).lower() for word in words)


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, prog_name="bnexp")
@import_option
@click.pass_context
def cli(ctx: click.Context, modules: tuple[str, ...]) -> None:
    """See, check and teach what batch normalization does.

    \b
    bnexp run quickstart            train 32 networks and draw the figure
    bnexp list                      list the experiments that come with bnexp
    bnexp new my_scales             start an experiment of your own
    bnexp explain train.optimizer   say what a config key means

    Shell completion: eval "$(_BNEXP_COMPLETE=bash_source bnexp)" (or zsh_source, fish_source).
    """
    if os.environ.get("NO_COLOR"):
        ctx.color = False
    if modules:
        import_modules(modules)


for command in (
    run.run_command,
    run.replicate_command,
    run.check_command,
    explore.list_experiments,
    explore.explain,
    explore.schema,
    explore.new,
    results.table_command,
    results.plot_command,
    results.claims_command,
    results.report_command,
    results.site_command,
    results.compare_command,
    results.verify_command,
    results.export_command,
    data.data_group,
):
    cli.add_command(command)


def _stop(signum: int, frame: FrameType | None) -> None:
    """Stop gracefully; a second signal ends the program at once, and the workers follow it.

    A run that trains is asked to stop after its step, with a checkpoint of each network. Elsewhere,
    while a module is imported, the first signal ends the program at once, too: much of what is run
    there, such as the callback of a weak reference, prints an exception and goes on.
    """
    for number in ANSWERED:
        signal.signal(number, _stop_at_once)
    if stopping.request():
        _tell("stopping after this step, with checkpoints; another signal stops at once")
        return
    while frame is not None:
        if frame.f_code.co_filename == "<frozen importlib._bootstrap>":
            _leave()
        frame = frame.f_back
    stopping.interrupt()


def _stop_at_once(signum: int, frame: object) -> None:
    ctx = click.get_current_context(silent=True)
    goes_on = ctx is not None and GOES_ON in ctx.meta
    kept = "; kept: finished networks and the checkpoints written before"
    _tell(f"stopped at once{kept if goes_on else ''}")
    os._exit(Interrupted.exit_status)


def _tell(text: str) -> None:
    """Write a line to stderr, past Python's buffers, which a handler may have interrupted."""
    with suppress(OSError):
        os.write(2, f"\n{text}\n".encode())


def _leave() -> None:
    """End at once with the message and the status of an interruption."""
    with suppress(OSError):
        os.write(2, f"{interruption(click.get_current_context(silent=True))}\n".encode())
    os._exit(Interrupted.exit_status)


def _lost_exception(unraisable: Any) -> None:
    """An interruption that was raised where Python ignores exceptions ends the program here."""
    if isinstance(unraisable.exc_value, Interrupted):
        _leave()
    sys.__unraisablehook__(unraisable)


def _print_warning(message: Any, category: type[Warning], *place: Any, **options: Any) -> None:
    """Our own warnings are one line on stderr, as errors are; others are shown as Python does."""
    if issubclass(category, BnexpWarning):
        echo(str(message), err=True)
    else:
        show_warning(message, category, *place, **options)


def main() -> None:
    """Entry point: `cli` with its signal handlers, silent if the reader of the output has gone.

    A signal that the process was started to ignore, as by `nohup`, is ignored. Once the command is
    done, so are the others but SIGTERM: what is left is the end of the program itself.
    """
    try:
        ANSWERED[:] = [n for n in STOP_SIGNALS if signal.getsignal(n) != signal.SIG_IGN]
        for number in ANSWERED:
            signal.signal(number, _stop)
        sys.unraisablehook = _lost_exception
        warnings.showwarning = _print_warning
        try:
            cli()
        finally:
            for number in ANSWERED:
                is_term = number == signal.SIGTERM
                signal.signal(number, signal.SIG_DFL if is_term else signal.SIG_IGN)
            _drop_unwritten()
    except Interrupted:  # before the arguments were read, or after the end of the command
        _leave()
    except OSError as error:
        if not is_broken_pipe(error):
            raise
        sys.exit(NO_READER)


def _drop_unwritten() -> None:
    """Forget what could not be printed: Python would try again and end with its own status."""
    for stream in (sys.stdout, sys.stderr):
        try:
            if stream is not None:
                stream.flush()
        except OSError:
            os.dup2(os.open(os.devnull, os.O_WRONLY), stream.fileno())
