"""Whether mirror images help is decided from the images: signs that point left or right, letters, photos."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from chronas.data.augment import default_augment
from chronas.data.load import load
from chronas.data.mirror import decide_mirror

SIDE = 20


def pointers(count: int, colours: int, both_ways: bool) -> tuple[torch.Tensor, torch.Tensor]:
    """Triangles (n, c, h, w) on noise that point left (0) or right (1); `both_ways`: small (0), large (1), any way."""
    rng = np.random.default_rng(0)
    images, labels = [], np.arange(count) % 2
    for label in labels:
        size = (8 if label else 4) if both_ways else 6
        left = bool(rng.integers(2)) if both_ways else label == 0
        image = rng.integers(0, 90, (SIDE, SIDE, colours))
        top, start = rng.integers(0, SIDE - 2 * size + 1), rng.integers(0, SIDE - size + 1)
        for column in range(size):
            tall = column if left else size - 1 - column
            image[top + size - 1 - tall : top + size + tall, start + column] = rng.integers(170, 255, colours)
        images.append(image)
    pixels = torch.from_numpy(np.stack(images).astype(np.uint8)).permute(0, 3, 1, 2)
    return pixels, torch.from_numpy(labels.astype(np.int64))


@pytest.mark.parametrize("colours", [1, 3])
def test_classes_that_are_mirror_images_of_each_other_are_not_mirrored(colours: int) -> None:
    images, labels = pointers(240, colours, both_ways=False)
    found = decide_mirror(images, labels, ("left", "right"))
    assert not found.use
    assert "mirrored images of" in found.note
    assert "'left'" in found.note
    assert "--mirror yes" in found.note


@pytest.mark.parametrize("colours", [1, 3])
def test_classes_that_look_the_same_mirrored_are(colours: int) -> None:
    images, labels = pointers(240, colours, both_ways=True)
    found = decide_mirror(images, labels, ("large", "small"))
    assert found.use
    assert "right on" in found.note


def test_two_of_many_classes() -> None:
    """Two signs in ten are mirror images of each other: the mean over all hardly shows it."""
    one, other = pointers(120, 3, both_ways=False), pointers(480, 3, both_ways=True)
    brightness = torch.arange(480) // 60 * 20
    rest = (other[0].int() // 2 + brightness[:, None, None, None]).clamp(max=255).byte()
    images = torch.cat([one[0], rest])
    labels = torch.cat([one[1], 2 + torch.arange(480) // 60])
    found = decide_mirror(images, labels, ("left", "right", *"abcdefgh"))
    assert not found.use


@pytest.mark.parametrize(("colours", "usual"), [(1, False), (3, True)])
def test_what_is_usual_where_nothing_can_be_learnt(colours: int, usual: bool) -> None:
    noise = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (120, colours, 8, 8), dtype=np.uint8))
    found = decide_mirror(noise, torch.arange(120) % 3, ("a", "b", "c"))
    assert found.use is usual
    assert "too little is known" in found.note
    assert decide_mirror(noise[:12], torch.arange(12) % 3, ("a", "b", "c")).use is usual


def test_the_decision_reaches_the_training_and_is_not_made_again() -> None:
    images, labels = pointers(200, 3, both_ways=False)
    pair = (images.permute(0, 2, 3, 1).numpy(), labels.numpy())
    data = load(pair)
    assert not data.mirror
    assert data.reading.mirror == "no"
    assert not default_augment(data).flip
    assert sum("mirror" in note for note in data.notes) == 1
    again = load(pair, data.reading)
    assert not any("mirror" in note for note in again.notes)
    assert again.fingerprint == data.fingerprint
    wanted = load(pair, mirror="yes")
    assert default_augment(wanted).flip


def test_real_photos_are_mirrored_and_digits_are_not(shared_data: Path) -> None:
    assert load(shared_data / "cifar10" / "test.parquet", limit=800).mirror
    assert load(shared_data / "clothing", limit=800).mirror
    assert not load("digits").mirror
