"""Images of other sizes: cut, padded or stretched; the size chosen where none is named."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from chronas.data.arrays import fit_pixels
from chronas.data.deadline import LoadTime
from chronas.data.fit import fit_image
from chronas.data.frame import choose_frame, needs_frame
from chronas.data.load import load
from chronas.data.pixels import Header
from chronas.data.raw import Encoded
from chronas.errors import DataError, UnknownNameError

FITS = ("crop", "pad", "stretch")


def bars() -> np.ndarray:
    """An image (20, 60, 3): red, green and blue thirds."""
    image = np.zeros((20, 60, 3), np.uint8)
    for third in range(3):
        image[:, 20 * third : 20 * third + 20, third] = 250
    return image


def thirds(pixels: np.ndarray) -> list[list[int]]:
    """Mean colour of the left, middle and right third of the middle row."""
    row = pixels[len(pixels) // 2].astype(float)
    return [part.mean(0).round().astype(int).tolist() for part in np.array_split(row, 3)]


@pytest.mark.parametrize("how", FITS)
def test_arrays_and_files_are_fitted_alike(how: str) -> None:
    from_file = np.asarray(fit_image(Image.fromarray(bars()), 12, 12, how)).astype(int)
    from_array = fit_pixels(bars()[None], 12, how, "x")[0].astype(int)
    assert from_file.shape == from_array.shape == (12, 12, 3)
    assert np.abs(from_file - from_array).max() <= 2
    if how == "crop":
        assert from_file[..., 1].min() > 230
        assert from_file[:, 1:-1, 0].max() < 10
    elif how == "pad":
        assert from_file[:4].max() == from_file[8:].max() == 0
        assert thirds(from_file)[0][0] > 200
        assert thirds(from_file)[2][2] > 200
    else:
        assert thirds(from_file[:3])[0][0] > 200
        assert thirds(from_file[-3:])[2][2] > 200


@pytest.mark.parametrize("shape", [(7, 100), (100, 7), (33, 32), (5, 5)])
@pytest.mark.parametrize("how", FITS)
def test_any_shape_fits_any_frame(shape: tuple[int, int], how: str) -> None:
    image = Image.fromarray(np.full((*shape, 3), 100, np.uint8))
    assert fit_image(image, 24, 17, how).size == (17, 24)


def test_an_unknown_way_is_named() -> None:
    with pytest.raises(UnknownNameError, match="crop"):
        load("digits", fit="crup")


def save(root: Path, shapes: list[tuple[int, int]], form: str = "png") -> Path:
    for index, shape in enumerate(shapes):
        place = root / "ab"[index % 2]
        place.mkdir(parents=True, exist_ok=True)
        pixels = np.random.default_rng(index).integers(0, 256, (*shape, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(place / f"{index:02d}.{form}")
    return root


def test_mixed_and_large_images_get_a_size_that_is_said(tmp_path: Path) -> None:
    large = load(save(tmp_path / "large", [(300, 260)] * 12), time=LoadTime(60.0))
    assert large.train.shape == (3, 224, 224)
    assert any("260 x 300 pixels are brought to 224 x 224" in note and "--size N" in note for note in large.notes)
    assert large.reading.size == 224
    mixed = load(save(tmp_path / "mixed", [(40, 60), (70, 50)] * 6))
    assert mixed.train.shape == (3, 32, 32)
    assert any("60 x 40 to 50 x 70" in note for note in mixed.notes)
    again = load(tmp_path / "mixed", mixed.reading)
    assert again.fingerprint == mixed.fingerprint
    assert not any("brought" in note for note in again.notes)


def test_one_image_of_another_size_does_not_decide(tmp_path: Path) -> None:
    data = load(save(tmp_path, [(40, 40)] * 19 + [(90, 70)]))
    assert data.train.shape == (3, 40, 40)
    assert any("Nearly all images are 40 x 40" in note for note in data.notes)


def test_an_odd_image_that_the_first_look_misses(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chronas.data.frame.SAMPLE", 4)
    data = load(save(tmp_path, [(40, 40)] * 21 + [(90, 70)]))
    assert data.train.shape == (3, 40, 40)


def test_images_of_one_usual_size_stay_as_they_are(tmp_path: Path) -> None:
    data = load(save(tmp_path, [(40, 60)] * 12))
    assert data.train.shape == (3, 40, 60)
    assert data.reading.size is None


def heads(short: int) -> list[Header]:
    return [Header(short, 2 * short, False, False, False, "PNG"), Header(2 * short, short, False, False, False, "PNG")]


@pytest.mark.parametrize(
    ("images", "seconds", "gpu", "size"),
    [
        (200, 20.0, False, 128),
        (200, 120.0, False, 224),
        (8000, 120.0, False, 64),
        (8000, 1200.0, False, 128),
        (8000, 7200.0, False, 224),
        (8000, 300.0, True, 224),
        (200_000, 60.0, False, 64),
    ],
)
def test_more_time_and_fewer_images_give_larger_ones(images: int, seconds: float, gpu: bool, size: int) -> None:
    spare = LoadTime(seconds, gpu, lambda: 0.0)
    assert choose_frame([], heads(500), "crop", spare, images).size == size
    assert choose_frame([], heads(100), "crop", spare, images).size == min(size, 96)
    assert choose_frame([], heads(20), "crop", spare, images).size == 20


def test_jpegs_shrink_until_reading_them_fits_the_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chronas.data.frame.forecast", lambda items, size, fit: {224: 60.0, 128: 50.0}.get(size, 5.0))
    jpeg = [head._replace(format="JPEG") for head in heads(500)]
    spare = LoadTime(60.0, False, lambda: 1.0)
    found = choose_frame([Encoded("x", b"")], jpeg, "crop", spare, 100)
    assert found.size == 96
    assert "so that reading them fits the time" in found.note


def test_what_needs_a_size() -> None:
    one = heads(50)[:1]
    assert not needs_frame(one * 3)
    assert needs_frame(heads(50))
    assert needs_frame(heads(200)[:1])


def test_arrays_keep_their_size_or_are_refused() -> None:
    with pytest.raises(DataError, match="7x7"):
        load((np.zeros((20, 7, 7), np.uint8), np.arange(20) % 2))
    large = load((np.zeros((20, 300, 300), np.uint8), np.arange(20) % 2), time=LoadTime(30.0))
    assert large.train.shape == (1, 224, 224)
    assert any("300 x 300 pixels are brought to 224 x 224" in note for note in large.notes)
    images = np.random.default_rng(0).integers(0, 256, (20, 30, 50), dtype=np.uint8)
    padded = load((images, np.arange(20) % 2), size=20, fit="pad")
    assert padded.train.shape == (1, 20, 20)
    assert bool((padded.train.images[:, :, :4] == 0).all())
    assert isinstance(padded.train.images, torch.Tensor)
