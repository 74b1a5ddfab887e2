"""TransNAS-Bench-101 (Duan et al. 2021): 4,096 cells in one skeleton, and 3,256 skeletons of residual blocks."""

from __future__ import annotations

import re
from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

from chronas.errors import ArchitectureError, UsageError
from chronas.spaces.base import Decision, Space
from chronas.spaces.edgecell import EDGES, live_edges
from chronas.spaces.superkernel import LARGEST_MAP
from chronas.task import Task
from chronas.work import Choices

OPERATIONS = ("none", "skip_connect", "nor_conv_1x1", "nor_conv_3x3")
MODULES = ("plain", "double", "halve", "double_halve")
"""What a module does to channels and map: nothing, double the channels, halve the map, both."""
END = "end"
MICRO_SKELETON = "41414"
BLOCKS = 2
"""Cells or residual blocks in a module; the first changes the shape."""


@dataclass(frozen=True)
class TransNasSettings:
    """width: channels of the stem (published: 64)."""

    width: int = 64

    def __post_init__(self) -> None:
        if not 2 <= self.width <= 1024:
            raise UsageError(f"space.width must lie between 2 and 1024, but got {self.width}.")


@dataclass(frozen=True)
class BlockPlan:
    """A block from channels_in x height x width to channels_out with `stride`."""

    channels_in: int
    channels_out: int
    stride: int
    height: int
    width: int


@dataclass(frozen=True)
class TransNasPlan:
    """The layout of a network.

    halvings    stride-2 convolutions among the two of the stem
    blocks      of all modules
    operations  those on the six edges of a cell; empty for residual blocks
    """

    halvings: int
    blocks: tuple[BlockPlan, ...]
    operations: tuple[str, ...]


class TransNasSpace(Space):
    """What the two spaces share: a stem of two convolutions, and modules of two blocks."""

    Settings = TransNasSettings

    @classmethod
    def told(cls, text: str) -> dict[str, Any]:
        """The width, which the published form begins with."""
        match = re.match(r"\s*(\d{1,4})-", text)
        return {"width": int(match[1])} if match else {}

    @abstractmethod
    def modules(self, choices: Choices) -> str:
        """One digit per module: 1 plain, 2 doubles the channels, 3 halves the map, 4 both."""

    def operations(self, choices: Choices) -> tuple[str, ...]:
        """Those on the edges of a cell; none where blocks are residual ones."""
        return ()

    def layout(self, choices: Choices, task: Task) -> TransNasPlan:
        """Channels and resolutions. The stem halves images above 64 pixels a side once or twice (published: twice)."""
        height, side, halvings = task.height, task.width, 0
        while max(height, side) > LARGEST_MAP and halvings < 2:
            height, side, halvings = -(-height // 2), -(-side // 2), halvings + 1
        blocks, channels = [], self.settings.width
        for module in map(int, self.modules(choices)):
            for place in range(BLOCKS):
                stride = 2 if module >= 3 and place == 0 else 1
                channels_out = channels * 2 if module % 2 == 0 and place == 0 else channels
                blocks.append(BlockPlan(channels, channels_out, stride, height, side))
                height, side, channels = -(-height // stride), -(-side // stride), channels_out
        return TransNasPlan(halvings, tuple(blocks), self.operations(choices))

    def _digits(self, text: str, pattern: str) -> str:
        """The digits of the published form, or those of a table, joined by commas; raises ArchitectureError."""
        word = text.strip()
        if re.fullmatch(r"[0-4](,[0-4])*", word):
            return word.replace(",", "")
        match = re.fullmatch(pattern, word)
        if not match or match[1] != str(self.settings.width):
            raise ArchitectureError(
                f"{text!r} is no architecture of {self.name!r} with width {self.settings.width}; "
                f"one looks like {self.notation(self.example)}."
            )
        return match[2].replace("_", "")

    example: Choices


class TransNasMicroSpace(TransNasSpace):
    """A cell of 4 nodes with an operation on each of its 6 edges, ten times; three of five modules halve the map."""

    name = "transnas_micro"
    example = (1, 0, 2, 3, 3, 3)

    def __init__(self, settings: TransNasSettings | None = None) -> None:
        decisions = tuple(Decision(f"{source}>{target}", OPERATIONS) for source, target in EDGES)
        super().__init__(settings or TransNasSettings(), decisions)

    def canonical(self, choices: Choices) -> Choices:
        """Edges that cannot reach the output are `none`. 2,980 are left."""
        live = live_edges(self.operations(choices))
        return tuple(choice if alive else 0 for choice, alive in zip(choices, live, strict=True))

    def notation(self, choices: Choices) -> str:
        """The published string: stem channels, modules, edges into nodes 1, 2, 3, e.g. "64-41414-1_02_333"."""
        digits = "".join(map(str, choices))
        return f"{self.settings.width}-{MICRO_SKELETON}-{digits[0]}_{digits[1:3]}_{digits[3:]}"

    def parse(self, text: str) -> Choices:
        digits = self._digits(text, rf"(\d+)-{MICRO_SKELETON}-([0-3]_[0-3]{{2}}_[0-3]{{3}})")
        choices = tuple(map(int, digits))
        self.check(choices)
        return choices

    def modules(self, choices: Choices) -> str:
        return MICRO_SKELETON

    def operations(self, choices: Choices) -> tuple[str, ...]:
        return tuple(OPERATIONS[choice] for choice in choices)


class TransNasMacroSpace(TransNasSpace):
    """Four to six modules of residual blocks."""

    name = "transnas_macro"
    rules = "4 to 6 modules, of which 1 to 3 double the channels and 1 to 4 halve the map."
    example = (0, 0, 0, 0, 0, 3)

    def __init__(self, settings: TransNasSettings | None = None) -> None:
        options = [MODULES] * 4 + [(*MODULES, END)] * 2
        decisions = tuple(Decision(f"module {place + 1}", names) for place, names in enumerate(options))
        super().__init__(settings or TransNasSettings(), decisions)

    def legal(self, choices: Choices) -> bool:
        modules = self.modules(choices)
        doubles, halves = (sum(map(modules.count, kinds)) for kinds in ("24", "34"))
        ends_once = choices[5] == len(MODULES) or choices[4] != len(MODULES)
        return ends_once and 1 <= doubles <= 3 and 1 <= halves <= 4

    def notation(self, choices: Choices) -> str:
        """The published string: stem channels, modules, "basic", e.g. "64-111114-basic"."""
        digits = "".join("12340"[choice] for choice in choices).rstrip("0")
        return f"{self.settings.width}-{digits}-basic"

    def parse(self, text: str) -> Choices:
        digits = self._digits(text, r"(\d+)-([1-4]{4,6})-basic")
        choices = tuple(int(digit) - 1 for digit in digits) + (len(MODULES),) * (6 - len(digits))
        self.check(choices)
        return choices

    def modules(self, choices: Choices) -> str:
        return "".join(str(choice + 1) for choice in choices if choice < len(MODULES))
