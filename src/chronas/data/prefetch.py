"""Batches of images read ahead of their use, by forked helpers or, where forking is not safe, by threads.

Helpers write into memory that they inherit and are told what to read through pipes. So nothing lies in /dev/shm, which
holds 64 MB in a container and where a batch too many ends or blocks a process: no named memory and no semaphores.
"""

from __future__ import annotations

import multiprocessing
import signal
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from multiprocessing.util import Finalize

import numpy as np

from chronas.data.raw import Pixels
from chronas.data.share import can_fork, shared_zeros
from chronas.errors import DataError, EnvironmentFault
from chronas.memory import free_memory
from chronas.processes import deaf

AHEAD = 4
"""Batches that each helper is asked for beforehand, as far as a quarter of the free memory takes them."""
DONE, FAILED = b"done", b"failed"
Read = Callable[[int], Pixels]
Shape = tuple[int, int, int]


def read_ahead(read: Read, shape: Shape, batches: Iterable[list[int]], size: int, workers: int) -> Iterator[Pixels]:
    """The images of each batch, in order, while the next ones are being read.

    Args:
        read: the image of a number as `shape` = (h, w, c). It runs elsewhere; what it raises is raised here.
        shape: of every image.
        batches: numbers of images, at most `size` in each. Taken ahead of their use; may have no end.
        size: images in the largest batch.
        workers: how many read at the same time.

    Yields:
        Images (n, h, w, c) that are the caller's own.

    Raises:
        EnvironmentFault: helpers cannot be started, or the system has ended one.
    """
    most = free_memory() // 4 // max(1, workers * size * int(np.prod(shape)))
    ahead = max(1, min(AHEAD, most))
    if not can_fork():
        yield from _by_threads(read, batches, workers, ahead)
        return
    places = shared_zeros((workers * ahead, size, *shape))
    with closing(_Helpers(read, places, workers)) as helpers:
        waiting: deque[tuple[int, list[int]]] = deque()
        numbers = iter(batches)
        for place in range(len(places)):
            _ask(helpers, place, numbers, waiting)
        while waiting:
            place, indices = waiting.popleft()
            images = places[place, : len(indices)].copy() if helpers.done(place) else _stacked(read, indices)
            _ask(helpers, place, numbers, waiting)
            yield images


def _ask(helpers: _Helpers, place: int, numbers: Iterator[list[int]], waiting: deque[tuple[int, list[int]]]) -> None:
    """Have the next batch, if there is one, read into `place`."""
    indices = next(numbers, None)
    if indices is not None:
        helpers.ask(place, indices)
        waiting.append((place, indices))


def _by_threads(read: Read, batches: Iterable[list[int]], workers: int, ahead: int) -> Iterator[Pixels]:
    numbers = iter(batches)
    with ThreadPoolExecutor(workers, "read") as pool:
        waiting: deque[Future[Pixels]] = deque()
        for _, indices in zip(range(workers * ahead), numbers, strict=False):
            waiting.append(pool.submit(_stacked, read, indices))
        try:
            while waiting:
                images = waiting.popleft().result()
                following = next(numbers, None)
                if following is not None:
                    waiting.append(pool.submit(_stacked, read, following))
                yield images
        finally:
            pool.shutdown(cancel_futures=True)


def _stacked(read: Read, indices: list[int]) -> Pixels:
    return np.stack([read(index) for index in indices])


@dataclass(frozen=True)
class _Helper:
    process: BaseProcess
    pipe: Connection


class _Helpers:
    """Processes that read batches into `places`; each place belongs to one of them, each batch is asked for in turn."""

    def __init__(self, read: Read, places: Pixels, count: int) -> None:
        self._helpers: list[_Helper] = []
        # Before the end of this process waits for them: they are deaf to its request to end.
        self.close = Finalize(self, _end_all, (self._helpers,), exitpriority=1)
        context = multiprocessing.get_context("fork")
        try:
            for _ in range(count):
                here, there = context.Pipe()
                process = context.Process(target=_help, args=(read, places, here, there), daemon=True)
                with deaf():
                    process.start()
                there.close()
                self._helpers.append(_Helper(process, here))
        except OSError as error:
            self.close()
            why = error.strerror or error
            raise EnvironmentFault(f"Processes that read images cannot be started: {why}. Free memory, or raise the "
                                   "limit of processes or of open files.") from error  # fmt: skip

    def ask(self, place: int, indices: list[int]) -> None:
        """Have images `indices` read into `place`."""
        helper = self._helpers[place % len(self._helpers)]
        try:
            helper.pipe.send_bytes(np.asarray([place, *indices], np.int64).tobytes())
        except OSError as error:
            raise _ended(helper) from error

    def done(self, place: int) -> bool:
        """Wait for `place`; False where its images could not be read. In the order asked for."""
        helper = self._helpers[place % len(self._helpers)]
        try:
            return helper.pipe.recv_bytes() == DONE
        except (EOFError, OSError) as error:
            helper.process.join()
            if helper.process.exitcode == 1:
                return False  # an error in it, which has its place where it is raised again
            raise _ended(helper) from error


def _end_all(helpers: list[_Helper]) -> None:
    for helper in helpers:
        helper.process.kill()
    for helper in helpers:
        helper.process.join()
        helper.pipe.close()


def _ended(helper: _Helper) -> EnvironmentFault:
    helper.process.join()
    code = helper.process.exitcode or 0
    how = signal.Signals(-code).name if code < 0 else f"exit code {code}"
    return EnvironmentFault(
        f"A process that reads images was ended from outside ({how}), which mostly means that memory was used up. "
        "Free memory and go on with `chronas resume`, or start a new run with a smaller --size or recipe.batch_size."
    )


def _help(read: Read, places: Pixels, here: Connection, there: Connection) -> None:
    """Do what is asked for through `there` until the other end, `here`, is closed: by the end of that process."""
    here.close()
    while True:
        try:
            place, *indices = np.frombuffer(there.recv_bytes(), np.int64).tolist()
        except (EOFError, OSError):
            return
        there.send_bytes(DONE if _filled(read, places[place], indices) else FAILED)


def _filled(read: Read, place: Pixels, indices: list[int]) -> bool:
    """Read into `place`; False where it fails: the one who asked does it again, and has the error itself."""
    try:
        for number, index in enumerate(indices):
            place[number] = read(index)
    except (DataError, MemoryError):
        return False
    return True
