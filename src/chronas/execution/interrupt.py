"""Ctrl-C and SIGTERM: the first asks to finish the step, the second stops at once."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType


class Interrupted(BaseException):
    """Stop at once: a second signal, or one before there is anything to save. A run folder stays resumable."""


class StopFlag:
    """Whether someone asked to stop, and the exit code that goes with it (130 for Ctrl-C, 143 for SIGTERM)."""

    def __init__(self) -> None:
        self.signal: int | None = None
        self._at_once = False

    @property
    def requested(self) -> bool:
        return self.signal is not None

    @property
    def exit_code(self) -> int:
        return 128 + (self.signal or 0) if self.requested else 0

    def _receive(self, number: int, frame: FrameType | None) -> None:
        stopped, self.signal = self.requested, number
        if stopped or self._at_once:
            raise Interrupted(number)

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
        """Catch SIGINT and SIGTERM inside the block; does nothing outside the main thread."""
        if threading.current_thread() is not threading.main_thread():
            yield self
            return
        numbers = (signal.SIGINT, signal.SIGTERM)
        before = [signal.signal(number, self._receive) for number in numbers]
        try:
            yield self
        finally:
            for number, handler in zip(numbers, before, strict=True):
                signal.signal(number, handler)
