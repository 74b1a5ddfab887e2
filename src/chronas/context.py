"""What all stages of one run work with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import nn

import chronas
from chronas.architecture import Architecture
from chronas.budget import RunClock
from chronas.data.images import ImageData
from chronas.deploy.bundle import Bundle
from chronas.driver import Listener
from chronas.execution.interrupt import StopFlag
from chronas.parts import make_recipe, make_spec_space
from chronas.runs.folder import RunFolder
from chronas.spaces import Space
from chronas.spec import RunSpec
from chronas.training.hardware import Hardware
from chronas.training.recipes import Recipe


@dataclass(frozen=True)
class Context:
    """One run at work: its folder (locked by this process), spec, data on the device, clock, and who listens."""

    folder: RunFolder
    spec: RunSpec
    data: ImageData
    clock: RunClock
    stop: StopFlag
    listeners: Sequence[Listener]
    hardware: Hardware
    space: Space
    recipe: Recipe

    @classmethod
    def make(
        cls, folder: RunFolder, spec: RunSpec, data: ImageData, *, clock: RunClock, stop: StopFlag,
        listeners: Sequence[Listener],
    ) -> Context:  # fmt: skip
        """Make what the spec names and bring the data to the device. Raises UsageError, EnvironmentFault."""
        hardware = Hardware.find(spec.device, spec.precision)  # type: ignore[arg-type]
        space, recipe = make_spec_space(spec, data.task), make_recipe(spec)
        return cls(folder, spec, placed(data, hardware), clock, stop, listeners, hardware, space, recipe)

    def bundle(
        self, net: nn.Module, architecture: Architecture, metrics: Mapping[str, float], *, finished: bool = True
    ) -> Bundle:
        """`net`, trained on the images of this run, with what using it needs."""
        data, words = self.data, self.spec.data
        return Bundle(net, architecture, data.task, data.classes, data.mean, data.std, words.size, metrics,
                      chronas.__version__, words.fit, data.range, finished)  # fmt: skip

    def record(self, record: dict[str, Any]) -> None:
        """Journal `record` with the time and tell the listeners."""
        written = self.folder.journal.append({**record, "t": round(self.clock(), 4)})
        for listener in self.listeners:
            listener(written)


def placed(data: ImageData, hardware: Hardware) -> ImageData:
    """`data` on the device, or where it is, with a note, if it would take more than half of a GPU's free memory."""
    if hardware.kind == "cuda" and data.bytes > torch.cuda.mem_get_info(hardware.device)[0] // 2:
        stay = "The images stay in the main memory, because they would fill the GPU's; batches are moved one by one."
        return replace(data, notes=(*data.notes, stay))
    return data.to(hardware.device)
