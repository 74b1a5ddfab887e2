"""What a network must fit: the shape of the images and the number of classes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Task:
    """Image classification: `channels` x `height` x `width` images, `classes` classes."""

    channels: int
    height: int
    width: int
    classes: int

    def __post_init__(self) -> None:
        if min(self.channels, self.height, self.width) < 1 or self.classes < 2:
            raise ValueError(f"A task needs images of at least 1x1x1 and two classes, but got {self}.")
