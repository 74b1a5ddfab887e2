"""Batches are a pure function of the step; augmentation differs per image; splits are stratified."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from chronas.data.augment import Augment, augment, default_augment
from chronas.data.batches import Batches
from chronas.data.images import Split
from chronas.data.load import load
from chronas.data.split import held_out, shares
from chronas.seeding import torch_stream

PLAN = Augment(flip=True, crop=2, cutout=3)


def split(count: int = 50, channels: int = 3, side: int = 8) -> Split:
    images = torch.randint(0, 256, (count, channels, side, side), generator=torch_stream(0, "t"), dtype=torch.uint8)
    return Split(images, torch.arange(count))


def batches(data: Split | None = None, size: int = 16, **changes: Any) -> Batches:
    options: dict[str, Any] = {
        "mean": (0.5,) * 3,
        "std": (0.25,) * 3,
        "seed": 3,
        "purpose": "w",
        "augment": PLAN,
    }
    return Batches(data or split(), size, **{**options, **changes})


def same(one: tuple[torch.Tensor, torch.Tensor], two: tuple[torch.Tensor, torch.Tensor]) -> bool:
    return torch.equal(one[0], two[0]) and torch.equal(one[1], two[1])


def test_batch_depends_on_the_step_alone() -> None:
    forward, backward = batches(), batches()
    seen = [forward.batch(step) for step in range(8)]
    for step in reversed(range(8)):
        assert same(seen[step], backward.batch(step))


@pytest.mark.parametrize("change", [{"seed": 4}, {"purpose": "alpha"}])
def test_other_seed_or_purpose_gives_other_batches(change: dict[str, Any]) -> None:
    assert not torch.equal(batches().batch(0)[1], batches(**change).batch(0)[1])


def test_global_random_state_is_neither_read_nor_changed() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first = batches().batch(2)
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(2)
    assert same(first, batches().batch(2))


def test_an_epoch_shows_each_image_once_in_another_order_each_time() -> None:
    source = batches(size=10)
    assert len(source) == 5
    epochs = [torch.cat([source.batch(5 * e + i)[1] for i in range(5)]) for e in range(2)]
    assert all(torch.equal(e.sort().values, torch.arange(50)) for e in epochs)
    assert not torch.equal(epochs[0], epochs[1])


def test_lengths() -> None:
    assert len(batches(size=16)) == 3
    assert len(batches(size=16, drop_last=False)) == 4
    assert len(batches(size=16, drop_last=False).batch(3)[1]) == 2
    assert len(batches(size=500)) == 1
    assert len(batches(size=500).batch(0)[1]) == 50


def test_values_are_normalised_and_channels_last() -> None:
    source = split()
    images, labels = batches(source, augment=None).batch(0)
    wanted = (source.images[labels].double() / 255 - 0.5) / 0.25
    assert images.dtype == torch.float32
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert torch.allclose(images.double(), wanted, atol=1e-6)
    assert batches(dtype=torch.bfloat16).batch(0)[0].dtype == torch.bfloat16
    assert batches(channels_last=False).batch(0)[0].is_contiguous()


def test_sequential_shows_all_once_in_order() -> None:
    source = batches()
    found = list(source.sequential(16))
    assert [len(labels) for _, labels in found] == [16, 16, 16, 2]
    assert torch.equal(torch.cat([labels for _, labels in found]), torch.arange(50))
    images = torch.cat([images for images, _ in found])
    assert torch.equal(images, batches(augment=None, shuffle=False, size=50).batch(0)[0])


def test_the_split_is_left_as_it_was() -> None:
    source = split()
    before = source.images.clone()
    batches(source).batch(0)
    list(batches(source).sequential(7))
    assert torch.equal(before, source.images)


def test_no_augmentation_changes_nothing() -> None:
    images = split().images
    plan = Augment(flip=False, crop=0, cutout=0)
    assert torch.equal(augment(images, plan, torch_stream(0, "a")), images)


def test_flip_mirrors_about_half_of_the_images() -> None:
    images = split(400).images
    done = augment(images, Augment(flip=True, crop=0), torch_stream(0, "a"))
    mirrored = (done == images.flip(3)).flatten(1).all(1)
    kept = (done == images).flatten(1).all(1)
    assert bool((mirrored ^ kept).all())
    assert 150 < int(mirrored.sum()) < 250


@pytest.mark.parametrize(("channels", "height", "width"), [(1, 8, 8), (3, 8, 12)])
def test_crop_is_a_window_of_the_padded_image_with_its_own_place(channels: int, height: int, width: int) -> None:
    images = torch.randint(1, 256, (200, channels, height, width), generator=torch_stream(1), dtype=torch.uint8)
    done = augment(images, Augment(flip=False, crop=2), torch_stream(0, "a"))
    padded = torch.nn.functional.pad(images, (2, 2, 2, 2))
    places = set()
    for index in range(len(images)):
        found = [
            (y, x)
            for y in range(5)
            for x in range(5)
            if torch.equal(padded[index, :, y : y + height, x : x + width], done[index])
        ]
        assert len(found) == 1
        places.add(found[0])
    assert len(places) == 25


def test_cutout_clears_one_square() -> None:
    images = torch.full((100, 3, 9, 9), 7, dtype=torch.uint8)
    done = augment(images, Augment(flip=False, crop=0, cutout=4), torch_stream(0, "a"))
    holes = done[:, 0] == 0
    rows, columns = holes.any(2).sum(1), holes.any(1).sum(1)
    assert bool((holes.sum((1, 2)) == rows * columns).all())
    assert int(rows.max()) == int(columns.max()) == 4
    assert int(rows.min()) >= 2
    assert len({hole.numpy().tobytes() for hole in holes}) > 20


def test_augmentation_is_seeded() -> None:
    images = split().images
    one, two = (augment(images, PLAN, torch_stream(0, "a")) for _ in range(2))
    assert torch.equal(one, two)
    assert not torch.equal(one, augment(images, PLAN, torch_stream(0, "b")))


def test_default_augmentation() -> None:
    labels = np.arange(40) % 2
    plans = {
        (8, 8): Augment(flip=False, crop=1),
        (32, 32, 3): Augment(flip=True, crop=4),
        (96, 96, 3): Augment(flip=True, crop=12),
    }
    for shape, plan in plans.items():
        assert default_augment(load((np.zeros((40, *shape), dtype=np.uint8), labels))) == plan


def test_validation_split_is_stratified_and_seeded() -> None:
    labels = np.repeat([0, 1, 2], [700, 250, 50])
    images = np.zeros((1000, 8, 8), dtype=np.uint8)
    data = load((images, labels), test_share=0)
    assert torch.bincount(data.val.labels).tolist() == [70, 25, 5]
    assert torch.bincount(load((images, labels), test_share=0, val_share=0.2).val.labels).tolist() == [
        140,
        50,
        10,
    ]
    limited = load((images, labels), test_share=0, limit=100)
    assert (torch.bincount(limited.train.labels) + torch.bincount(limited.val.labels)).tolist() == [70, 25, 5]
    assert torch.bincount(limited.val.labels).tolist() == [6, 2, 2]


def test_val_size_of_cifar() -> None:
    labels = np.arange(50_000) % 10
    data = load((np.zeros((50_000, 8, 8), dtype=np.uint8), labels), test_share=0)
    assert torch.bincount(data.val.labels).tolist() == [500] * 10


def test_held_out_is_a_partition_that_follows_the_seed() -> None:
    labels = np.arange(100) % 4
    kept, out = held_out(labels, 20, 0, "p", least=1)
    assert sorted([*kept, *out]) == list(range(100))
    assert np.array_equal(out, held_out(labels, 20, 0, "p", least=1)[1])
    assert not np.array_equal(out, held_out(labels, 20, 1, "p", least=1)[1])


@pytest.mark.parametrize("total", [0, 1, 3, 10, 37, 200])
def test_shares_keep_their_bounds(total: int) -> None:
    counts = np.array([1, 2, 3, 50, 9])
    taken = shares(counts, total, 1, 1)
    assert bool((taken <= counts - 1).all())
    assert bool((taken[counts > 1] >= 1).all())
    assert int(taken.sum()) == min(max(total, 4), 60)
