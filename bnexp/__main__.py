"""`python -m bnexp`, and where the command `bnexp` begins.

What is imported here is imported before Ctrl-C is answered in order, and, by `python -m`, with the
current folder before the standard library: so nearly nothing is.
"""

import atexit
import gc
import os
import sys
from contextlib import suppress

from bnexp.searchpath import drop_implied_folder


def answer_signals() -> None:
    """Have a signal that stops the program end it at once, with one line.

    While modules are imported there is nothing to bring in order. What the process was started to
    ignore, by `nohup` or by a shell for the background, it goes on ignoring.
    """
    import signal

    def leave(signum: int, frame: object) -> None:
        with suppress(OSError):
            os.write(2, b"interrupted\n")
        os._exit(130)

    for name in ("SIGINT", "SIGTERM", "SIGHUP"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, leave)


def open_standard_streams() -> None:
    """Have no file of the program take the number of a stream that was closed, as by `>&-`.

    What is written to the stream would go into that file.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)  # the lowest number is free


def load_one_thread() -> None:
    """Have the libraries of matrix products start no threads, unless the user asks for some.

    Networks are trained with one. Where the system refuses another, OpenBLAS would end the process
    as if by Ctrl-C.
    """
    for library in ("OPENBLAS", "OMP", "MKL"):
        os.environ.setdefault(f"{library}_NUM_THREADS", "1")


def collect_less_garbage() -> None:
    """Have Python look for garbage seldom, and not at its end.

    Importing makes many objects, which are looked through again and again, and hardly any of them
    are garbage.
    """
    gc.set_threshold(100_000)
    atexit.register(gc.freeze)


def main() -> None:
    """Answer signals from the first moment, then import the command line and run it.

    A notebook's shell, or a setting of the user, may name a backend of matplotlib's that cannot be
    imported here. The program shows no windows and needs none.
    """
    open_standard_streams()
    answer_signals()
    load_one_thread()
    collect_less_garbage()
    os.environ.pop("MPLBACKEND", None)
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):  # letters that it lacks are printed as their codes
            stream.reconfigure(errors="backslashreplace")
    from bnexp.cli import main

    main()


if __name__ == "__main__":
    drop_implied_folder()
    main()
