"""Decoding gives the same pixels and faults however the work is shared."""

from __future__ import annotations

import io
import os
import signal

import numpy as np
import pytest
from PIL import Image

from chronas.data import decode as module
from chronas.data.decode import decode
from chronas.data.pixels import Reading
from chronas.data.raw import Encoded
from chronas.data.share import Faults, can_fork, share, shared_zeros

needs_fork = pytest.mark.skipif(not can_fork(), reason="helpers are forked on Linux only")


def items(count: int) -> list[Encoded]:
    rng = np.random.default_rng(0)
    found = []
    for index in range(count):
        out = io.BytesIO()
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(out, "PNG")
        found.append(Encoded(f"{index}", out.getvalue()))
    return found


@needs_fork
@pytest.mark.parametrize("workers", [2, 3])
def test_shared_decoding_equals_serial(monkeypatch: pytest.MonkeyPatch, workers: int) -> None:
    pictures = items(300)
    for index in (5, 250, 299):
        pictures[index] = Encoded(f"bad {index}", b"x")
    serial = decode(pictures, Reading(), skip_bad=True)
    monkeypatch.setattr(module, "SHARE_SMALL", 10)
    monkeypatch.setattr(module, "MOST_IN_A_PIECE", 16)
    monkeypatch.setattr(module, "cores", lambda: workers)
    shared = decode(pictures, Reading(), skip_bad=True)
    assert np.array_equal(serial.pixels, shared.pixels)
    assert np.array_equal(serial.kept, shared.kept)
    assert serial.unreadable == shared.unreadable
    assert len(serial.kept) == 297


def test_threads_decode_large_images_where_there_is_no_fork(monkeypatch: pytest.MonkeyPatch) -> None:
    pictures = items(100)
    serial = decode(pictures, Reading(), skip_bad=False)
    for name, value in (("SHARE_LARGE", 10), ("MOST_IN_A_PIECE", 16), ("LARGE_BYTES", 0)):
        monkeypatch.setattr(module, name, value)
    monkeypatch.setattr(module, "can_fork", lambda: False)
    monkeypatch.setattr(module, "cores", lambda: 2)
    assert np.array_equal(serial.pixels, decode(pictures, Reading(), skip_bad=False).pixels)


@needs_fork
def test_a_helper_that_dies_costs_nothing_but_time() -> None:
    results, parent = shared_zeros((40,)), os.getpid()

    def do(piece: int) -> Faults:
        if os.getpid() != parent and piece >= 25:
            os.kill(os.getpid(), signal.SIGKILL)
        results[piece] = piece + 1
        return {piece: "odd"} if piece % 2 else {}

    faults = share(do, 40, 2)
    assert results.tolist() == list(range(1, 41))
    assert sorted(faults) == list(range(1, 40, 2))
