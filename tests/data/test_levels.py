"""Black and white are found from the training images as a whole, hold for all images, and contradictions are told."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from chronas.data import decode as decoding
from chronas.data.images import ImageData
from chronas.data.levels import PixelRange, Seen, found_range
from chronas.data.load import load
from chronas.data.share import can_fork
from chronas.data.stream import StreamedSplit
from chronas.errors import DataError, UsageError

LABELS = np.arange(60) % 3


def pictures(count: int = 60, side: int = 16) -> np.ndarray:
    """Images (n, h, w) as uint8 whose values fill the range, each different."""
    images = np.random.default_rng(0).integers(0, 256, (count, side, side), dtype=np.uint8)
    images[:, 0, :2] = (0, 255)
    return images


def same(one: ImageData, other: ImageData, most: int = 1) -> bool:
    """Whether training pixels are equal up to rounding."""
    difference = one.train.images.int() - other.train.images.int()
    return int(difference.abs().max()) <= most


@pytest.fixture(scope="module")
def eight_bits() -> ImageData:
    return load((pictures(), LABELS), test_share=0)


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda x: x / 255, "0:1"),
        (lambda x: (x / 255).astype(np.float32), "0:1"),
        (lambda x: x.astype(np.float64), "0:255"),
        (lambda x: x * 0.999, "0:255"),
        (lambda x: x.astype(np.int64), "0:255"),
        (lambda x: x.astype(np.uint16), "0:255"),
        (lambda x: x.astype(np.uint16) * 257, "0:65535"),
        (lambda x: np.round(x / 255 * 4095).astype(np.int32), "0:4095"),
        (lambda x: np.round(x / 255 * 1023).astype(np.float32), "0:1023"),
    ],
)
def test_every_form_gives_the_pixels_of_8_bits(
    eight_bits: ImageData, change: Callable[[np.ndarray], np.ndarray], word: str
) -> None:
    data = load((change(pictures()), LABELS), test_share=0)
    assert data.range is not None
    assert data.range.word == word
    assert same(data, eight_bits)
    assert any(f"{word} are black and white (found from the training images)" in note for note in data.notes)


@pytest.mark.parametrize("value", [np.nextafter(np.float32(1), np.float32(2)), 1.03, -0.02])
def test_a_tiny_overshoot_is_clipped_and_said(eight_bits: ImageData, value: float) -> None:
    images = (pictures() / 255).astype(np.float32)
    images[4, 3, 3] = value
    data = load((images, LABELS), test_share=0, val_share=0.1)
    wanted = pictures()
    wanted[4, 3, 3] = 255 if value > 1 else 0
    assert same(data, load((wanted, LABELS), test_share=0, val_share=0.1))
    assert any("clipped" in note and f"{value:.4g}"[:4] in note for note in data.notes)


def test_dark_images_with_one_hot_pixel_stay_dark() -> None:
    images = pictures() / 255 * 0.45
    images[0, 0, 0] = 1.02
    data = load((images, LABELS), test_share=0)
    assert 100 < int(data.train.images.flatten(1).max(1).values.median()) < 120


def test_an_overshoot_in_the_test_part_alone_changes_nothing(eight_bits: ImageData) -> None:
    images = pictures() / 255
    other = images.copy()
    other[0, 0, 0] = 1.01
    data = load(((images, LABELS), (other, LABELS)))
    assert data.test is not None
    assert data.range is not None
    assert data.range.word == "0:1"
    assert int(data.test.images.float().mean()) == int(eight_bits.train.images.float().mean())
    assert any("in the test images values from 0 to 1.01 are clipped" in note for note in data.notes)


@pytest.mark.parametrize(
    ("train", "test", "word"),
    [
        (lambda x: x / 255, lambda x: x.astype(float), "255"),
        (lambda x: x * 0.999, lambda x: x / 255, "0:255 are black and white .found"),
        (lambda x: x * 0.999, lambda x: np.where(np.arange(16) == 3, 1.0000001, x / 255), "0:255 are black and white"),
        (lambda x: x.astype(np.uint16) * 257, lambda x: x.astype(np.uint16) * 16, "0:65535 are black"),
        (lambda x: x.astype(np.uint16) * 16, lambda x: x.astype(np.uint16), "0:4095 are black and white .found"),
        (lambda x: x.astype(np.uint16) * 16, lambda x: x.astype(np.uint16) * 257, "65535"),
        (lambda x: x / 255, lambda x: x, "different number types"),
    ],
)
def test_parts_that_contradict_each_other_are_refused(
    train: Callable[[np.ndarray], np.ndarray], test: Callable[[np.ndarray], np.ndarray], word: str
) -> None:
    with pytest.raises(DataError, match=word):
        load(((train(pictures()), LABELS), (test(pictures()), LABELS)))


@pytest.mark.parametrize(
    "change",
    [
        lambda x: x / 127.5 - 1,
        lambda x: (x - 120) / 60,
        lambda x: x / 255 * 7.3,
        lambda x: np.where(np.arange(16) == 0, 40.5, x / 255),
        lambda x: x.astype(np.float64) * 1000,
    ],
)
def test_values_of_no_usual_range_are_refused_with_advice(change: Callable[[np.ndarray], np.ndarray]) -> None:
    with pytest.raises(DataError, match="Pass --range LOW:HIGH"):
        load((change(pictures()), LABELS))


def test_a_given_range(eight_bits: ImageData) -> None:
    assert same(load((pictures() / 127.5 - 1, LABELS), range="-1:1", test_share=0), eight_bits)
    assert same(load((pictures() // 16, LABELS), range="0:15", test_share=0), eight_bits, most=16)
    with pytest.raises(DataError, match=r"0:1 are black and white \(as given"):
        load((pictures().astype(float), LABELS), range="0:1")
    for wrong in ("1", "1:0", "a:b", "0:inf", "0:1:2"):
        with pytest.raises(UsageError, match="--range takes"):
            load((pictures(), LABELS), range=wrong)


def test_the_few_levels_of_scikit_learns_digits(eight_bits: ImageData) -> None:
    data = load((pictures() // 16 * 1.0, LABELS), test_share=0)
    assert data.range is not None
    assert data.range.word == "0:15"
    assert same(data, eight_bits, most=16)
    assert any("largest pixel value is 15 of 255" in note for note in load((pictures() // 16, LABELS)).notes)


def test_stuck_pixels_do_not_decide_the_depth() -> None:
    images = (pictures(200, 64).astype(np.uint16) * 16).reshape(-1)
    images[[7, 70000]] = 65535
    assert found_range(Seen.of(images), "integer", "x") == PixelRange(0, 4095, "integer")


def deep_folder(root: Path, scale: float, form: str = "png", floating: bool = False) -> Path:
    for index, image in enumerate(pictures()):
        place = root / f"c{LABELS[index]}"
        place.mkdir(parents=True, exist_ok=True)
        values = image / 255 * scale
        kept = values.astype(np.float32) if floating else np.round(values).astype(np.uint16)
        Image.fromarray(kept).save(place / f"{index:02d}.{form}")
    return root


@pytest.mark.parametrize(
    ("scale", "form", "floating", "word"),
    [
        (255, "png", False, "0:255"),
        (4095, "png", False, "0:4095"),
        (65535, "png", False, "0:65535"),
        (4095, "tif", False, "0:4095"),
        (1, "tif", True, "0:1"),
        (255, "tif", True, "0:255"),
    ],
)
@pytest.mark.parametrize("streamed", [False, True])
def test_image_files_of_more_than_8_bits(
    tmp_path: Path, scale: float, form: str, floating: bool, word: str, streamed: bool
) -> None:
    deep = load(deep_folder(tmp_path / "deep", scale, form, floating), test_share=0,
                max_memory_bytes=0 if streamed else None)  # fmt: skip
    assert deep.range is not None
    assert deep.range.word == word
    assert sum(f"{word} are black and white" in note for note in deep.notes) == 1
    shallow = load(folder_of_8_bits(tmp_path / "shallow"), test_share=0, max_memory_bytes=0 if streamed else None)
    one, other = (
        data.train.sample(99)[0] if isinstance(data.train, StreamedSplit) else data.train.images
        for data in (deep, shallow)
    )
    assert int((one.int() - other.int()).abs().max()) <= 1


def folder_of_8_bits(root: Path) -> Path:
    for index, image in enumerate(pictures()):
        place = root / f"c{LABELS[index]}"
        place.mkdir(parents=True, exist_ok=True)
        Image.fromarray(image).save(place / f"{index:02d}.png")
    return root


@pytest.mark.skipif(not can_fork(), reason="helpers are forked on Linux only")
def test_helpers_find_the_same_range(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    place = deep_folder(tmp_path, 4095)
    alone = load(place, test_share=0)
    monkeypatch.setattr(decoding, "SHARE_SMALL", 4)
    monkeypatch.setattr(decoding, "MOST_IN_A_PIECE", 7)
    monkeypatch.setattr(decoding, "cores", lambda: 3)
    assert load(place, test_share=0).fingerprint == alone.fingerprint


def test_a_given_range_of_image_files(tmp_path: Path) -> None:
    deep = load(deep_folder(tmp_path / "a", 4095), range="0:8190", test_share=0)
    assert 126 <= int(deep.train.images.max()) <= 128
    with pytest.raises(DataError, match=r"0:255 are black and white \(as given"):
        load(tmp_path / "a", range="0:255")
    few = folder_of_8_bits(tmp_path / "b")
    assert int(load(few, range="0:510", test_share=0).train.images.max()) == 128


def test_a_range_of_deep_images_leaves_those_of_8_bits_alone(tmp_path: Path) -> None:
    place = deep_folder(tmp_path, 4095)
    whole = load(place, test_share=0)
    Image.fromarray(pictures()[1]).save(place / "c1" / "01.png")
    again = load(place, whole.reading, test_share=0)
    assert again.reading.range_found == "integer:0:4095"
    assert same(whole, again)


def test_whole_and_floating_point_images_have_no_common_range(tmp_path: Path) -> None:
    place = deep_folder(tmp_path, 4095)
    Image.fromarray(np.ones((16, 16), np.float32)).save(place / "c1" / "x.tif")
    with pytest.raises(DataError, match="no common range"):
        load(place)


def test_colours_of_16_bits_that_would_come_out_black_are_unreadable(tmp_path: Path) -> None:
    place = folder_of_8_bits(tmp_path)
    (place / "c0" / "x.png").write_bytes(png_of_16_bit_colours(np.full((16, 16, 3), 200, ">u2")))
    with pytest.raises(DataError, match=r"x\.png: its colours have 16 bits of which only the lower 8 are used"):
        load(place)


def png_of_16_bit_colours(values: np.ndarray) -> bytes:
    """A PNG file of colours (h, w, 3) with 16 bits, which Pillow reads but does not write."""
    import struct
    import zlib

    def chunk(kind: bytes, content: bytes) -> bytes:
        return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))

    height, width = values.shape[:2]
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    head = struct.pack(">IIBBBBB", width, height, 16, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")


@pytest.mark.parametrize("streamed", [False, True])
def test_what_was_found_is_not_found_again(tmp_path: Path, streamed: bool) -> None:
    place, most = deep_folder(tmp_path, 4095), 0 if streamed else None
    first = load(place, max_memory_bytes=most)
    assert first.reading.range is None
    assert first.reading.range_found == "integer:0:4095"
    again = load(place, first.reading, max_memory_bytes=most)
    assert again.fingerprint == first.fingerprint
    assert again.range == first.range
    assert not any("black and white" in note for note in again.notes)


def test_outliers_that_the_first_run_clips_do_not_stop_the_next() -> None:
    images = pictures(200) * 0.999
    images[3, 4, 4], images[5, 5, 5] = -9999.0, 1000.0
    labels = np.arange(200) % 3
    first = load((images, labels))
    assert any("values from -9999 to 1000 are clipped" in note for note in first.notes)
    assert load((images, labels), first.reading).fingerprint == first.fingerprint
    assert load((images, labels), range="0:255").range is not None


@pytest.mark.parametrize("streamed", [False, True])
def test_parts_of_image_files_are_compared(tmp_path: Path, streamed: bool) -> None:
    deep_folder(tmp_path / "train", 4095)
    deep_folder(tmp_path / "test", 65535)
    with pytest.raises(DataError, match="0:4095 are black and white"):
        load(tmp_path, max_memory_bytes=0 if streamed else None)


@pytest.mark.parametrize("word", ["0:1", "0:15"])
def test_a_given_range_that_image_files_of_8_bits_contradict(tmp_path: Path, word: str) -> None:
    with pytest.raises(DataError, match=f"{word} are black and white"):
        load(folder_of_8_bits(tmp_path), range=word)


def test_large_arrays_are_looked_at_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    values = pictures(50).astype(np.uint16) * 16
    whole = Seen.of(values)
    monkeypatch.setattr("chronas.data.levels.CHUNK", 100)
    assert Seen.of(values.transpose(0, 2, 1)) == whole


def test_dark_images_that_are_held_out_are_no_contradiction() -> None:
    images = pictures(200).astype(np.uint16) * 16
    first = load((images, LABELS[:60].tolist() * 3 + LABELS[:20].tolist()))
    held = {bytes(one.numpy().tobytes()) for one in first.val.images}
    scaled = PixelRange(0, 4095, "integer").to_bytes(images)
    for place, one in enumerate(scaled):
        if one[None].tobytes() in held:
            images[place] //= 32
    dark = load((images, LABELS[:60].tolist() * 3 + LABELS[:20].tolist()))
    assert dark.range is not None
    assert dark.range.word == "0:4095"
    assert int(dark.val.images.max()) < 10


def test_white_that_is_a_little_above_1_everywhere() -> None:
    images = (pictures() / 255).astype(np.float32)
    images[images > 0.9] = np.float32(1.0000001)
    data = load((images, LABELS))
    assert data.range is not None
    assert data.range.word == "0:1"
