"""Ctrl-C, SIGTERM and SIGHUP: the first asks to finish the step, a second Ctrl-C or SIGTERM stops at once."""

from __future__ import annotations

import contextlib
import math
import signal
import threading
import time
from collections.abc import Iterator
from types import FrameType

IMPATIENT_AFTER = 0.3
"""Seconds after the first signal; what comes sooner is the same wish, sent to the process in more than one way."""


class Interrupted(BaseException):
    """Stop at once: a second signal, or one before there is anything to save. A run folder stays resumable."""


class StopFlag:
    """Whether someone asked to stop, and the exit code that goes with it.

    130 for Ctrl-C, 143 for SIGTERM, 129 for SIGHUP (the terminal has gone).
    """

    def __init__(self) -> None:
        self.signal: int | None = None
        self._asked = -math.inf
        self._at_once = False
        self._held = 0
        self._waiting = False

    @property
    def requested(self) -> bool:
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        return 128 + (self.signal or 0) if self.requested else 0

    def _receive(self, number: int, frame: FrameType | None) -> None:
        if self.requested and not self._impatient(number):
            return
        stopped, self.signal = self.requested, number
        if not stopped:
            self._asked = time.monotonic()
            if not self._at_once:
                return
        if self._held:
            self._waiting = True
            return
        raise Interrupted(number)

    def _impatient(self, number: int) -> bool:
        """Whether a signal after the first one is of someone who does not want to wait.

        A terminal that is closed sends SIGHUP twice within milliseconds, and may do so after a Ctrl-C or SIGTERM.
        """
        return number != getattr(signal, "SIGHUP", None) and time.monotonic() - self._asked >= IMPATIENT_AFTER

    @contextlib.contextmanager
    def held(self) -> Iterator[None]:
        """Inside the block files are written that belong together: a signal that stops at once waits for its end."""
        self._held += 1
        try:
            yield
        finally:
            self._held -= 1
            # Also where the block failed: nobody else would hear of the signal.
            if self._waiting and not self._held:
                self._waiting = False
                raise Interrupted(self.signal)

    @contextlib.contextmanager
    def at_once(self) -> Iterator[None]:
        """Inside the block there is nothing to save: already the first signal raises Interrupted."""
        self._at_once = True
        try:
            yield
        finally:
            self._at_once = False

    @contextlib.contextmanager
    def installed(self) -> Iterator[StopFlag]:
        """Catch the signals inside the block; does nothing outside the main thread.

        A SIGHUP that is ignored stays so: `nohup` asks for that.
        """
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        numbers = [signal.SIGINT, signal.SIGTERM]
        hang_up = getattr(signal, "SIGHUP", None)  # there is none on Windows
        if hang_up is not None and signal.getsignal(hang_up) != signal.SIG_IGN:
            numbers.append(hang_up)
        before = [signal.signal(number, self._receive) for number in numbers]
        try:
            yield self
        finally:
            for number, handler in zip(numbers, before, strict=True):
                signal.signal(number, handler)
