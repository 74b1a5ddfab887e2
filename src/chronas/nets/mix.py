"""The mix: which options of each slot run, and with what weights. Made by methods, consumed by supernets."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TypeAlias

import torch

from chronas.work import Choices


@dataclass(frozen=True)
class SlotMix:
    """For one slot: the indices of the options that run (host integers) and their weights.

    weights  tensor of shape (len(options),), or None for weight 1 each (the plain sum).
    """

    options: tuple[int, ...]
    weights: torch.Tensor | None = None


Mix: TypeAlias = tuple[SlotMix, ...]


def one_hot(choices: Choices) -> Mix:
    """The mix that runs exactly one architecture."""
    return tuple(SlotMix((choice,)) for choice in choices)
