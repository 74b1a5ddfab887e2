"""Trainers as Chronas builds them, made for taking the time of single steps."""

from __future__ import annotations

import itertools
import re
import resource
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch

from chronas import nets
from chronas.architecture import Architecture, make_space
from chronas.budget import Budget, Ledger
from chronas.data.images import ImageData
from chronas.data.load import load
from chronas.methods import METHODS
from chronas.methods.oneshot import OneShotMethod
from chronas.nets.mix import Mix, SlotMix
from chronas.seeding import stream, torch_scope
from chronas.spaces import Space
from chronas.training.hardware import Hardware
from chronas.training.network import Looks, NetworkTrainer, plan, seeded_network
from chronas.training.recipes import recipe
from chronas.training.supernet import Slice, SupernetSettings, SupernetTrainer
from chronas.work import Advance, Choices, Outcome, Work

PROGRESS = 0.3
"""Where in its budget a method believes to be: NASIB explores and exploits about equally often there."""

Kind = Literal["forced", "default", "plain"]


@dataclass(frozen=True)
class Variant:
    """What is timed.

    kind  forced: a supernet of size m whose every layer runs 3x3 and 2x3; default: NASIB as it is;
          plain: a one-path network, 3x3 in every layer
    """

    kind: Kind
    m: int
    width: int
    layers: int
    batch_size: int

    @property
    def title(self) -> str:
        """Words for tables."""
        if self.kind == "plain":
            return "one path, 3x3"
        return f"{'two equal kernels' if self.kind == 'forced' else 'NASIB'}, m = {self.m}"


class TwoKernels(OneShotMethod):
    """Runs the same two kernels, 3x3 and 2x3, in every layer of every step."""

    name = "two-kernels"
    Settings = type(None)

    def ask(self, count: int, progress: float) -> Sequence[Work]:
        return [Advance()]

    def tell(self, outcome: Outcome, progress: float) -> None:
        pass

    def best(self) -> Choices:
        return self.space.plain() or tuple(0 for _ in self.space.decisions)

    def weight_mix(self, progress: float) -> Mix:
        return tuple(SlotMix((d.options.index("3x3"), d.options.index("2x3"))) for d in self.space.decisions)


def random_images(count: int, side: int = 32, seed: int = 0) -> ImageData:
    """Noise in the form of CIFAR-10: the cost of a step does not depend on what the pixels show."""
    numbers = stream(seed, "benchmark", "images")
    images = numbers.integers(256, size=(count, side, side, 3), dtype=np.uint8)
    return load((images, np.arange(count) % 10), test_share=0)


def superkernel_space(settings: Mapping[str, Any]) -> Space:
    """The superkernel space with these settings."""
    return make_space("superkernel", settings)


def make_trainer(variant: Variant, data: ImageData, hardware: Hardware) -> SupernetTrainer | NetworkTrainer:
    """A trainer of the variant, as a run would build it."""
    space = superkernel_space({"layers": variant.layers, "width": variant.width, "m": variant.m})
    fast = recipe("fast", {"batch_size": variant.batch_size})
    if variant.kind == "plain":
        chosen = space.plain()
        assert chosen is not None
        net = seeded_network(lambda: nets.build(Architecture(space, chosen), data.task), 0, "benchmark")
        return NetworkTrainer(net, data, fast, hardware, 0, looks=Looks(times=0), slice_steps=10**9)
    method = TwoKernels(space, None, 0) if variant.kind == "forced" else _nasib(space)
    with torch_scope(0, "init", "benchmark"):
        net = nets.build_supernet(space, data.task)
    settings = replace(SupernetSettings(), batch_size=variant.batch_size)
    return SupernetTrainer(net, method, data, plan(data, fast), settings, hardware, 0)


def _nasib(space: Space) -> OneShotMethod:
    kind = METHODS.load("nasib")
    made = kind(space, kind.Settings(), 0)
    assert isinstance(made, OneShotMethod)
    return made


class StepClock:
    """Takes the time of every step of a trainer; goes on where it was when it is called again."""

    def __init__(self, trainer: SupernetTrainer | NetworkTrainer, hardware: Hardware) -> None:
        self.trainer, self.hardware = trainer, hardware
        # The budget is so large that progress stands still while steps are timed.
        self.ledger = Ledger(Budget(1e9, "epochs"))
        self.ledger.charge(epochs=PROGRESS * 1e9)
        self._readings: list[float] = []

    def times(self, steps: int) -> list[float]:
        """Seconds of `steps` consecutive steps, in their order."""
        self.wait()
        self._readings = [time.perf_counter()]
        if isinstance(self.trainer, NetworkTrainer):
            self.trainer.advance(self.ledger, self._after_step(steps))
        else:
            self.trainer.advance(self.ledger, Slice(), self._after_step(steps))
        readings = self._readings
        return [after - before for before, after in itertools.pairwise(readings)]

    def _after_step(self, steps: int) -> Any:
        def pause() -> bool:
            self.wait()
            self._readings.append(time.perf_counter())
            return len(self._readings) > steps

        return pause

    def wait(self) -> None:
        """Until the device has done all that was asked of it."""
        if self.hardware.kind == "cuda":
            torch.cuda.synchronize()


def peak_memory(kind: str) -> float:
    """Most memory used so far, in MiB: of the GPU's tensors for "cuda", else of this process.

    Not from getrusage: its maximum is inherited from the process that started this one.
    """
    if kind == "cuda":
        return torch.cuda.max_memory_allocated() / 2**20
    try:
        text = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        text = ""
    match = re.search(r"^VmHWM:\s+(\d+) kB", text, re.MULTILINE)
    return int(match[1]) / 1024 if match else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
