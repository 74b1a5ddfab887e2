"""Decoded images are kept for the next run, and only used for the same files read the same way."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from chronas.data import decode as decoding
from chronas.data.load import load
from chronas.errors import DataError, UsageError


def folder(root: Path, deep: bool = False) -> Path:
    rng = np.random.default_rng(0)
    for index in range(24):
        place = root / "photos" / "ab"[index % 2]
        place.mkdir(parents=True, exist_ok=True)
        pixels = rng.integers(0, 256, (20, 30), dtype=np.uint8)
        Image.fromarray(pixels.astype(np.uint16) * 16 if deep else pixels).save(place / f"{index:02d}.png")
    return root / "photos"


@pytest.mark.parametrize("deep", [False, True])
def test_the_second_run_decodes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deep: bool) -> None:
    photos, cache = folder(tmp_path, deep), str(tmp_path / "cache")
    first = load(photos, size=10, cache=cache)
    assert any("are kept in" in note for note in first.notes)

    def refuse(*given: object) -> None:
        raise AssertionError("an image was decoded")

    monkeypatch.setattr(decoding, "open_pixels", refuse)
    second = load(photos, size=10, cache=cache)
    assert second.fingerprint == first.fingerprint
    assert second.range == first.range
    assert any("were taken from" in note for note in second.notes)
    with pytest.raises(AssertionError):
        load(photos, size=12, cache=cache)
    with pytest.raises(AssertionError):
        load(photos, size=10, fit="pad", cache=cache)


def test_changed_files_are_decoded_anew(tmp_path: Path) -> None:
    photos, cache = folder(tmp_path), str(tmp_path / "cache")
    first = load(photos, cache=cache).fingerprint
    file = photos / "a" / "00.png"
    Image.fromarray(np.zeros((20, 30), np.uint8)).save(file)
    second = load(photos, cache=cache).fingerprint
    assert second != first
    found = file.stat()
    os.utime(file, ns=(found.st_atime_ns, found.st_mtime_ns + 1))
    load(photos, cache=cache)
    file.rename(photos / "a" / "99.png")
    load(photos, cache=cache)
    assert len(list((tmp_path / "cache").glob("images-*"))) == 4


def test_a_damaged_cache_is_not_used(tmp_path: Path) -> None:
    photos, cache = folder(tmp_path), tmp_path / "cache"
    first = load(photos, cache=str(cache)).fingerprint
    (file,) = cache.glob("images-*")
    for content in (b"", file.read_bytes()[:-100], b"x" * 1000):
        file.write_bytes(content)
        assert load(photos, cache=str(cache)).fingerprint == first


def test_unreadable_images_stay_an_error(tmp_path: Path) -> None:
    photos, cache = folder(tmp_path), str(tmp_path / "cache")
    (photos / "a" / "00.png").write_bytes(b"x")
    assert len(load(photos, cache=cache, skip_bad=True).notes) == len(load(photos, cache=cache, skip_bad=True).notes)
    with pytest.raises(DataError, match=r"a/00\.png"):
        load(photos, cache=cache)


def test_a_cache_that_cannot_be_kept(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    photos = folder(tmp_path)
    (tmp_path / "file").write_text("")
    for place in (tmp_path / "file", tmp_path / "file" / "inner"):
        with pytest.raises(UsageError, match="--cache"):
            load(photos, cache=str(place))

    def full(*given: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("chronas.data.cache.save_file", full)
    data = load(photos, cache=str(tmp_path / "cache"))
    assert any("could not be kept" in note and "No space left" in note for note in data.notes)
    assert [file.name for file in (tmp_path / "cache").iterdir()] == ["CACHEDIR.TAG"]


@pytest.mark.parametrize("deep", [False, True])
def test_another_split_of_the_same_files_finds_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, deep: bool
) -> None:
    photos, cache = folder(tmp_path, deep), str(tmp_path / "cache")
    first = load(photos, cache=cache)
    wanted = load(photos, seed=3, val_share=0.3)
    monkeypatch.setattr(decoding, "open_pixels", lambda *given: 1 / 0)
    assert load(photos, seed=3, val_share=0.3, cache=cache).fingerprint == wanted.fingerprint
    assert load(photos, first.reading).fingerprint == first.fingerprint
    assert len(list((tmp_path / "cache").glob("images-*"))) == 1


def test_another_split_without_images_that_cannot_be_read(tmp_path: Path) -> None:
    photos, cache = folder(tmp_path), str(tmp_path / "cache")
    (photos / "a" / "04.png").write_bytes(b"x")
    load(photos, cache=cache, skip_bad=True)
    for seed in (1, 2):
        plain = load(photos, seed=seed, skip_bad=True)
        assert load(photos, seed=seed, cache=cache, skip_bad=True).fingerprint == plain.fingerprint
