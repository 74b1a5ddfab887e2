"""The size space of NATS-Bench: the widths of five layers of one fixed network; 8^5 = 32,768 networks.

Dong et al., "NATS-Bench: Benchmarking NAS algorithms for architecture topology and size", 2021.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from chronas.errors import ArchitectureError, UsageError
from chronas.spaces.base import Decision, Space
from chronas.work import Choices

LAYERS = 5
"""Cell, residual reduction, cell, residual reduction, cell: the width of each is one decision."""
CELL = "|nor_conv_3x3~0|+|nor_conv_3x3~0|nor_conv_3x3~1|+|skip_connect~0|nor_conv_3x3~1|nor_conv_3x3~2|"
"""The fixed cell, in the string form of the topology space."""


@dataclass(frozen=True)
class NatsSizeSettings:
    """widths: the channels to choose from, the same for every layer (published: 8 to 64 in steps of 8)."""

    widths: tuple[int, ...] = (8, 16, 24, 32, 40, 48, 56, 64)

    def __post_init__(self) -> None:
        if not self.widths or min(self.widths) < 1 or len(set(self.widths)) != len(self.widths):
            raise UsageError(f"space.widths must be different positive numbers, but got {self.widths}.")


class NatsSizeSpace(Space):
    """One width per layer; the first is also that of the stem."""

    name = "natssize"
    plain_title = "widths that double with every reduction"
    Settings = NatsSizeSettings

    def __init__(self, settings: NatsSizeSettings | None = None) -> None:
        settings = settings or NatsSizeSettings()
        options = tuple(str(width) for width in settings.widths)
        super().__init__(settings, tuple(Decision(f"layer {i + 1}", options) for i in range(LAYERS)))

    def widths(self, choices: Choices) -> tuple[int, ...]:
        """Channels of each layer."""
        return tuple(self.settings.widths[choice] for choice in choices)

    def notation(self, choices: Choices) -> str:
        """The published string: widths joined by colons, e.g. "8:16:24:40:64"."""
        return ":".join(str(width) for width in self.widths(choices))

    def parse(self, text: str) -> Choices:
        words = text.strip().split(":")
        if len(words) != LAYERS:
            raise ArchitectureError(f"An architecture is {LAYERS} widths joined by ':', but got {text!r}.")
        return self.from_names({d.name: word for d, word in zip(self.decisions, words, strict=True)})

    @classmethod
    def told(cls, text: str) -> dict[str, Any]:
        """The widths in use beside the published ones."""
        words, usual = text.strip().split(":"), NatsSizeSettings().widths
        if not all(re.fullmatch(r"\d{1,4}", word) for word in words):
            return {}
        return {"widths": tuple(dict.fromkeys([*usual, *map(int, words)]))}

    def plain(self) -> Choices | None:
        """Widths that double with every reduction, where the settings have them: 16:32:32:64:64."""
        wanted = (16, 32, 32, 64, 64)
        if not set(wanted) <= set(self.settings.widths):
            return None
        return tuple(self.settings.widths.index(width) for width in wanted)
