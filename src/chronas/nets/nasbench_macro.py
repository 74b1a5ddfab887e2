"""Networks of NAS-Bench-Macro: chains of inverted residual blocks (MobileNetV2)."""

from __future__ import annotations

from torch import Tensor, nn

from chronas.nets.cell_ops import Depthwise
from chronas.nets.ops import Cost, Head, Stem
from chronas.spaces.nasbench_macro import MacroLayer, NasBenchMacroSpace
from chronas.task import Task
from chronas.work import Choices

KERNEL_EXPANSION = {"MB3_K3": (3, 3), "MB6_K5": (5, 6)}
FEATURES = 1280
"""Channels of the last 1x1 convolution, as published."""


class InvertedResidual(nn.Module):
    """1x1 convolution to the hidden width, depthwise convolution, 1x1 convolution; x is added where shapes allow."""

    def __init__(self, layer: MacroLayer) -> None:
        super().__init__()
        kernel, expansion = KERNEL_EXPANSION[layer.option]
        hidden = expansion * layer.channels_in
        self.body = nn.Sequential(
            *(nn.Conv2d(layer.channels_in, hidden, 1, bias=False), nn.BatchNorm2d(hidden), nn.ReLU()),
            *(Depthwise(hidden, kernel, layer.stride, 1), nn.BatchNorm2d(hidden), nn.ReLU()),
            *(nn.Conv2d(hidden, layer.channels_out, 1, bias=False), nn.BatchNorm2d(layer.channels_out)),
        )
        self.residual = layer.stride == 1 and layer.channels_in == layer.channels_out

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.body(x)
        return x + out if self.residual else out


def build_layer(layer: MacroLayer) -> nn.Module:
    """The module of a layer; an identity that changes the shape is a 1x1 convolution with batch norm."""
    if layer.option != "identity":
        return InvertedResidual(layer)
    if layer.stride == 1:
        return nn.Identity()
    conv = nn.Conv2d(layer.channels_in, layer.channels_out, 1, layer.stride, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(layer.channels_out))


def layer_cost(layer: MacroLayer) -> Cost:
    """Cost of `build_layer(layer)`."""
    pixels = -(-layer.height // layer.stride) * -(-layer.width // layer.stride)
    if layer.option == "identity":
        weights = layer.channels_in * layer.channels_out if layer.stride == 2 else 0
        return Cost(weights + 2 * layer.channels_out, weights * pixels) if weights else Cost()
    kernel, expansion = KERNEL_EXPANSION[layer.option]
    hidden = expansion * layer.channels_in
    first, rest = layer.channels_in * hidden, kernel**2 * hidden + hidden * layer.channels_out
    norms = 2 * (2 * hidden + layer.channels_out)
    return Cost(first + rest + norms, first * layer.height * layer.width + rest * pixels)


class NasBenchMacroNet(nn.Module):
    """Stem, eight layers, 1x1 convolution, head: images (b, c, h, w) to logits (b, classes)."""

    def __init__(self, space: NasBenchMacroSpace, choices: Choices, task: Task) -> None:
        super().__init__()
        layers = space.layout(choices, task)
        self.stem = Stem(task.channels, space.settings.width, space.halvings(task))
        self.layers = nn.Sequential(*(build_layer(layer) for layer in layers))
        conv = nn.Conv2d(layers[-1].channels_out, FEATURES, 1, bias=False)
        self.features = nn.Sequential(conv, nn.BatchNorm2d(FEATURES), nn.ReLU())
        self.head = Head(FEATURES, task.classes)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.head(self.features(self.layers(self.stem(x))))
        return out


def cost(space: NasBenchMacroSpace, choices: Choices, task: Task) -> Cost:
    """Parameters and multiply-adds of `NasBenchMacroNet`, counted without building it."""
    layers = space.layout(choices, task)
    total = Stem.cost(task.channels, space.settings.width, space.halvings(task), task.height, task.width)
    for layer in layers:
        total += layer_cost(layer)
    weights, last = layers[-1].channels_out * FEATURES, layers[-1]
    total += Cost(weights + 2 * FEATURES, weights * last.height * last.width)
    return total + Head.cost(FEATURES, task.classes)
