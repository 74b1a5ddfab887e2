"""Where networks are scored: one after the other, by threads side by side, or by processes side by side.

Small networks leave most of a processor idle. On a GPU threads are enough to keep it busy. On a CPU they wait for each
other's Python: there processes score, each with one torch thread.
"""

from __future__ import annotations

import multiprocessing
import multiprocessing.resource_tracker
import os
import shutil
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Protocol

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import nn

from chronas.errors import EnvironmentFault, ProxyError
from chronas.memory import keep_freed_memory
from chronas.processes import deaf
from chronas.proxies import PROXIES, Proxy
from chronas.proxies.base import ProxyBatch, score_by, score_unscoped

Scored = float | ProxyError
Build = Callable[[], nn.Module]

ONE_THREAD = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "VECLIB_MAXIMUM_THREADS")
"""What libraries read before their first computation."""
IDLE_SECONDS = 60
"""After so long without work a process ends; the next work starts another."""


@dataclass(frozen=True)
class Timed:
    """A score, or the ProxyError that took its place, and the seconds it took; building the network is not in them."""

    score: Scored
    seconds: float


Found = dict[str, Timed]


class NoProcesses(EnvironmentFault):
    """Processes cannot score these networks: they cannot be started here, or the networks cannot be sent to them."""


class Flight(Protocol):
    """Scores networks on one batch. `close` ends what is under way, at once where processes score."""

    def start(self, names: Sequence[str], build: Build) -> Future[Found]:
        """Begin to score the network that `build` makes by the proxies `names`."""

    def close(self) -> None: ...


def take_off(count: int, batch: ProxyBatch) -> Flight:
    """Something that scores up to `count` networks at once where `batch` is. Raises NoProcesses."""
    if count == 1:
        return InTurn(batch)
    return Processes(count, batch) if batch.images.device.type == "cpu" else Threads(count, batch)


class InTurn:
    """One network after the other, here and now, with all threads of torch."""

    def __init__(self, batch: ProxyBatch) -> None:
        self._batch = batch

    def start(self, names: Sequence[str], build: Build) -> Future[Found]:
        done: Future[Found] = Future()
        done.set_result(_scores(score_by, _functions(names), build(), self._batch))
        return done

    def close(self) -> None:
        """Nothing is ever under way."""


class Threads:
    """A thread per network, each with one torch thread.

    Networks are built by the caller, so `build` may use `torch_scope`. Where there are several threads, a network that
    draws from torch's global stream by itself (not dropout: it is off) is not repeatable.
    """

    def __init__(self, count: int, batch: ProxyBatch) -> None:
        self._batch, self._before = batch, torch.get_num_threads()
        self._score_one = score_by if count == 1 else score_unscoped
        self._pool = ThreadPoolExecutor(count, "score", initializer=torch.set_num_threads, initargs=(1,))

    def start(self, names: Sequence[str], build: Build) -> Future[Found]:
        return self._pool.submit(_scores, self._score_one, _functions(names), build(), self._batch)

    def close(self) -> None:
        self._pool.shutdown(cancel_futures=True)
        # The threads' setting is also the start value of threads to come.
        torch.set_num_threads(self._before)


class Processes:
    """A process per network, each with one torch thread: scores do not depend on how many there are.

    Networks are built there, so `build` travels, and with it what it refers to, and so do proxies; the registries there
    hold only what comes with the package. Unlike with multiprocessing's own pool, a caller's script needs no
    `if __name__ == "__main__"`. Raises NoProcesses.
    """

    def __init__(self, count: int, batch: ProxyBatch) -> None:
        self._checked = False
        with ExitStack() as stack, _or_no_processes():
            _require_semaphores()
            from joblib.externals.loky import ProcessPoolExecutor
            from joblib.externals.loky.backend import resource_tracker

            for tracker in (resource_tracker, multiprocessing.resource_tracker):
                tracker.ensure_running()  # here, for it undoes what `deaf` does
            folder = stack.enter_context(TemporaryDirectory(prefix="chronas-", ignore_cleanup_errors=True))
            given = (_write(batch, Path(folder)), batch.classes, os.getpid())
            self._pool = ProcessPoolExecutor(
                count, timeout=IDLE_SECONDS, initializer=_begin, initargs=given, env=dict.fromkeys(ONE_THREAD, "1")
            )
            self._folder = stack.pop_all()

    def start(self, names: Sequence[str], build: Build) -> Future[Found]:
        """Raises NoProcesses where they cannot be started, or the first `build` cannot travel."""
        proxies = _functions(names)
        if not self._checked:
            _require_travels((proxies, build))
            self._checked = True
        with _or_no_processes(), deaf():
            found: Future[Found] = self._pool.submit(_score_here, proxies, build)
        return found

    def close(self) -> None:
        with warnings.catch_warnings():
            # Without `pgrep` the pool warns that it looked for children of these processes, which have none.
            warnings.simplefilter("ignore")
            self._pool.shutdown(wait=True, kill_workers=True)
        self._folder.close()


