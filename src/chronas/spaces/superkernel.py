"""The superkernel macro space (NASIB, sections 3.4 and 4.1)."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chronas.errors import UsageError
from chronas.spaces.base import Decision, Space, join_options, split_options
from chronas.spaces.kernels import Kernel, parse_kernel, superkernel
from chronas.task import Task
from chronas.work import Choices

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

SMALLEST_MAP = 4
"""No reduction goes below this many pixels a side: a 9x9 kernel has nothing to see there."""
LARGEST_MAP = 64
"""Larger images are halved in the stem until their longer side is at most this."""


@dataclass(frozen=True)
class SuperkernelSettings:
    """Settings of the space.

    layers      number of searched layers (paper: 12)
    width       channels after the stem; each reduction doubles them (the paper gives no number)
    m           superkernel size: options are all i x j with i, j <= m (paper: 9, so 81 options)
    dense_limit  K: i*j above it turns the kernel depthwise-separable (paper: 9)
    reductions  factorised reductions, spread evenly over the depth (paper: 3; fewer on small images)
    options     when given, these operations replace the m*m kernels: the narrow space of "NASIB-1",
                e.g. ("conv3x3", "sep3x3", "conv5x5", "sep5x5", "avg3x3", "max3x3") is ENAS's list
    dropout     probability in front of the classifier
    """

    layers: int = 12
    width: int = 32
    m: int = 9
    dense_limit: int = 9
    reductions: int = 3
    options: tuple[str, ...] = ()
    dropout: float = 0.0

    def __post_init__(self) -> None:
        for name, low, high in (("layers", 1, 200), ("width", 1, 4096), ("m", 1, 15), ("reductions", 0, 6)):
            if not low <= getattr(self, name) <= high:
                raise UsageError(f"space.{name} must lie between {low} and {high}, but got {getattr(self, name)}.")
        if not 0 <= self.dropout < 1:
            raise UsageError(f"space.dropout must lie in [0, 1), but got {self.dropout}.")
        if len(set(self.options)) != len(self.options):
            raise UsageError(f"space.options names an operation twice: {', '.join(self.options)}.")
        for option in self.options:
            parse_kernel(option, self.dense_limit)


@dataclass(frozen=True)
class Stage:
    """Layers that share one resolution: `layers` of them at `channels` x `height` x `width`."""

    layers: int
    channels: int
    height: int
    width: int


class SuperkernelSpace(Space):
    """`layers` decisions, each among the same operations; every one keeps its own weights in a supernet."""

    name = "superkernel"
    plain_title = "3x3 in every layer"
    Settings = SuperkernelSettings

    def __init__(self, settings: SuperkernelSettings | None = None) -> None:
        settings = settings or SuperkernelSettings()
        options = settings.options or superkernel(settings.m)
        super().__init__(settings, tuple(Decision(f"layer {i + 1}", options) for i in range(settings.layers)))
        self.kernels: tuple[Kernel, ...] = tuple(parse_kernel(name, settings.dense_limit) for name in options)

    def notation(self, choices: Choices) -> str:
        """Kernel names in depth order joined by dashes, e.g. "3x3-5x1-2x4"."""
        return join_options(self, choices)

    def parse(self, text: str) -> Choices:
        return split_options(self, text)

    @classmethod
    def told(cls, text: str) -> dict[str, Any]:
        """The number of layers; m where all of them are bare kernels, else the operations in use as options."""
        words = text.strip().split("-")
        sides = [int(side) for word in words if re.fullmatch(r"\d{1,2}x\d{1,2}", word) for side in word.split("x")]
        layers = {"layers": len(words)}
        if len(sides) == 2 * len(words):
            return {**layers, "m": max(SuperkernelSettings().m, *sides), "options": ()}
        named = all(re.fullmatch(r"(conv|sep|max|avg)?\d{1,2}x\d{1,2}", word) for word in words)
        return {**layers, "m": SuperkernelSettings().m, "options": tuple(dict.fromkeys(words))} if named else layers

    def uniform(self, option: str) -> Choices:
        """The architecture that has `option` in every layer."""
        return self.parse("-".join([option] * len(self.decisions)))

    def features(self, decision: int) -> npt.NDArray[np.float64]:
        """Kind, log area by kind, elongation |log(height/width)|, number of even sides."""
        import numpy as np  # not at the top: `chronas show --help` imports this module and nothing heavy

        rows = []
        for kernel in self.kernels:
            area = math.log(kernel.height * kernel.width)
            kinds = [float(kernel.kind == kind) for kind in ("sep", "max", "avg")]
            even = float(kernel.height % 2 == 0) + float(kernel.width % 2 == 0)
            dense = area if kernel.kind == "conv" else 0.0
            rows.append([*kinds, dense, area - dense, abs(math.log(kernel.height / kernel.width)), even])
        return np.array(rows)

    def plain(self) -> Choices | None:
        """3x3 in every layer, where it is an option."""
        for option in ("3x3", "conv3x3"):
            if option in self.decisions[0].options:
                return self.uniform(option)
        return None

    def stem_halvings(self, task: Task) -> int:
        """How often the stem halves the image before the first layer."""
        side, halvings = max(task.height, task.width), 0
        while side > LARGEST_MAP:
            side, halvings = -(-side // 2), halvings + 1
        return halvings

    def stages(self, task: Task) -> Iterator[Stage]:
        """The layout on images of this size; a reduction lies between two stages."""
        height, width = task.height, task.width
        for _ in range(self.stem_halvings(task)):
            height, width = -(-height // 2), -(-width // 2)
        reductions, smallest = 0, -(-min(height, width) // 2)
        while reductions < min(self.settings.reductions, self.settings.layers - 1) and smallest >= SMALLEST_MAP:
            reductions, smallest = reductions + 1, -(-smallest // 2)
        ends = [round(self.settings.layers * (i + 1) / (reductions + 1)) for i in range(reductions + 1)]
        channels = self.settings.width
        for start, end in zip([0, *ends], ends, strict=False):
            yield Stage(end - start, channels, height, width)
            height, width, channels = -(-height // 2), -(-width // 2), channels * 2
