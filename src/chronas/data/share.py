"""Share independent pieces of work with forked helpers that write into shared memory.

Threads do not help with thousands of small images, since most of the time goes to Python code between
the decoder's calls; a forked helper starts in milliseconds and inherits everything it needs.
"""

from __future__ import annotations

import json
import mmap
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from chronas.processes import deaf

T = TypeVar("T")
R = TypeVar("R")
MOST = 16
CLAIMED, DONE = 1, 2

# From the number of a piece to what went wrong in it, by index: a reason, or a size that differs.
Faults = dict[int, "str | tuple[int, int]"]


def cores() -> int:
    """How many processors this process may use, at most 16."""
    count = len(os.sched_getaffinity(0)) if sys.platform == "linux" else os.cpu_count() or 1
    return min(MOST, count)


def can_fork() -> bool:
    """Whether helpers can be forked here (elsewhere than on Linux forking is not safe)."""
    return sys.platform == "linux" and not multiprocessing.current_process().daemon


def shared_zeros(shape: tuple[int, ...]) -> npt.NDArray[np.uint8]:
    """An array of zero bytes that forked helpers write into. Raises MemoryError."""
    count = int(np.prod(shape, dtype=object))
    try:
        memory = mmap.mmap(-1, max(1, count))
    except OSError as error:
        raise MemoryError(f"no {count / 2**20:.0f} MiB for images: {error.strerror}") from error
    return np.frombuffer(memory, dtype=np.uint8)[:count].reshape(shape)


def in_threads(
    do: Callable[[T], R], items: Sequence[T], threads: int, watch: Callable[[int, int], None] = lambda done, total: None
) -> list[R]:
    """Call `do` for each of `items`, some at a time.

    Args:
        do: what to do; mostly waits for the disk or computes outside of Python.
        items: what to do it with.
        threads: how many at a time; 1: in this thread, nothing ahead of `watch`.
        watch: called with (done, all) after each; where it raises, no other is begun.

    Returns:
        The results, in order.
    """
    found: list[R] = []
    with ThreadPoolExecutor(threads) as pool:
        try:
            for one in map(do, items) if threads == 1 else pool.map(do, items):
                found.append(one)
                watch(len(found), len(items))
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return found


def share(
    do: Callable[[int], Faults], pieces: int, workers: int, look: Callable[[int], None] = lambda done: None
) -> Faults:
    """Call `do` for each of 0..pieces-1, here and in `workers` - 1 helpers.

    `do` writes its results into shared memory, and doing a piece twice must do no harm: pieces are claimed
    without a lock, and all are done again here when a helper dies.

    Args:
        do: does the piece of a number and returns the faults in it.
        pieces: how many there are.
        workers: processes, this one included.
        look: called here with the number of pieces done by all, after each piece of this process; where it raises,
            the helpers are ended.

    Returns:
        All faults.
    """
    states = shared_zeros((pieces,))
    helpers: list[tuple[BaseProcess, Connection]] = []
    process: BaseProcess
    try:
        for rank in range(1, workers):
            begun = _begun(do, states, rank, workers)
            if begun is None:
                break  # the others do its part
            helpers.append(begun)
        faults = _work(do, states, 0, workers, lambda: look(int((states == DONE).sum())))
        return _gathered(do, pieces, helpers, faults)
    except BaseException:
        for process, receive in helpers:
            process.kill()
            process.join()
            receive.close()
        raise


def _begun(
    do: Callable[[int], Faults], states: npt.NDArray[np.uint8], rank: int, workers: int
) -> tuple[BaseProcess, Connection] | None:
    """A helper at work, and the end of its pipe; None where the system has no room for another process."""
    context = multiprocessing.get_context("fork")
    try:
        receive, send = context.Pipe(duplex=False)
    except OSError:
        return None
    process = context.Process(target=_help, args=(do, states, rank, workers, send), daemon=True)
    try:
        with deaf():
            process.start()
    except OSError:
        receive.close()
        return None
    finally:
        send.close()
    return process, receive


def _gathered(
    do: Callable[[int], Faults], pieces: int, helpers: list[tuple[BaseProcess, Connection]], faults: Faults
) -> Faults:
    died = False
    for process, receive in helpers:
        try:
            lines = json.loads(receive.recv_bytes())
            faults |= {index: fault if isinstance(fault, str) else (fault[0], fault[1]) for index, fault in lines}
        except EOFError:
            died = True
        receive.close()
        process.join()
    if died:
        for piece in range(pieces):
            faults |= do(piece)
    return faults


def _work(
    do: Callable[[int], Faults], states: npt.NDArray[np.uint8], rank: int, workers: int, look: Callable[[], None]
) -> Faults:
    faults: Faults = {}
    first = rank * len(states) // workers
    for piece in (*range(first, len(states)), *range(first)):
        if not states[piece]:
            states[piece] = CLAIMED
            faults |= do(piece)
            states[piece] = DONE
            look()
    return faults


def _help(
    do: Callable[[int], Faults], states: npt.NDArray[np.uint8], rank: int, workers: int, send: Connection
) -> None:
    # The parent answers Ctrl-C and a closed terminal; its handlers must not run here as well. It may end this process.
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_UNBLOCK, (signal.SIGTERM,))
    parent = os.getppid()

    def look() -> None:
        if os.getppid() != parent:
            os._exit(1)  # nobody waits for the rest

    send.send_bytes(json.dumps(list(_work(do, states, rank, workers, look).items())).encode())
    send.close()