@contextmanager
def _or_no_processes() -> Iterator[None]:
    """What a system answers that has no room or no permission for processes, their pipes or their semaphores."""
    try:
        yield
    except (OSError, ImportError, NotImplementedError, SafetensorError) as error:
        raise NoProcesses(f"Processes that score networks cannot be started here: {error}") from error


def _require_semaphores() -> None:
    # They lie in /dev/shm, which may be full or absent in a container. joblib would warn of it, in every process.
    try:
        multiprocessing.get_context("spawn").Lock()
    except (OSError, ImportError) as error:
        raise NoProcesses(f"Processes that score networks cannot be started here: no room for semaphores in /dev/shm "
                          f"({getattr(error, 'strerror', None) or error})") from error  # fmt: skip


def _write(batch: ProxyBatch, folder: Path) -> Path:
    """The images in a file, for what is handed to a process as it starts must be small: nobody may be reading yet."""
    path = folder / ("last" if batch.images.is_contiguous(memory_format=torch.channels_last) else "first")
    save_file({"images": batch.images.contiguous(), "labels": batch.labels.contiguous()}, path)
    return path


def _require_travels(task: object) -> None:
    # The pool itself would find out in a thread of its own, and be broken by it.
    from joblib.externals.loky.backend.reduction import dumps

    try:
        dumps(task)
    except Exception as error:
        raise NoProcesses(f"Networks of this space cannot be sent to other processes: {error}") from error


def _functions(names: Sequence[str]) -> dict[str, Proxy]:
    return {name: PROXIES.load(name) for name in names}


class _ScoreOne(Protocol):
    def __call__(self, name: str, proxy: Proxy, net: nn.Module, batch: ProxyBatch, keep: bool) -> float: ...


def _scores(score_one: _ScoreOne, proxies: Mapping[str, Proxy], net: nn.Module, batch: ProxyBatch) -> Found:
    """One proxy after the other on one network: each but the last leaves it as it was."""
    found: Found = {}
    for place, (name, proxy) in enumerate(proxies.items(), start=1):
        began = time.perf_counter()
        try:
            value: Scored = score_one(name, proxy, net, batch, place < len(proxies))
        except ProxyError as error:
            value = ProxyError(str(error))  # without a traceback, whose frames would hold the network
        found[name] = Timed(value, time.perf_counter() - began)
    return found


# -- in a process of its own ---------------------------------------------------------------------------------

_BATCH: list[ProxyBatch] = []


def _begin(path: Path, classes: int, parent: int) -> None:
    from joblib.externals.loky import process_executor

    threading.Thread(target=_end_with, args=(parent, path.parent), daemon=True).start()
    torch.set_num_threads(1)
    keep_freed_memory()
    # Memory that is kept is no leak; where psutil is installed, the pool would end such a process and begin another.
    process_executor._MAX_MEMORY_LEAK_SIZE = 2**62
    tensors = load_file(path)
    layout = torch.channels_last if path.name == "last" else torch.contiguous_format
    _BATCH[:] = [ProxyBatch(tensors["images"].contiguous(memory_format=layout), tensors["labels"], classes)]


def _end_with(parent: int, folder: Path) -> None:
    """End this process, and remove its folder, when the one that began it is gone, killed for example."""
    while os.getppid() == parent:
        time.sleep(0.5)
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(1)


def _score_here(proxies: Mapping[str, Proxy], build: Build) -> Found:
    return _scores(score_by, proxies, build(), _BATCH[0])
