"""An architecture as text: a table of what each part costs, and a picture. Needs no weights."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from chronas.architecture import Architecture
from chronas.nets import build
from chronas.nets.ops import Cost
from chronas.seeding import torch_scope
from chronas.spaces.kernels import Kernel
from chronas.spaces.superkernel import SuperkernelSpace
from chronas.task import Task

HEADER = ("part", "operation", "output", "parameters", "multiply-adds")
_WORDS = {"conv": "convolution", "sep": "separable convolution", "max": "max pool", "avg": "average pool"}
_CELLS = {"conv": "■", "sep": "□", "max": "▲", "avg": "○"}
_REDUCTION = "2x2 max pool beside conv 2x2 stride 2"
_LISTS = (nn.ModuleList, nn.ModuleDict, nn.Sequential)


@dataclass(frozen=True)
class Row:
    """One part of a network: output is (channels, height, width) or (features,); costs for one image."""

    name: str
    operation: str
    output: tuple[int, ...]
    params: int
    madds: int


def rows(architecture: Architecture, task: Task) -> list[Row]:
    """The parts of the network in the order in which they run; their costs sum to `chronas.nets.cost`."""
    with torch_scope(0, "show"), torch.device("meta"):
        net = build(architecture, task).eval()
        watch = _Watch(net)
        with torch.no_grad():
            net(torch.zeros(1, task.channels, task.height, task.width))
    titles = _titles(architecture)
    found = []
    for path, unit in watch.units:
        name, operation = titles.get(path, ("", ""))
        found.append(
            Row(
                name or _numbered(path),
                operation or _operation(unit),
                watch.output(unit),
                sum(value.numel() for value in unit.parameters()),
                sum(watch.madds.get(module, 0) for module in unit.modules()),
            )
        )
    return [row for _, row in sorted(zip(watch.order(), found, strict=True), key=lambda pair: pair[0])]


def describe(architecture: Architecture, task: Task) -> list[tuple[str, ...]]:
    """`rows` as text under `HEADER` (not included), with a last row of totals."""
    parts = rows(architecture, task)
    total = sum((Cost(row.params, row.madds) for row in parts), Cost())
    lines = [
        (row.name, row.operation, "x".join(map(str, row.output)), f"{row.params:,}", f"{row.madds:,}") for row in parts
    ]
    return [*lines, ("total", "", "", f"{total.params:,}", f"{total.madds:,}")]


class _Watch:
    """Hooks on a network: what its parts put out, and the multiply-adds of its convolutions and linears."""

    def __init__(self, net: nn.Module) -> None:
        self.madds: dict[nn.Module, int] = {}
        self._outputs: dict[nn.Module, tuple[int, ...]] = {}
        self._first: dict[nn.Module, int] = {}
        top = net
        while len(children := list(top.named_children())) == 1:
            top = children[0][1]
        self.units = list(_units(top, ""))
        for module in net.modules():
            module.register_forward_hook(self._note)

    def _note(self, module: nn.Module, inputs: Any, output: Tensor) -> None:
        self._first.setdefault(module, len(self._first))
        self._outputs[module] = tuple(output.shape[1:])
        if isinstance(module, nn.Conv2d | nn.Linear):
            places = output.shape[2:].numel() if isinstance(module, nn.Conv2d) else 1
            self.madds[module] = self.madds.get(module, 0) + module.weight.numel() * places

    def output(self, unit: nn.Module) -> tuple[int, ...]:
        """What `unit` put out, or the last module in it where it was not called as a whole."""
        called = [module for module in unit.modules() if module in self._outputs]
        return self._outputs[unit if unit in self._outputs else called[-1]] if called else ()

    def order(self) -> list[int]:
        """The place of each unit in the order in which they ran."""
        never = len(self._first)
        return [min((self._first.get(m, never) for m in unit.modules()), default=never) for _, unit in self.units]


def _units(module: nn.Module, path: str) -> Iterator[tuple[str, nn.Module]]:
    """The parts that get a row: lists are opened, and sequences of anything but single layers."""
    for name, child in module.named_children():
        here = f"{path}.{name}" if path else name
        opens = isinstance(child, _LISTS) and (
            not isinstance(child, nn.Sequential) or any(True for part in child for _ in part.children())
        )
        if opens:
            yield from _units(child, here)
        else:
            yield here, child


def _numbered(path: str) -> str:
    """ "blocks.0" as "blocks 1": people count from one."""
    return " ".join(str(int(word) + 1) if word.isdigit() else word for word in path.split("."))


def _operation(unit: nn.Module) -> str:
    """The convolutions, pools and linear layers in `unit`, in words."""
    words = [word for module in unit.modules() if (word := _layer(module))]
    counted = [(word, words.count(word)) for word in dict.fromkeys(words)]
    return ", ".join(f"{count} of {word}" if count > 1 else word for word, count in counted)


def _layer(module: nn.Module) -> str:
    if isinstance(module, nn.Conv2d):
        size = "x".join(map(str, module.kernel_size))
        kind = "depthwise" if module.groups == module.in_channels > 1 else "conv"
        return f"{kind} {size}" + (f" stride {module.stride[0]}" if module.stride[0] > 1 else "")
    return "linear" if isinstance(module, nn.Linear) else ""


def _titles(architecture: Architecture) -> dict[str, tuple[str, str]]:
    """Better names and words than the modules' own, by path."""
    space = architecture.space
    if not isinstance(space, SuperkernelSpace):
        return {}
    titles = {}
    for depth, (decision, choice) in enumerate(zip(space.decisions, architecture.choices, strict=True)):
        kernel = space.kernels[choice]
        words = f"{kernel.height}x{kernel.width} {_WORDS[kernel.kind]}"
        titles[f"slots.{depth}"] = (decision.name, words)
        titles[f"reductions.{depth}"] = (
            f"reduction before {decision.name}",
            "2x2 max pool, conv 2x2 stride 2",
        )
    return titles


