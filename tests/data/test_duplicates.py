"""Equal images in two parts, under two labels or simply twice are counted, shown, and left out where that is wanted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from chronas.data.duplicates import pixel_marks
from chronas.data.load import load
from chronas.errors import DataError


def folder(root: Path) -> Path:
    """Three classes of 12 images; 4 of each also in the test, one of them also as another class; two more copies."""
    rng = np.random.default_rng(0)
    for part in ("train", "test"):
        for name in "abc":
            (root / part / name).mkdir(parents=True)
    for name in "abc":
        for index in range(12):
            image = Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8))
            image.save(root / "train" / name / f"{index:02d}.png")
            if index < 4:
                image.save(root / "test" / name / f"copy_{index}.bmp")
            if name == "a" and index == 6:
                image.save(root / "train" / "b" / "same.png")
            if name == "c" and index in (7, 8):
                image.save(root / "train" / "c" / f"again_{index}.png")
        Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(root / "test" / name / "own.png")
    return root


def test_duplicates_are_counted_with_examples(tmp_path: Path) -> None:
    joined = "\n".join(load(folder(tmp_path), val_share=0.2).warnings)
    assert "12 training or validation images equal a test image" in joined
    assert "copy_0.bmp" in joined
    assert "2 images stand under two labels" in joined
    assert "(a and b)" in joined
    assert "kept; --drop-duplicates" in joined


def test_they_are_left_out_where_that_is_wanted(tmp_path: Path) -> None:
    data = load(folder(tmp_path), val_share=0.2, drop_duplicates=True)
    assert data.test is not None
    kept = [pixel_marks(split.images.permute(0, 2, 3, 1).numpy()) for split in (data.train, data.val, data.test)]
    every = np.concatenate(kept)
    assert len(np.unique(every)) == len(every)
    assert len(data.test) == 15
    # 36 of which 12 are in the test and one stands under two labels.
    assert len(data.train) + len(data.val) == 23
    (told,) = [note for note in data.notes if "under two labels" in note]
    assert told.startswith("2 images stand under two labels, pixel by pixel, left out (--drop-duplicates)")


def test_nothing_is_said_where_nothing_stands_twice() -> None:
    images = np.random.default_rng(0).integers(0, 256, (60, 8, 8), dtype=np.uint8)
    assert not load((images, np.arange(60) % 3)).warnings


def test_leaving_out_may_not_empty_a_class() -> None:
    images = np.random.default_rng(0).integers(0, 256, (60, 8, 8), dtype=np.uint8)
    images[1::2] = images[::2]
    with pytest.raises(DataError, match="After leaving images out there is no train image"):
        load((images, np.arange(60) % 2), drop_duplicates=True)


@pytest.mark.parametrize("shape", [(8, 8, 1), (9, 7, 3), (224, 224, 3)])
def test_marks_differ_by_a_single_bit_anywhere(shape: tuple[int, ...]) -> None:
    images = np.zeros((300, *shape), np.uint8)
    flat = images.reshape(300, -1)
    bits = np.random.default_rng(0).permutation(8 * flat.shape[1])[:299]
    flat[np.arange(1, 1 + len(bits)), bits // 8] = 1 << (bits % 8)
    marks = pixel_marks(images)
    assert len(np.unique(marks)) == len(np.unique(flat, axis=0))
    assert pixel_marks(images[:0]).shape == (0,)
