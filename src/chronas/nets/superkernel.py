"""Networks and supernets of the superkernel space: stem, residual layers, reductions, head.

A layer is x -> relu(x + op(x)); in a supernet x -> relu(x + sum_j w_j op_j(x)) over the options that the mix
names (NASIB eq. 1 with w = 1, eq. 2 with w = softmax of their alphas). Every option has its own weights and
its own batch norm, so a supernet with a one-hot mix *is* the built network.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch.nn.functional as F
from torch import Tensor, nn

from chronas.nets.mix import Mix, SlotMix
from chronas.nets.ops import Cost, FactorizedReduction, Head, Stem, build_op, op_cost
from chronas.spaces.superkernel import SuperkernelSpace
from chronas.task import Task
from chronas.work import Choices


class Slot(nn.Module):
    """One layer: holds the modules of some options and runs those that the mix names."""

    def __init__(self, ops: Sequence[nn.Module]) -> None:
        super().__init__()
        self.ops = nn.ModuleList(ops)

    def forward(self, x: Tensor, mix: SlotMix) -> Tensor:
        total = x
        for place, option in enumerate(mix.options):
            out = self.ops[option](x)
            total = total + (out if mix.weights is None else out * mix.weights[place])
        return F.relu(total)


class SuperkernelSupernet(nn.Module):
    """Every option of every layer, each with its own weights. `forward(x, mix)` runs those of the mix.

    x: (b, channels, h, w) images; returns (b, classes) logits.
    """

    def __init__(self, space: SuperkernelSpace, task: Task, candidates: Sequence[Sequence[int]] | None = None) -> None:
        super().__init__()
        everything = range(len(space.kernels))
        shared = candidates is None
        candidates = candidates or [everything] * len(space.decisions)
        stages = list(space.stages(task))
        self.stem = Stem(task.channels, space.settings.width, space.stem_halvings(task))
        slots: list[nn.Module] = []
        reductions: dict[str, nn.Module] = {}
        for stage in stages:
            if slots:
                reductions[str(len(slots))] = FactorizedReduction(stage.channels // 2)
            for _ in range(stage.layers):
                slots.append(Slot([build_op(space.kernels[i], stage.channels) for i in candidates[len(slots)]]))
        self.slots = nn.ModuleList(slots)
        self.reductions = nn.ModuleDict(reductions)
        self.head = Head(stages[-1].channels, task.classes, space.settings.dropout)
        if shared:
            self._use_batch_statistics()

    def _use_batch_statistics(self) -> None:
        """Running statistics of an option mix those of all paths it was met in, and judge no single one of them."""
        for module in self.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.track_running_stats = False
                module.running_mean = module.running_var = module.num_batches_tracked = None

    def forward(self, x: Tensor, mix: Mix) -> Tensor:
        x = self.stem(x)
        for depth, (slot, part) in enumerate(zip(self.slots, mix, strict=True)):
            if str(depth) in self.reductions:
                x = self.reductions[str(depth)](x)
            x = slot(x, part)
        out: Tensor = self.head(x)
        return out

    def option_modules(self, slot: int, option: int) -> nn.Module:
        """The module that holds the weights of one option."""
        return self.slots[slot].ops[option]  # type: ignore[index, return-value]


class SuperkernelNetwork(nn.Module):
    """One architecture of the space as a plain network."""

    def __init__(self, space: SuperkernelSpace, choices: Choices, task: Task) -> None:
        super().__init__()
        self.net = SuperkernelSupernet(space, task, [[choice] for choice in choices])
        self._mix: Mix = tuple(SlotMix((0,)) for _ in choices)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.net(x, self._mix)
        return out


def cost(space: SuperkernelSpace, choices: Choices, task: Task) -> Cost:
    """Parameters and multiply-adds of `SuperkernelNetwork`, counted without building it."""
    halvings = space.stem_halvings(task)
    total = Stem.cost(task.channels, space.settings.width, halvings, task.height, task.width)
    depth, previous = 0, None
    for stage in space.stages(task):
        if previous is not None:
            total += FactorizedReduction.cost(previous.channels, previous.height, previous.width)
        for _ in range(stage.layers):
            total += op_cost(space.kernels[choices[depth]], stage.channels, stage.height, stage.width)
            depth += 1
        previous = stage
    assert previous is not None
    return total + Head.cost(previous.channels, task.classes)