def draw_text(architecture: Architecture, width: int = 78) -> str:
    """A picture in characters, at most `width` columns where the largest kernel allows.

    Superkernel chains show each kernel as a grid of its size; other spaces show their options as a chain.
    """
    space = architecture.space
    if not isinstance(space, SuperkernelSpace):
        options = [f"[{name}: {option}]" for name, option in space.names(architecture.choices).items()]
        return "\n".join(" → ".join(line) for line in _wrap(["[image]", *options, "[classes]"], width))
    kernels = [space.kernels[choice] for choice in architecture.choices]
    names = list(space.names(architecture.choices).values())
    blocks = [_block(kernel, name) for kernel, name in zip(kernels, names, strict=True)]
    lines = [_beside(line) for line in _wrap_blocks(blocks, width)]
    kinds = [kind for kind in _WORDS if any(kernel.kind == kind for kernel in kernels)]
    legend = "   ".join(f"{_CELLS[kind]} {_WORDS[kind]}" for kind in kinds)
    return "\n\n".join([*lines, legend])


Block = tuple[str, ...]


def _block(kernel: Kernel, name: str) -> Block:
    """The grid of a kernel; the last line is its name."""
    wide = max(2 * kernel.width - 1, len(name))
    row = " ".join(_CELLS[kernel.kind] * kernel.width).center(wide)
    return (*[row] * kernel.height, name.center(wide))


def _wrap_blocks(blocks: list[Block], width: int) -> list[list[Block]]:
    lines: list[list[Block]] = [[]]
    for block in blocks:
        if lines[-1] and sum(len(b[0]) + 3 for b in lines[-1]) + len(block[0]) > width:
            lines.append([])
        lines[-1].append(block)
    return lines


def _wrap(words: list[str], width: int) -> list[list[str]]:
    return [[block[0] for block in line] for line in _wrap_blocks([(word,) for word in words], width)]


def _beside(blocks: list[Block]) -> str:
    """Blocks beside each other, centred vertically, with arrows between them."""
    height = max(len(block) for block in blocks) - 1
    padded = []
    for *grid, name in blocks:
        above = (height - len(grid)) // 2
        empty = " " * len(name)
        padded.append([*[empty] * above, *grid, *[empty] * (height - len(grid) - above), name])
    middle = (height - 1) // 2
    return "\n".join(
        (" → " if place == middle else "   ").join(block[place] for block in padded).rstrip()
        for place in range(height + 1)
    )
