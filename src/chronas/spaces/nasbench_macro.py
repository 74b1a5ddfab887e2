"""NAS-Bench-Macro (Su et al. 2021): 3^8 = 6,561 chains of eight layers."""

from __future__ import annotations

from dataclasses import dataclass

from chronas.errors import ArchitectureError, UsageError
from chronas.spaces.base import Decision, Space
from chronas.spaces.superkernel import LARGEST_MAP
from chronas.task import Task
from chronas.work import Choices

OPTIONS = ("identity", "MB3_K3", "MB6_K5")
"""MB3_K3: inverted residual block of kernel 3 and expansion 3; MB6_K5: kernel 5 and expansion 6."""
STAGES = (2, 3, 3)


@dataclass(frozen=True)
class NasBenchMacroSettings:
    """width: channels of the stem; each of the three stages doubles them (published: 32)."""

    width: int = 32

    def __post_init__(self) -> None:
        if not 1 <= self.width <= 1024:
            raise UsageError(f"space.width must lie between 1 and 1024, but got {self.width}.")


@dataclass(frozen=True)
class MacroLayer:
    """One layer: from `channels_in` x height x width to `channels_out` channels with `stride`."""

    option: str
    channels_in: int
    channels_out: int
    stride: int
    height: int
    width: int


class NasBenchMacroSpace(Space):
    """Eight layers in stages of 2, 3 and 3; the first of a stage halves the map and doubles the channels."""

    name = "nasbench_macro"
    Settings = NasBenchMacroSettings

    def __init__(self, settings: NasBenchMacroSettings | None = None) -> None:
        decisions = tuple(Decision(f"layer {i + 1}", OPTIONS) for i in range(sum(STAGES)))
        super().__init__(settings or NasBenchMacroSettings(), decisions)

    def canonical(self, choices: Choices) -> Choices:
        """Identities of stride 1 do nothing wherever they stand: they go to the end of their stage. 3,969 are left."""
        ordered: list[int] = []
        for layers in STAGES:
            first, *rest = choices[len(ordered) : len(ordered) + layers]
            ordered += [first, *sorted(rest, key=lambda option: option == 0)]
        return tuple(ordered)

    def notation(self, choices: Choices) -> str:
        """Eight digits as in the published table, e.g. "22212202", its best."""
        return "".join(map(str, choices))

    def parse(self, text: str) -> Choices:
        word = text.strip()
        if len(word) != sum(STAGES) or not set(word) <= set("012"):
            raise ArchitectureError(f"An architecture of {self.name!r} is 8 digits 0, 1 or 2, but got {text!r}.")
        return tuple(int(digit) for digit in word)

    def halvings(self, task: Task) -> int:
        """How often the stem halves the image: published images of 32 pixels never."""
        side, count = max(task.height, task.width), 0
        while side > LARGEST_MAP:
            side, count = -(-side // 2), count + 1
        return count

    def layout(self, choices: Choices, task: Task) -> list[MacroLayer]:
        """Channels and resolutions of the eight layers."""
        height, width, channels = task.height, task.width, self.settings.width
        for _ in range(self.halvings(task)):
            height, width = -(-height // 2), -(-width // 2)
        layers = []
        for place, choice in enumerate(choices):
            stride = 2 if place in (0, STAGES[0], STAGES[0] + STAGES[1]) else 1
            layers.append(MacroLayer(OPTIONS[choice], channels, channels * stride, stride, height, width))
            height, width, channels = -(-height // stride), -(-width // stride), channels * stride
        return layers
