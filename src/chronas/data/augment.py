"""Augmentation of a whole batch of uint8 images at once, with its own randomness per image."""

from __future__ import annotations

from dataclasses import dataclass

import torch

from chronas.data.images import ImageData

SMALL = 32
DRAWS = 5


@dataclass(frozen=True)
class Augment:
    """flip: mirror half of the images; crop: padding in pixels for a random crop of the same size (0: off);
    cutout: side in pixels of a square set to the batch-independent value 0 (0: off)."""

    flip: bool = True
    crop: int = 4
    cutout: int = 0

    def __post_init__(self) -> None:
        if self.crop < 0 or self.cutout < 0:
            raise ValueError(f"Augmentation needs crop and cutout of at least 0, but got {self}.")


def default_augment(data: ImageData) -> Augment:
    """The usual augmentation for `data`.

    Crop: an eighth of the shorter side, at least 1; at most 4 pixels up to 32x32 (4 for CIFAR, 1 for 8x8).
    Flip: as was decided when the data was read (`chronas.data.mirror`).
    """
    _, height, width = data.train.shape
    side = min(height, width)
    crop = min(4, max(1, round(side / 8))) if side <= SMALL else side // 8
    return Augment(flip=data.mirror, crop=crop)


def augment(images: torch.Tensor, plan: Augment, generator: torch.Generator) -> torch.Tensor:
    """Images (b, c, h, w) uint8 with a random flip, padded crop and cutout for each, by `generator` alone.

    Returns a tensor of the same shape, type and device; the images given are left as they are. The draws come
    from the generator's device, so the same seed gives the same images on every device.
    """
    draws = torch.rand(DRAWS, len(images), generator=generator, device=generator.device)
    draws = draws.to(images.device, non_blocking=True)
    if plan.flip:
        images = torch.where((draws[0] < 0.5)[:, None, None, None], images.flip(3), images)
    if plan.crop:
        images = _crop(images, plan.crop, draws[1], draws[2])
    if plan.cutout:
        images = _cutout(images, plan.cutout, draws[3], draws[4])
    return images


def _whole(draw: torch.Tensor, count: int) -> torch.Tensor:
    """Uniform whole numbers 0..count-1 from uniform draws in [0, 1)."""
    return (draw * count).long().clamp_(max=count - 1)


def _crop(images: torch.Tensor, padding: int, down: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """A window of the original size at a random place of each zero-padded image."""
    batch, channels, height, width = images.shape
    # Channels last in memory, so that a row of the window is one run of bytes.
    padded = images.new_zeros(batch, height + 2 * padding, width + 2 * padding, channels)
    padded[:, padding : padding + height, padding : padding + width] = images.permute(0, 2, 3, 1)
    places = 2 * padding + 1
    windows = padded.unfold(1, height, 1).unfold(2, width, 1).permute(0, 1, 2, 4, 5, 3)
    each = torch.arange(batch, device=images.device)
    return windows[each, _whole(down, places), _whole(right, places)].permute(0, 3, 1, 2)


def _cutout(images: torch.Tensor, side: int, down: torch.Tensor, right: torch.Tensor) -> torch.Tensor:
    """A square of zeros, its centre anywhere in the image (so it may stick out)."""
    height, width = images.shape[2:]
    rows = torch.arange(height, device=images.device)
    columns = torch.arange(width, device=images.device)
    top = (_whole(down, height) - side // 2)[:, None]
    left = (_whole(right, width) - side // 2)[:, None]
    in_rows = (rows >= top) & (rows < top + side)
    in_columns = (columns >= left) & (columns < left + side)
    return images.masked_fill((in_rows[:, :, None] & in_columns[:, None, :])[:, None], 0)
