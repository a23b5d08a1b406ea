"""Worker processes of this machine: how they are started, given tasks, watched and ended.

A worker is a new Python process with one BLAS thread. It is linked to this process by two pipes,
its standard input and output, and nothing else is shared: no lock, no memory. So whenever a worker
is killed, the system closes its ends, and what waits for it here goes on. When this process is
gone, its workers notice it in the same way, and end. What a worker prints goes to standard error.

What goes through a pipe is pickled, each message after its length (`Link`):

    to the worker      what it needs to import what this process has, then tasks, and STOP when
                       they are to end (`bnexp.execution.stopping`)
    from the worker    ("ready", None) once, or ("failed", TEXT) and it ends; then for each task
                       ("steps", NUMBER) about ten times a second, and its end, which is
                       ("done", RESULT) or ("raised", ERROR)

Retries and timeouts. A worker that dies (killed for memory, for example) is replaced, and its task
is tried again, RETRIES (2) times; then the task fails with `WorkerDied`. A task that takes longer
than `cell_timeout` seconds for each of its networks fails with `WorkerHung` at once: its worker is
killed and it is not tried again. Starting a process and importing bnexp is not counted; a worker
that is not ready after START_SECONDS is killed, too, and replaced.

`early_workers` starts processes before anybody knows what they are to do: importing takes them as
long as it takes this process to read an experiment.

Modules are searched in the same folders as here, but the folder of the script, or the current one,
comes after the standard library (`bnexp.searchpath`).
"""

from __future__ import annotations

import io
import math
import multiprocessing
import os
import pickle
import signal
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent import futures
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from multiprocessing import spawn
from multiprocessing.process import ORIGINAL_DIR  # type: ignore[attr-defined]
from queue import Empty, SimpleQueue
from typing import Any, cast

from bnexp.errors import BnexpError, ConfigError, Interrupted
from bnexp.execution import stopping
from bnexp.execution.blas import keep_freed_memory
from bnexp.searchpath import demoted

RETRIES = 2
START_SECONDS = 300.0  # the longest wait for a worker that starts
END_SECONDS = 10.0  # the longest wait for one to end by itself
REPORT_SECONDS = 0.1  # between two reports of a task's steps
# Read once, when a library is loaded: more threads than one would have several stacks fight for the
# cores, and a product's last bits depend on their number.
ONE_THREAD = dict.fromkeys(("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"), "1")

