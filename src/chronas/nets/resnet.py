"""Residual networks of the `resnet` space (He et al. 2016, CIFAR form with batch norm after every convolution)."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from chronas.nets.ops import Cost, Head, Stem
from chronas.spaces.resnet import ResNetSpace
from chronas.task import Task
from chronas.work import Choices


def _conv_bn(channels_in: int, channels_out: int, kernel: int, stride: int) -> nn.Sequential:
    conv = nn.Conv2d(channels_in, channels_out, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(channels_out))


class Block(nn.Module):
    """relu(shortcut(x) + body(x)): one or two 3x3 convolutions; a 1x1 shortcut where the shape changes."""

    def __init__(self, channels_in: int, channels_out: int, stride: int, convolutions: int) -> None:
        super().__init__()
        layers: list[nn.Module] = [_conv_bn(channels_in, channels_out, 3, stride)]
        for _ in range(convolutions - 1):
            layers += [nn.ReLU(), _conv_bn(channels_out, channels_out, 3, 1)]
        self.body = nn.Sequential(*layers)
        changes = channels_in != channels_out or stride != 1
        self.shortcut = _conv_bn(channels_in, channels_out, 1, stride) if changes else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.body(x) + self.shortcut(x))

    @staticmethod
    def cost(channels_in: int, channels_out: int, stride: int, convolutions: int, pixels: int) -> Cost:
        """Cost with `pixels` output positions."""
        weights = 9 * channels_in * channels_out + 9 * channels_out**2 * (convolutions - 1)
        norms = convolutions
        if channels_in != channels_out or stride != 1:
            weights, norms = weights + channels_in * channels_out, norms + 1
        return Cost(weights + 2 * channels_out * norms, weights * pixels)


class ResNet(nn.Module):
    """Stem, stages of residual blocks, head: images (b, c, h, w) to logits (b, classes)."""

    def __init__(self, space: ResNetSpace, choices: Choices, task: Task) -> None:
        super().__init__()
        plan = space.layout(choices, task)
        self.stem = Stem(task.channels, plan.channels, plan.halvings)
        blocks, channels = [], plan.channels
        for stage in plan.stages:
            for index in range(stage.blocks):
                blocks.append(Block(channels, stage.channels, stage.stride if index == 0 else 1, _depth(plan.kind)))
                channels = stage.channels
        self.blocks = nn.Sequential(*blocks)
        self.head = Head(channels, task.classes, space.settings.dropout)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.blocks(self.stem(x)))
        return out


def _depth(kind: str) -> int:
    return 2 if kind == "basic" else 1


def cost(space: ResNetSpace, choices: Choices, task: Task) -> Cost:
    """Parameters and multiply-adds of `ResNet`, counted without building it."""
    plan = space.layout(choices, task)
    total = Stem.cost(task.channels, plan.channels, plan.halvings, task.height, task.width)
    channels = plan.channels
    for stage in plan.stages:
        for index in range(stage.blocks):
            stride = stage.stride if index == 0 else 1
            total += Block.cost(channels, stage.channels, stride, _depth(plan.kind), stage.height * stage.width)
            channels = stage.channels
    return total + Head.cost(channels, task.classes)
