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
from collections.abc import Callable
from multiprocessing.connection import Connection

import numpy as np
import numpy.typing as npt

MOST = 16

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
    """An array of zero bytes that forked helpers write into."""
    count = int(np.prod(shape, dtype=object))
    return np.frombuffer(mmap.mmap(-1, max(1, count)), dtype=np.uint8)[:count].reshape(shape)


def share(do: Callable[[int], Faults], pieces: int, workers: int) -> Faults:
    """Call `do` for each of 0..pieces-1, here and in `workers` - 1 helpers; returns all faults.

    `do` writes its results into shared memory, and doing a piece twice must do no harm: pieces are claimed
    without a lock, and all are done again here when a helper dies.
    """
    claimed = shared_zeros((pieces,))
    context = multiprocessing.get_context("fork")
    helpers = []
    for rank in range(1, workers):
        receive, send = context.Pipe(duplex=False)
        process = context.Process(target=_help, args=(do, claimed, rank, workers, send), daemon=True)
        process.start()
        send.close()
        helpers.append((process, receive))
    faults = _work(do, claimed, 0, workers)
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


def _work(do: Callable[[int], Faults], claimed: npt.NDArray[np.uint8], rank: int, workers: int) -> Faults:
    faults: Faults = {}
    first = rank * len(claimed) // workers
    for piece in (*range(first, len(claimed)), *range(first)):
        if not claimed[piece]:
            claimed[piece] = 1
            faults |= do(piece)
    return faults


def _help(
    do: Callable[[int], Faults], claimed: npt.NDArray[np.uint8], rank: int, workers: int, send: Connection
) -> None:
    # The parent answers Ctrl-C; its handlers must not run here as well.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    send.send_bytes(json.dumps(list(_work(do, claimed, rank, workers).items())).encode())
    send.close()
