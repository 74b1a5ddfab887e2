"""Residual networks as a small macro space: how a fixed time is best spent on depth, width and resolution.

The rival that a person would build by hand (stem, four residual blocks of widths w, 2w, 4w, 4w) is one point of
it, named `RIVAL`.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from chronas.errors import UsageError
from chronas.spaces.base import Decision, Space, join_options, split_options
from chronas.spaces.superkernel import LARGEST_MAP, SMALLEST_MAP
from chronas.task import Task
from chronas.work import Choices

_NOTATION = re.compile(r"[a-z]+-(\d{1,4})-(\d{1,2})-(\d{1,2})-(\d{1,2})-[a-z]+")
RIVAL = "full-32-1-1-2-basic"
"""The hand-made network with w = 32: 604,074 parameters on CIFAR-10. "full-16-1-1-2-basic" is its small form."""


@dataclass(frozen=True)
class ResNetSettings:
    """widths: channels of the first stage to choose from; most_blocks: per stage; dropout: before the classifier"""

    widths: tuple[int, ...] = (16, 24, 32, 48, 64, 96)
    most_blocks: int = 3
    dropout: float = 0.0

    def __post_init__(self) -> None:
        if not self.widths or min(self.widths) < 1 or len(set(self.widths)) != len(self.widths):
            raise UsageError(f"space.widths must be different positive numbers, but got {self.widths}.")
        if not 1 <= self.most_blocks <= 20:
            raise UsageError(f"space.most_blocks must lie between 1 and 20, but got {self.most_blocks}.")
        if not 0 <= self.dropout < 1:
            raise UsageError(f"space.dropout must lie in [0, 1), but got {self.dropout}.")


@dataclass(frozen=True)
class StagePlan:
    """`blocks` residual blocks with `channels` outputs, the first with `stride`, on maps of height x width after it."""

    blocks: int
    channels: int
    stride: int
    height: int
    width: int


@dataclass(frozen=True)
class ResNetPlan:
    """The layout of one architecture on one task. `halvings`: stride-2 convolutions of the stem."""

    halvings: int
    channels: int
    kind: str
    stages: tuple[StagePlan, ...]


class ResNetSpace(Space):
    """stem (full or half resolution), width, blocks in each of three stages (w, 2w, 4w), kind of block.

    basic: two 3x3 convolutions in a residual block; single: one.
    """

    name = "resnet"
    plain_title = "the layout of the hand-made network"
    Settings = ResNetSettings

    def __init__(self, settings: ResNetSettings | None = None) -> None:
        settings = settings or ResNetSettings()
        counts = tuple(str(i + 1) for i in range(settings.most_blocks))
        decisions = (
            Decision("stem", ("full", "half")),
            Decision("width", tuple(str(width) for width in settings.widths)),
            *(Decision(f"blocks {i + 1}", counts) for i in range(3)),
            Decision("block", ("basic", "single")),
        )
        super().__init__(settings, decisions)

    def notation(self, choices: Choices) -> str:
        """Option names joined by dashes, e.g. "full-32-1-1-2-basic"."""
        return join_options(self, choices)

    def parse(self, text: str) -> Choices:
        return split_options(self, text)

    @classmethod
    def told(cls, text: str) -> dict[str, Any]:
        """The width and the most blocks, beside the usual ones."""
        usual, found = ResNetSettings(), _NOTATION.fullmatch(text.strip())
        if not found:
            return {}
        width, blocks = int(found[1]), max(map(int, found.groups()[1:]))
        widths = usual.widths if width in usual.widths else (*usual.widths, width)
        return {"widths": widths, "most_blocks": max(usual.most_blocks, blocks)}

    def plain(self) -> Choices | None:
        """The rival's layout, where the settings allow it."""
        names = dict(zip((d.name for d in self.decisions), RIVAL.split("-"), strict=True))
        known = all(names[d.name] in d.options for d in self.decisions)
        return self.from_names(names) if known else None

    def layout(self, choices: Choices, task: Task) -> ResNetPlan:
        """Resolutions and channels of an architecture; no stage goes below 4 pixels a side."""
        stem, width, *blocks, kind = (d.options[c] for d, c in zip(self.decisions, choices, strict=True))
        height, side, halvings = task.height, task.width, 0
        while max(height, side) > LARGEST_MAP or (halvings == 0 and stem == "half" and min(height, side) >= 16):
            height, side, halvings = -(-height // 2), -(-side // 2), halvings + 1
        stages, channels = [], int(width)
        for index, count in enumerate(blocks):
            stride = 2 if index and -(-min(height, side) // 2) >= SMALLEST_MAP else 1
            height, side = -(-height // stride), -(-side // stride)
            stages.append(StagePlan(int(count), channels * 2**index, stride, height, side))
        return ResNetPlan(halvings, channels, kind, tuple(stages))
