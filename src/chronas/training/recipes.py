"""Recipes: frozen numbers for training one network from scratch."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

from chronas.errors import UnknownNameError, UsageError
from chronas.training.schedules import cosine, one_cycle

SMALLEST_SHRUNK = 12
"""Images are not shrunk below this side, in pixels: a network's reductions must have something to reduce."""


@dataclass(frozen=True)
class Recipe:
    """SGD with momentum under a schedule over progress.

    lr               peak learning rate for a batch of 128 (scaled in proportion to the batch)
    schedule         one_cycle: linear up for a quarter, linear down to nearly 0; cosine: from lr to 0
    weight_decay     L2 on convolutions and the classifier; label_smoothing: in [0, 1)
    clip             limit of the gradient's norm, 0 for none; dropout: in front of the classifier
    cutout           side of a square that is blanked in every training image, as a share of the image's side
    batch_size       images per step; on small data at most a sixteenth of the training images
    shrink           the first images are shrunk to this part of their side, and grow to full size until the
                     progress `full_size_at` (progressive resizing: early steps need no details and cost less)
    """

    name: str = "fast"
    lr: float = 0.2
    schedule: Literal["one_cycle", "cosine"] = "one_cycle"
    momentum: float = 0.9
    nesterov: bool = True
    weight_decay: float = 5e-4
    label_smoothing: float = 0.1
    clip: float = 0.0
    dropout: float = 0.0
    batch_size: int = 128
    cutout: float = 0.0
    shrink: float = 1.0
    full_size_at: float = 0.7

    def __post_init__(self) -> None:
        if not 0.25 <= self.shrink <= 1 or not 0 < self.full_size_at <= 1:
            raise UsageError(f"recipe.shrink must lie in 0.25 to 1 and full_size_at in (0, 1], but got {self}.")
        if self.lr <= 0 or self.batch_size < 2 or not 0 <= self.label_smoothing < 1 or not 0 <= self.dropout < 1:
            raise UsageError(f"The recipe is out of range: {self}.")
        if not 0 <= self.cutout <= 1:
            raise UsageError(f"recipe.cutout is a share of the image's side, from 0 to 1, but got {self.cutout}.")
        if self.clip < 0 or self.weight_decay < 0 or not 0 <= self.momentum < 1:
            raise UsageError(f"The recipe is out of range: {self}.")

    def rate(self, progress: float) -> float:
        """The learning rate at `progress`."""
        if self.schedule == "cosine":
            return cosine(progress, self.lr)
        return one_cycle(progress, self.lr)

    def side(self, progress: float, full: int) -> int:
        """Pixels of the side of training images at `progress`, where they have `full`: a multiple of 4."""
        if self.shrink == 1 or progress >= self.full_size_at or full <= SMALLEST_SHRUNK:
            return full
        part = self.shrink + (1 - self.shrink) * progress / self.full_size_at
        return min(full, max(SMALLEST_SHRUNK, 4 * round(part * full / 4)))


RECIPES = {
    "fast": Recipe(),
    "progressive": Recipe(name="progressive", shrink=0.5),
    # NASIB section 4.1 names SGD with momentum 0.9, cosine from 0.01, gradient clipping, dropout, L2 and batch
    # norm, and gives no other number. The rest is ours: batch 64 and DARTS' L2 and clipping.
    "nasib": Recipe(
        name="nasib", lr=0.01, schedule="cosine", nesterov=False, weight_decay=3e-4, label_smoothing=0.0,
        clip=5.0, dropout=0.2, batch_size=64,
    ),
}  # fmt: skip


def recipe(name: str, changes: dict[str, object] | None = None) -> Recipe:
    """The recipe `name` with `changes` (already typed); raises UsageError."""
    if name not in RECIPES:
        raise UnknownNameError("recipe", name, RECIPES)
    return replace(RECIPES[name], **(changes or {}))  # type: ignore[arg-type]
