"""The found network as stages of boxes: from a space that knows its stages, or else decision by decision."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol, runtime_checkable

from chronas.architecture import Architecture
from chronas.errors import ChronasError
from chronas.reports.reading import Json, RunFiles, items, number, section, text
from chronas.reports.view import Block, StageView
from chronas.spaces.kernels import Kernel
from chronas.spaces.resnet import ResNetPlan, ResNetSpace
from chronas.task import Task
from chronas.work import Choices

NOTES = {"conv": "dense", "sep": "separable", "max": "max-pool", "avg": "mean-pool"}


@runtime_checkable
class Layered(Protocol):
    """A space whose networks are chains of layers in stages of one resolution."""

    kernels: tuple[Kernel, ...]

    def stages(self, task: Task) -> Iterator[Any]:
        """Per stage: layers, channels, height, width."""

    def stem_halvings(self, task: Task) -> int:
        """How often the stem halves the image."""


def stages(files: RunFiles) -> tuple[StageView, ...]:
    """The network that was found, or that is the best so far; empty where there is none."""
    data = _architecture(files)
    if not data:
        return ()
    task = _task(files)
    try:
        architecture = Architecture.from_json(data)
    except ChronasError:
        return _generic(data)
    if isinstance(architecture.space, ResNetSpace) and task:
        return _blocked(architecture.space.layout(architecture.choices, task), task)
    if isinstance(architecture.space, Layered) and task:
        return _layered(architecture.space, architecture.choices, task, _layer_params(files))
    return _generic(data)


def kernel_side(drawn: Sequence[StageView]) -> int:
    """The largest kernel's side, so that all are drawn to one scale; 0 where there are no kernels."""
    return max((max(b.height, b.width) for stage in drawn for b in stage.blocks), default=0)


def _architecture(files: RunFiles) -> Json:
    """The architecture's JSON: the found network's, else put together from what the search tells."""
    for network in items(files.result.get("networks")):
        if section(network).get("name") == "found" and section(section(network).get("architecture")):
            return section(section(network).get("architecture"))
    search, inspect = section(files.result.get("search")), files.inspect
    choices = items(search.get("choices")) or items(files.best.get("choices")) or items(inspect.get("choices"))
    listed = [section(d) for d in items(inspect.get("decisions"))]
    if not choices or len(choices) != len(listed):
        return {}
    names = {}
    for decision, choice in zip(listed, choices, strict=True):
        options = items(decision.get("options"))
        if not isinstance(choice, int) or not 0 <= choice < len(options):
            return {}
        names[text(decision.get("name"))] = text(options[choice])
    settings = section(search.get("space_settings")) or section(inspect.get("settings"))
    return {"format": 1, "space": text(inspect.get("space")), "settings": settings, "choices": names}


def _task(files: RunFiles) -> Task | None:
    data = section(files.result.get("data"))
    shape = [int(side) for side in map(number, items(data.get("shape"))) if side]
    classes = items(data.get("classes"))
    if len(shape) != 3 or len(classes) < 2 or min(shape) < 1:
        return None
    return Task(shape[0], shape[1], shape[2], len(classes))


def _layered(space: Layered, choices: Choices, task: Task, params: Sequence[object]) -> tuple[StageView, ...]:
    listed = list(space.stages(task))
    if not listed:
        return ()
    size = f"{task.height}×{task.width} px, {task.channels} ch"
    drawn = [StageView(size, (Block("input", "image"), _stem(space.stem_halvings(task))))]
    kernels = [space.kernels[c] for c in choices]
    at = 0
    for number_of, stage in enumerate(listed):
        blocks = [_layer(kernels[at + i], at + i + 1, params) for i in range(stage.layers)]
        at += stage.layers
        if number_of + 1 < len(listed):
            blocks.append(Block("reduction", "reduce", "px ÷2, ch ×2"))
        drawn.append(StageView(f"{stage.height}×{stage.width} px, {stage.channels} ch", tuple(blocks)))
    return (*drawn, _head(task))


def _blocked(plan: ResNetPlan, task: Task) -> tuple[StageView, ...]:
    size = f"{task.height}×{task.width} px, {task.channels} ch"
    drawn = [StageView(size, (Block("input", "image"), _stem(plan.halvings)))]
    label = "2 · 3×3" if plan.kind == "basic" else "3×3"
    at = 0
    for stage in plan.stages:
        blocks = []
        for first in (True, *[False] * (stage.blocks - 1)):
            at += 1
            note = f"px ÷{stage.stride}" if first and stage.stride > 1 else "dense"
            blocks.append(Block("conv", label, note, 3, 3, at, unit="block"))
        drawn.append(StageView(f"{stage.height}×{stage.width} px, {stage.channels} ch", tuple(blocks)))
    return (*drawn, _head(task))


def _head(task: Task) -> StageView:
    return StageView(
        f"{task.classes} classes",
        (Block("head", "mean", "over pixels"), Block("output", f"{task.classes}", "class prob.")),
    )


def _stem(halvings: int) -> Block:
    return Block("stem", "stem", f"px ÷{2**halvings}" if halvings else "3×3 conv")


def _layer(kernel: Kernel, index: int, params: Sequence[object]) -> Block:
    label = f"{kernel.height}×{kernel.width}"
    known = number(params[index - 1]) if index <= len(params) else None
    return Block(kernel.kind, label, NOTES[kernel.kind], kernel.height, kernel.width, index, known)


def _layer_params(files: RunFiles) -> Sequence[object]:
    """Parameters of each layer of the found network, where the result names them."""
    listed = [section(n) for n in items(files.result.get("networks"))]
    return next((items(n.get("layer_params")) for n in listed if n.get("name") == "found"), ())


def _generic(data: Json) -> tuple[StageView, ...]:
    choices = data.get("choices")
    pairs = section(choices).items() if section(choices) else enumerate(items(choices), 1)
    blocks = tuple(Block("other", text(option), text(name)) for name, option in pairs)
    return (StageView(text(data.get("space")), blocks),) if blocks else ()
