"""Work that is shared with forked helpers is done where there is no room for them."""

from __future__ import annotations

import errno
import mmap
import multiprocessing
import os

import numpy as np
import pytest

from chronas.data.share import Faults, can_fork, share, shared_zeros

pytestmark = pytest.mark.skipif(not can_fork(), reason="helpers are forked on Linux only")


@pytest.mark.parametrize("call", ["os.fork", "multiprocessing.connection.Pipe"])
@pytest.mark.parametrize("started", [0, 1])
def test_what_cannot_be_started_is_done_by_the_others(monkeypatch: pytest.MonkeyPatch, call: str, started: int) -> None:
    room, name = call.rsplit(".", 1)
    real = getattr(os if room == "os" else multiprocessing.connection, name)
    left = [started]

    def scarce(*words: object, **more: object) -> object:
        left[0] -= 1
        if left[0] < 0:
            raise BlockingIOError(errno.EAGAIN, os.strerror(errno.EAGAIN))
        return real(*words, **more)

    results = shared_zeros((40,))

    def do(piece: int) -> Faults:
        results[piece] += 1
        return {piece: "odd"} if piece % 2 else {}

    monkeypatch.setattr(call, scarce)
    assert share(do, 40, 3) == {piece: "odd" for piece in range(1, 40, 2)}
    assert np.all(results > 0)
    assert left[0] < 0
    assert not multiprocessing.active_children()


def test_too_little_memory_is_said_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    def none(*_: object) -> None:
        raise OSError(errno.ENOMEM, os.strerror(errno.ENOMEM))

    monkeypatch.setattr(mmap, "mmap", none)
    with pytest.raises(MemoryError, match="no 3 MiB for images: Cannot allocate memory"):
        shared_zeros((1024, 1024, 3))
