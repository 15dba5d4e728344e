"""The process that a command runs in: its standard streams, and the signals that ask it to end.

Imports nothing that takes time: until `begin` has run, Python answers a signal with a traceback.
"""

from __future__ import annotations

import faulthandler
import io
import os
import signal
import sys
import time

TYPE_CHECKING = False  # as type checkers know it; `typing` takes as long as all the rest
if TYPE_CHECKING:
    from types import FrameType

    from _typeshed import ReadableBuffer

_SIGNALS = ("SIGINT", "SIGTERM", "SIGHUP")

_PATIENCE_SECONDS = 10.0
"""How long, after a signal, others are not heeded.

What was begun is put in order meanwhile. One that comes later counts again: a callback out of C or a
finalizer may have swallowed the first.
"""


class _Outlet(io.FileIO):
    """A stream that takes everything, also when nobody takes it from there any more.

    A reader that goes away must not keep a command from finishing its files.

    Attributes:
        lost: Why the first write failed that did.
    """

    lost: OSError | None = None

    def write(self, content: ReadableBuffer, /) -> int:
        """Write, or drop, `content`; returns how many of its bytes are done with."""
        if self.lost is None:
            try:
                return super().write(content)
            except OSError as error:
                self.lost = error
        return memoryview(content).nbytes


class _Signals:
    """Signals that asked this process to end.

    Attributes:
        raising: Whether somebody puts things in order at a `KeyboardInterrupt`.
        last: The last one that was heeded.
    """

    def __init__(self) -> None:
        self.raising = False
        self.last: int | None = None
        self._when = 0.0

    def heed(self, number: int, frame: FrameType | None) -> None:
        """Stop, unless that is under way."""
        if not self.raising:
            if sys.stderr is not None:
                print("stopped: nothing was written", file=sys.stderr, flush=True)
            os._exit(128 + number)
        now = time.monotonic()
        if self.last is None or now - self._when > _PATIENCE_SECONDS:
            self.last, self._when = number, now
            raise KeyboardInterrupt


_signals = _Signals()


def begin() -> None:
    """Make the process one that a command can run in; a signal ends it until `raise_signals`.

    All three standard streams are open then, and none of ours fails. A signal that is ignored (nohup) stays
    so.
    """
    for number in _known_signals():
        if signal.getsignal(number) in (signal.SIG_DFL, signal.default_int_handler):
            signal.signal(number, _signals.heed)
    _open_closed_streams()
    _keep_streams()


def is_one_of_several() -> bool:
    """Whether torchrun, or what sets the same variables, started several processes to work together."""
    return "LOCAL_RANK" in os.environ and os.environ.get("WORLD_SIZE", "1") != "1"


def follows() -> bool:
    """Whether another of several processes speaks for this one."""
    return is_one_of_several() and os.environ.get("RANK", "0") != "0"


def raise_signals() -> None:
    """From now on a signal is a `KeyboardInterrupt`: what was begun is put in order."""
    _signals.raising = True


def stopped_status() -> int:
    """Exit status of a command that a signal stopped."""
    return 128 + (signal.SIGINT if _signals.last is None else _signals.last)


def ignore_signals() -> None:
    """Let the process end in order: a command is done, or stopped."""
    for number in _known_signals():
        if signal.getsignal(number) == _signals.heed:
            signal.signal(number, signal.SIG_IGN)  # Python takes handlers of its own away before it has ended
    # A `KeyboardInterrupt` that passed through an `exec` (a dataclass that was made, say) stays marked as
    # unhandled, for which `python -m` dies of SIGINT whatever its exit status; the next `exec` unmarks it.
    exec("")


def lost_output() -> OSError | None:
    """Why standard output did not take all of the command's result, if so."""
    sys.stdout.flush()
    raw = getattr(getattr(sys.stdout, "buffer", None), "raw", None)
    return raw.lost if isinstance(raw, _Outlet) else None


def _known_signals() -> list[int]:
    return [getattr(signal, name) for name in _SIGNALS if hasattr(signal, name)]


def _open_closed_streams() -> None:
    """Whatever is opened later would take the numbers of closed streams, and with them what is printed."""
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.open(os.devnull, os.O_RDWR)  # takes the lowest number that is free


def _keep_streams() -> None:
    """Make standard streams that take everything.

    C libraries lose standard error: libtiff tells of a full disk there, once for every block.
    """
    if sys.stdin is None:
        sys.stdin = open(0, encoding="utf-8", closefd=False)  # noqa: SIM115 - a number, no path
    if sys.stdout is None:
        sys.stdout = _text(1, "utf-8", "backslashreplace")
    elif not sys.stdout.isatty():
        sys.stdout.flush()
        sys.stdout = _text(1, sys.stdout.encoding, sys.stdout.errors or "strict")
    sys.stderr = _text(os.dup(2), "utf-8", "backslashreplace")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    faulthandler.enable(sys.stderr)


def _text(descriptor: int, encoding: str, errors: str) -> io.TextIOWrapper:
    raw = _Outlet(descriptor, "w", closefd=False)
    return io.TextIOWrapper(io.BufferedWriter(raw), encoding, errors, line_buffering=True)
