"""Reading ends long before the budget does: what it will take is known after a few images."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from chronas.data import decode as decoding
from chronas.data.deadline import LoadTime
from chronas.data.load import load
from chronas.data.pixels import open_pixels
from chronas.data.share import can_fork
from chronas.errors import UsageError


class Clock:
    """A clock that each decoded image advances."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, seconds_an_image: float) -> None:
        self.now = 1.0

        def slow(*given: object) -> object:
            self.now += seconds_an_image
            return open_pixels(*given)  # type: ignore[arg-type]

        monkeypatch.setattr(decoding, "open_pixels", slow)
        monkeypatch.setattr(decoding, "MOST_IN_A_PIECE", 1)

    def __call__(self) -> float:
        return self.now


def folder(root: Path, form: str = "png", count: int = 40, side: int = 64) -> Path:
    for index in range(count):
        place = root / "ab"[index % 2]
        place.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(index).integers(0, 256, (side, side, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(place / f"{index:02d}.{form}")
    return root


def test_what_takes_too_long_is_told_early(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, 0.5)
    with pytest.raises(UsageError) as caught:
        load(folder(tmp_path), time=LoadTime(20.0, False, clock))
    assert clock.now < 3
    message = str(caught.value)
    assert "20.0 s is too short" in message
    assert "about 21.0 s" in message
    assert "(2 of 40 are read" in message
    assert "least useful budget is about 49 s" in message
    assert "--limit N" in message
    assert "--cache DIR" in message


def test_enough_time_is_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder(tmp_path)
    for budget in (49.5, None):
        clock = Clock(monkeypatch, 0.5)
        assert len(load(tmp_path, time=LoadTime(budget, False, clock)).train) > 20
        monkeypatch.undo()


def test_jpegs_name_a_size_with_which_they_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, 0.5)
    monkeypatch.setattr("chronas.data.frame.forecast", lambda items, size, fit: 30.0 if size > 32 else 3.0)
    with pytest.raises(UsageError, match="With --size 32, JPEG files are decoded at reduced scale in about 3 s"):
        load(folder(tmp_path, "jpg"), size=64, time=LoadTime(20.0, False, clock))


@pytest.mark.skipif(not can_fork(), reason="helpers are forked on Linux only")
def test_helpers_are_ended_with_the_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = Clock(monkeypatch, 0.5)
    monkeypatch.setattr(decoding, "SHARE_SMALL", 4)
    monkeypatch.setattr(decoding, "cores", lambda: 3)
    with pytest.raises(UsageError, match="is too short"):
        load(folder(tmp_path), time=LoadTime(10.0, False, clock))
    import multiprocessing

    assert not multiprocessing.active_children()


def test_headers_of_streamed_images_count_too(tmp_path: Path) -> None:
    readings = iter(range(10_000))
    with pytest.raises(UsageError, match="is too short"):
        load(folder(tmp_path), max_memory_bytes=0, time=LoadTime(20.0, False, lambda: float(next(readings))))


def test_images_that_are_read_twice_are_counted_twice(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for index in range(40):
        place = tmp_path / "ab"[index % 2]
        place.mkdir(exist_ok=True)
        pixels = np.random.default_rng(index).integers(0, 4096, (64, 64), dtype=np.uint16)
        Image.fromarray(pixels).save(place / f"{index:02d}.png")
    clock = Clock(monkeypatch, 0.5)
    with pytest.raises(UsageError, match="about 41"):
        load(tmp_path, time=LoadTime(60.0, False, clock))
    assert clock.now < 4
    clock.now = 1.0
    assert len(load(tmp_path, time=LoadTime(95.0, False, clock)).train) > 20


def test_streamed_data_are_watched_to_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder(tmp_path)
    clock = Clock(monkeypatch, 0.0)
    monkeypatch.setattr("chronas.data.survey.open_pixels", slow := Slow(clock, 2.0))
    with pytest.raises(UsageError, match="is too short"):
        load(tmp_path, max_memory_bytes=0, skip_bad=True, time=LoadTime(40.0, False, clock))
    assert slow.calls < 15
    monkeypatch.setattr("chronas.data.stream.open_pixels", slow := Slow(clock, 2.0))
    with pytest.raises(UsageError, match="is too short"):
        load(tmp_path, max_memory_bytes=0, time=LoadTime(clock.now + 40.0, False, clock))
    assert slow.calls < 30


class Slow:
    """`open_pixels` that takes its time."""

    def __init__(self, clock: Clock, seconds: float) -> None:
        self.clock, self.seconds, self.calls = clock, seconds, 0

    def __call__(self, *given: object) -> object:
        self.calls += 1
        self.clock.now += self.seconds
        return open_pixels(*given)  # type: ignore[arg-type]