UNGUARDED = 77  # the exit status of a worker that a script would have start all over
ADVICE = (
    "a script that asks for several jobs is read again by each worker, expected its call under "
    '`if __name__ == "__main__":`, got one at the top; put it there, or use jobs=1'
)
# The program of a worker. It takes its pipes at once, so that nothing that it imports prints into
# them or reads from them; what came before, from a sitecustomize for example, ends at GREETING.
GREETING = b"bnexp worker\n"
PROGRAM = """\
import os, sys
try:
    os.fstat(2)
except OSError:  # this process has no standard error; what is opened now takes its number
    os.open(os.devnull, os.O_RDWR)
pipes = os.dup(0), os.dup(1)
os.dup2(os.open(os.devnull, os.O_RDWR), 0)
os.dup2(2, 1)
try:
    os.write(pipes[1], {greeting!r})
except OSError:  # the process that has started this one is gone
    os._exit(1)
sys.path[:] = {path!r}
try:
    from bnexp.execution.workers import serve
    import bnexp.execution.processes  # what tasks need, while the other process plans them
except BaseException as error:
    import pickle, struct
    text = pickle.dumps(("failed", f"{{type(error).__name__}}: {{error}}"))
    try:
        os.write(pipes[1], struct.pack("!Q", len(text)) + text)
    except OSError:
        pass
else:
    serve(*pipes)
"""
LENGTH = struct.Struct("!Q")
STOP = b"stop"  # no pickle
# Signals that may go to all processes of a group, as from a terminal or a batch system: the parent
# answers them, its workers never.
HELD = {getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGHUP") if hasattr(signal, name)}

_in_worker = False

# What reports of steps are passed to, in each thread that runs tasks.
on_reported_steps: ContextVar[Callable[[int], object]] = ContextVar(
    "on_reported_steps", default=int
)


class WorkerDied(BnexpError):
    """A worker process ended without an answer, again and again.

    It costs the networks of its stack and no others; their records have this error.
    """


class WorkerHung(BnexpError):
    """A worker process gave no answer within its time.

    It costs the networks of its stack and no others; their records have this error.
    """


class WorkerLost(Exception):
    """The worker has ended, by itself or because it was killed."""


class WorkerProcesses(futures.Executor):
    """A pool of `workers` processes.

    A process that dies costs the task it was at a new try in a new process; the others go on.
    `steps()` is the sum of what tasks have reported so far. A process that takes longer than
    `cell_timeout` seconds for each network of its task is ended, and the task failed.

    A thread for each worker takes an idle one, gives it a task and waits for the answer.

    early: processes that have been started already (`early_workers`); those that it takes are
    removed from the list.

    ConfigError if the system refuses to start so many processes.
    """

    def __init__(
        self, workers: int, cell_timeout: float | None = None, early: list[Worker] | None = None
    ) -> None:
        self.workers = workers
        self._cell_timeout = cell_timeout
        self._steps = 0
        self._threads = ThreadPoolExecutor(workers, "worker")
        self._idle: SimpleQueue[Worker] = SimpleQueue()
        self._started: set[Worker] = set()
        self._early = [] if early is None else early
        self._closed = self._stopped = False
        self._lock = threading.Lock()
        try:
            for _ in range(workers):
                self._idle.put(self._start())
        except BaseException:
            self.shutdown(wait=False)
            raise

    def submit(self, fn: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Future[Any]:
        """Queue a task; `args[0]` must have `networks` if there is a time limit.

        The future raises WorkerDied, WorkerHung, ConfigError for an unguarded script or a worker
        that cannot be started, or what `fn` raised.
        """
        try:
            return self._threads.submit(self._run, fn, args, kwargs)
        except RuntimeError as error:  # the system refuses another thread
            raise _no_worker(error) from None

    def steps(self) -> int:
        """All steps that tasks have reported, those of tries that were lost included."""
        return self._steps

    def stop(self) -> None:
        """Have the processes save checkpoints and end their tasks, which raise Interrupted."""
        with self._lock:
            self._stopped = True
            for worker in self._started:
                worker.stop()

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """End the processes when they have done their tasks; without `wait`, at once."""
        with self._lock:
            self._closed = True
        if not wait:
            for worker in self._started:
                worker.kill()
        # Killed or done, the processes end soon; what waits for them should not outlive this call.
        self._threads.shutdown(True, cancel_futures=cancel_futures)
        for worker in self._started:
            worker.close()
        for worker in self._started:
            worker.end()

    def _start(self) -> Worker:
        worker = self._early.pop() if self._early else start_worker()
        self._started.add(worker)
        if self._stopped:
            worker.stop()
        return worker

    def _replace(self, worker: Worker) -> Worker:
        """A new worker for one that is lost; WorkerLost if the pool is being closed."""
        with self._lock:
            if self._closed:
                raise WorkerLost
            worker.kill()
            worker.end()
            self._started.discard(worker)
            return self._start()

    def _count(self, steps: int) -> None:
        with self._lock:
            self._steps += steps

    def _run(self, fn: Callable[..., Any], args: Any, kwargs: Any) -> Any:
        """Run a task in an idle process, in others if that dies; in a thread of this process."""
        worker, seconds = self._idle.get(), None
        if self._cell_timeout is not None:
            seconds = self._cell_timeout * len(args[0].networks)
        try:
            for _ in range(RETRIES + 1):
                try:
                    kind, content = worker.call((fn, args, kwargs), seconds, self._count)
                except WorkerHung:
                    worker = self._replace(worker)
                    raise
                except WorkerLost:
                    if worker.exit_status() == UNGUARDED:
                        raise ConfigError(ADVICE) from None
                    worker = self._replace(worker)
                else:
                    if kind == "raised":
                        raise content
                    return content
        finally:
            self._idle.put(worker)
        raise WorkerDied(
            f"a worker process died {RETRIES + 1} times at the same stack, expected an answer; it "
            "may have run out of memory: try fewer workers (-j 1)"
        )


def start_worker() -> Worker:
    """A new worker; ConfigError if the system refuses it."""
    if not spawn.get_executable() or getattr(sys, "frozen", False):
        raise ConfigError(
            "cannot start a worker process: Python is part of another program here, and has "
            "none of its own to start; use one worker (-j 1)"
        )
    try:
        return Worker()
    except (OSError, RuntimeError) as error:
        raise _no_worker(error) from None


@contextmanager
def early_workers(number: int) -> Iterator[list[Worker]]:
    """Workers for a pool that is made in the block; those that none has taken are ended after it.

    They are fewer if the system refuses some: the pool says so if it needs them.
    """
    workers: list[Worker] = []
    try:
        with suppress(ConfigError):
            for _ in range(number):
                workers.append(start_worker())
        yield workers
    finally:
        for worker in workers:
            worker.kill()
            worker.end()


def _no_worker(error: Exception | str) -> ConfigError:
    reason = (error.strerror if isinstance(error, OSError) else None) or error
    return ConfigError(
        f"cannot start a worker process: {reason}; try fewer workers (-j 1), or allow more "
        "processes, files or memory (ulimit -a shows the limits)"
    )


class Link:
    """Messages over two pipes: eight bytes with the length, then the message itself.

    Threads may send at the same time; one of them receives.
    """

    def __init__(self, source: io.RawIOBase, sink: io.RawIOBase) -> None:
        self._source, self._sink = source, sink
        self._sending = threading.Lock()

    def send(self, content: Any) -> None:
        self.send_bytes(pickle.dumps(content))

    def send_bytes(self, message: bytes) -> None:
        """OSError if the other process is gone."""
        rest = memoryview(LENGTH.pack(len(message)) + message)
        with self._sending:
            while rest:
                rest = rest[self._sink.write(rest) :]

    def receive_bytes(self) -> bytes:
        """The next message; EOFError or OSError if the other process is gone."""
        (length,) = LENGTH.unpack(self._read(LENGTH.size))
        return self._read(length)

    def skip_to(self, end: bytes) -> None:
        """Drop what comes up to these bytes, and them."""
        last = b""
        while last != end:
            last = (last + self._read(1))[-len(end) :]

    def close(self) -> None:
        """Send no more; the other process reads the end."""
        self._sink.close()

    def close_source(self) -> None:
        self._source.close()

    def _read(self, size: int) -> bytes:
        content = bytearray()
        while len(content) < size:
            part = self._source.read(size - len(content))
            if not part:
                raise EOFError
            content += part
        return bytes(content)


class Worker:
    """A worker process and this process's ends of its pipes. One thread at a time calls it.

    A thread of its own reads what the process sends.

    OSError or RuntimeError if the process or the thread cannot be started.
    """

    def __init__(self) -> None:
        self._ready = False
        self._answers: SimpleQueue[bytes | None] = SimpleQueue()  # None: it has ended
        flags = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
        program = PROGRAM.format(path=demoted(), greeting=GREETING)
        with _signals_held():
            self._process = subprocess.Popen(
                [spawn.get_executable(), *flags, "-P", "-u", "-c", program],
                bufsize=0,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                env={**os.environ, **ONE_THREAD},
                creationflags=getattr(subprocess, "CREATE_NEW_PROCESS_GROUP", 0),  # no Ctrl-C
            )
        self._link = Link(cast(Any, self._process.stdout), cast(Any, self._process.stdin))
        try:
            threading.Thread(target=self._read_answers, daemon=True).start()
        except RuntimeError:
            self.kill()
            self.end()
            self._link.close_source()
            raise
        with suppress(OSError):  # gone already: the first task will notice it
            self._link.send(_preparation())

    def call(
        self, task: tuple[Any, ...], seconds: float | None, on_steps: Callable[[int], None]
    ) -> tuple[str, Any]:
        """Have it do a task; "done" and the result, or "raised" and the error.

        WorkerLost if it ends before it answers, WorkerHung if it is killed after `seconds`,
        ConfigError if it could not be prepared.
        """
        if not self._ready:
            with self._limit(START_SECONDS):
                kind, content = self._receive(on_steps)
            if kind == "failed":
                raise _no_worker(content)
            self._ready = True
        with self._limit(seconds) as expired:
            try:
                with suppress(OSError):  # gone: it has no answer either
                    self._link.send(task)
                return self._receive(on_steps)
            except WorkerLost:
                if not expired.is_set():
                    raise
        raise WorkerHung(
            f"no result after {seconds:g} seconds, which is --cell-timeout for each network of the "
            "stack; the worker was ended"
        )

    def stop(self) -> None:
        """Have its task end after the step that is being made; from any thread."""
        with suppress(OSError):
            self._link.send_bytes(STOP)

    def kill(self) -> None:
        self._process.kill()

    def close(self) -> None:
        """Have it end, without waiting for it."""
        self._link.close()

    def end(self) -> None:
        """Have it end, as it does when the link is closed; kill it if it does not."""
        self.close()
        try:
            self._process.wait(END_SECONDS)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def exit_status(self) -> int | None:
        """Its exit status, once its link is closed; None if it does not end."""
        with suppress(subprocess.TimeoutExpired):
            return self._process.wait(END_SECONDS)
        return None

    def _read_answers(self) -> None:
        """Put what it sends into a queue, until it has ended; in a thread of its own."""
        with suppress(EOFError, OSError):
            self._link.skip_to(GREETING)
            while True:
                self._answers.put(self._link.receive_bytes())
        self._link.close_source()
        self._answers.put(None)

    def _receive(self, on_steps: Callable[[int], None]) -> tuple[str, Any]:
        """Its next message that is no report of steps; WorkerLost if it ends before."""
        while True:
            ended = self._process.poll() is not None
            try:
                answer = self._answers.get(timeout=1.0)
            except Empty:
                if ended:  # what it has started itself may hold its pipe open
                    raise WorkerLost from None
                continue
            if answer is None:
                self._answers.put(None)
                raise WorkerLost
            kind, value = pickle.loads(answer)
            if kind != "steps":
                return kind, value
            on_steps(value)

    @contextmanager
    def _limit(self, seconds: float | None) -> Iterator[threading.Event]:
        """Kill the process if the block takes longer; whatever waits for it there ends by that.

        The event says whether it was killed.
        """
        expired = threading.Event()
        if seconds is None:
            yield expired
            return

        def expire() -> None:
            expired.set()
            self._process.kill()

        timer = threading.Timer(min(seconds, threading.TIMEOUT_MAX), expire)
        timer.daemon = True
        timer.start()
        try:
            yield expired
        finally:
            timer.cancel()


@contextmanager
def _signals_held() -> Iterator[None]:
    """Start processes that are not reached by signals of the terminal until they ignore them."""
    if not hasattr(signal, "pthread_sigmask"):  # Windows
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def check_seconds(name: str, value: Any) -> None:
    """ConfigError unless the value of this argument is a number of seconds."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    if not is_number or not 0 < value < math.inf:
        raise ConfigError(f"{name}: expected a number of seconds > 0, got {value!r}")


def script() -> str | None:
    """The file that this process runs, which workers read again for the classes in it.

    At a prompt and in a notebook there is none; `python - < script.py` calls its file `<stdin>`.
    """
    file = getattr(sys.modules["__main__"], "__file__", None)
    path = file and os.path.join(ORIGINAL_DIR or "", file)
    return path if path and os.path.isfile(path) else None


def _preparation() -> dict[str, Any]:
    """What a worker needs to import what this process has, as `spawn.prepare` takes it.

    `spawn.get_preparation_data` would fail in a debugger, whose main module has no `__spec__`, and
    for a script from standard input.
    """
    data = {"sys_argv": sys.argv, "orig_dir": ORIGINAL_DIR}
    name = getattr(getattr(sys.modules["__main__"], "__spec__", None), "name", None)
    if name is not None:
        data["init_main_from_name"] = name
    elif path := script():
        data["init_main_from_path"] = os.path.normpath(path)
    return data


def leave_if_worker() -> None:
    """End a worker process that would train everything again because it imports the user's script.

    A worker imports the user's script. If the call of `bnexp.run` is not guarded there, the worker
    would start a run of its own; instead it exits with the status UNGUARDED, and the parent raises
    ConfigError with ADVICE.
    """
    if _in_worker:
        os._exit(UNGUARDED)


def serve(source: int, sink: int) -> None:
    """What a worker process does: one task after another, until its parent is gone.

    `source` and `sink` are the files of its pipes.
    """
    global _in_worker
    _in_worker = True
    try:
        _serve(Link(os.fdopen(source, "rb", 0), os.fdopen(sink, "wb", 0)))
    except OSError:  # the parent has ended while something was sent to it
        os._exit(1)


def _serve(link: Link) -> None:
    """One task after another; OSError when the parent is gone."""
    for number in HELD:
        signal.signal(number, signal.SIG_IGN)
    if hasattr(signal, "pthread_sigmask"):
        signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD)
    messages: SimpleQueue[bytes] = SimpleQueue()
    stop = threading.Event()
    stopping.watch(stop.is_set)
    try:
        arguments = link, messages, stop
        threading.Thread(target=_receive_messages, args=arguments, daemon=True).start()
        with _reading_script():
            spawn.prepare(pickle.loads(messages.get()))
    except BaseException as error:
        link.send(("failed", f"{type(error).__name__}: {error}"))
        return
    keep_freed_memory()
    unreported, reported = 0, time.monotonic()

    def report(force: bool = False) -> None:
        nonlocal unreported, reported
        if unreported and (force or time.monotonic() - reported >= REPORT_SECONDS):
            link.send(("steps", unreported))
            unreported, reported = 0, time.monotonic()

    def count(networks: int) -> None:
        nonlocal unreported
        unreported += networks
        report()

    on_reported_steps.set(count)
    link.send(("ready", None))
    while True:
        message = messages.get()
        try:
            function, args, kwargs = pickle.loads(message)
            answer = pickle.dumps(("done", function(*args, **kwargs)))
        except BaseException as error:
            answer = pickle.dumps(("raised", _portable(error)))
        report(force=True)
        link.send_bytes(answer)


def _receive_messages(link: Link, messages: SimpleQueue[bytes], stop: threading.Event) -> None:
    """Put the parent's messages into the queue, all but STOP; end this worker when that is gone."""
    while True:
        try:
            message = link.receive_bytes()
            if message == STOP:
                stop.set()
            else:
                messages.put(message)
        except (EOFError, OSError):
            os._exit(1)


@contextmanager
def _reading_script() -> Iterator[None]:
    """Have `multiprocessing` refuse processes that a script would start while it is read again."""
    process: Any = multiprocessing.current_process()
    process._inheriting = True
    try:
        yield
    finally:
        del process._inheriting


def _portable(error: BaseException) -> BaseException:
    """The error, or its text as another one if it cannot be pickled or would end the parent."""
    with suppress(Exception):
        if isinstance(error, Exception | Interrupted):
            pickle.loads(pickle.dumps(error))
            return error
    text = RuntimeError(f"{type(error).__name__}: {error}")
    for note in getattr(error, "__notes__", ()):
        text.add_note(note)
    return text
