"""What the processes that Chronas starts have in common."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def deaf() -> Iterator[None]:
    """A process started in this block never hears Ctrl-C, SIGTERM or SIGHUP: the one that began it ends it.

    It could be ended by them while the work of its results is still to be finished, and one that Ctrl-C ends while it
    starts could leave the one that began it waiting for ever.
    """
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
