"""Batches read ahead by helpers: the right images in the right order, whatever happens to the helpers."""

from __future__ import annotations

import errno
import itertools
import multiprocessing
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest

from chronas.data import prefetch
from chronas.data.prefetch import Read, read_ahead
from chronas.data.raw import Pixels
from chronas.data.share import can_fork
from chronas.errors import DataError, EnvironmentFault

SHAPE = (2, 3, 1)
needs_fork = pytest.mark.skipif(not can_fork(), reason="helpers are threads here")


def image(index: int) -> Pixels:
    """Image number `index`: its number in every pixel."""
    return np.full(SHAPE, index, np.uint8)


def numbers(batches: Iterator[Pixels]) -> list[list[int]]:
    """The number of each image of each batch."""
    found = []
    for images in batches:
        assert images.shape[1:] == SHAPE
        assert (images == images[:, :1, :1]).all()
        found.append(images[:, 0, 0, 0].tolist())
    return found


def ahead(read: Read = image, batches: int = 50, workers: int = 3) -> Iterator[Pixels]:
    """Batch k holds the images k and k + 1, the last one fewer."""
    asked = [*([k, k + 1] for k in range(batches)), [7]]
    return read_ahead(read, SHAPE, asked, 2, workers)


def endless() -> Iterator[Pixels]:
    return read_ahead(image, SHAPE, ([k % 250] for k in itertools.count()), 1, 2)


@pytest.fixture(params=["forked", "threads", "little memory"])
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "threads":
        monkeypatch.setattr(prefetch, "can_fork", lambda: False)
    if request.param == "little memory":
        monkeypatch.setattr(prefetch, "free_memory", lambda: 100)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("workers", [1, 3])
def test_batches_come_in_order_and_are_the_callers_own(workers: int) -> None:
    kept = list(ahead(workers=workers))
    assert numbers(iter(kept)) == [*([k, k + 1] for k in range(50)), [7]]
    assert numbers(read_ahead(image, SHAPE, [], 2, workers)) == []
    assert numbers(itertools.islice(endless(), 300))[-1] == [299 % 250]


@pytest.mark.usefixtures("way")
def test_what_reading_raises_is_raised_where_it_is_asked_for() -> None:
    def read(index: int) -> Pixels:
        if index == 20:
            raise DataError("cat.png is damaged")
        return image(index)

    source = ahead(read)
    assert numbers(itertools.islice(source, 19)) == [[k, k + 1] for k in range(19)]
    with pytest.raises(DataError, match=r"^cat\.png is damaged$"):
        next(source)


@pytest.mark.usefixtures("way")
def test_an_error_of_our_own_keeps_its_class() -> None:
    def read(index: int) -> Pixels:
        raise KeyError("a bug")

    with pytest.raises(KeyError, match="a bug"):
        next(ahead(read))


def killed_at(index: int) -> Callable[[int], Pixels]:
    """Reading that ends in a helper at `index`, as by the system."""
    reader = os.getpid()

    def read(asked: int) -> Pixels:
        if asked == index and os.getpid() != reader:
            os.kill(os.getpid(), signal.SIGKILL)
        return image(asked)

    return read


@needs_fork
def test_a_helper_that_the_system_ends_is_named() -> None:
    source = ahead(killed_at(20))
    with pytest.raises(EnvironmentFault, match=r"ended from outside \(SIGKILL\).*memory.*chronas resume"):
        list(source)
    assert not multiprocessing.active_children()


@needs_fork
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_helpers_are_deaf_to_what_asks_the_run_to_stop(number: int) -> None:
    source = endless()
    next(source)
    for helper in multiprocessing.active_children():
        assert helper.pid is not None
        os.kill(helper.pid, number)
    assert len(numbers(itertools.islice(source, 50))) == 50
    assert len(multiprocessing.active_children()) == 2
    del source
    assert not multiprocessing.active_children()


@needs_fork
def test_where_nothing_can_be_started(monkeypatch: pytest.MonkeyPatch) -> None:
    real, left = os.fork, [2]

    def fork() -> int:
        left[0] -= 1
        if left[0] < 0:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return real()

    monkeypatch.setattr(os, "fork", fork)
    with pytest.raises(EnvironmentFault, match="cannot be started: Resource temporarily unavailable"):
        next(ahead())
    assert not multiprocessing.active_children()


@needs_fork
def test_nothing_has_a_name_that_all_processes_see(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise OSError(errno.ENOSYS, "no semaphores here")

    monkeypatch.setattr("multiprocessing.synchronize._multiprocessing.SemLock", none)
    before = set(os.listdir("/dev/shm"))
    source = endless()
    next(source)
    assert set(os.listdir("/dev/shm")) <= before
    for helper in multiprocessing.active_children():
        opened = [os.readlink(entry) for entry in Path(f"/proc/{helper.pid}/fd").iterdir()]
        assert not [name for name in opened if name.startswith("/dev/shm")]


BEGIN = """
import itertools, multiprocessing, sys, numpy as np
from chronas.data.prefetch import read_ahead
source = read_ahead(lambda i: np.full((100, 100, 3), i, np.uint8), (100, 100, 3), ([k % 9] * 100 for k in
                    itertools.count()), 100, 2)
assert [int(next(source)[0, 0, 0, 0]) for _ in range(30)] == [k % 9 for k in range(30)]
print(*(helper.pid for helper in multiprocessing.active_children()), flush=True)
"""


@needs_fork
def test_a_process_that_ends_is_not_held_up_by_its_helpers() -> None:
    done = subprocess.run([sys.executable, "-c", BEGIN], capture_output=True, text=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    assert not [pid for pid in done.stdout.split() if Path(f"/proc/{pid}").exists()]


@needs_fork
def test_helpers_end_with_a_process_that_is_killed() -> None:
    with subprocess.Popen([sys.executable, "-c", BEGIN + "input()"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                          text=True) as process:  # fmt: skip
        assert process.stdout is not None
        helpers = process.stdout.readline().split()
        process.kill()
    limit = time.monotonic() + 10
    assert len(helpers) == 2
    while any(_runs(pid) for pid in helpers):
        assert time.monotonic() < limit, "helpers go on without their process"
        time.sleep(0.01)


def _runs(pid: str) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    except (OSError, IndexError):
        return False


@needs_fork
def test_a_shared_memory_that_is_really_small() -> None:
    if shutil.which("unshare") is None or shutil.which("mount") is None:
        pytest.skip("a tiny disk needs unshare and mount")
    tiny = 'mount -t tmpfs -o size=4k tiny /dev/shm && head -c 4096 /dev/zero >/dev/shm/full && exec "$0" -c "$1"'
    prefix = ["unshare", "--mount", "--map-root-user", "sh", "-c"]
    if subprocess.run([*prefix, tiny, "true"], capture_output=True, check=False).returncode:
        pytest.skip("a tiny disk cannot be mounted here")
    done = subprocess.run([*prefix, tiny, sys.executable, BEGIN], capture_output=True, text=True, timeout=120)
    assert (done.returncode, done.stderr) == (0, "")
