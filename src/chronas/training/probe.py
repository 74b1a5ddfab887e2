"""Measuring what a training step of an architecture costs on this machine."""

from __future__ import annotations

import time

import torch
import torch.nn.functional as F

from chronas import nets
from chronas.architecture import Architecture
from chronas.seeding import torch_scope
from chronas.task import Task
from chronas.training.hardware import Hardware

SLOW_SECONDS = 1.0


def step_seconds(architecture: Architecture, task: Task, hardware: Hardware, batch: int, *, repeats: int = 2) -> float:
    """Seconds of one forward and backward pass with `batch` images: the fastest of `repeats`, after a warm-up.

    Where the first pass is slow already, it has to do: measuring must not eat the budget.
    """
    with torch_scope(0, "probe"):
        net = hardware.place(nets.build(architecture, task))
    images = torch.zeros(batch, task.channels, task.height, task.width, device=hardware.device)
    images = images.contiguous(memory_format=torch.channels_last)
    labels = torch.zeros(batch, dtype=torch.int64, device=hardware.device)
    best = float("inf")
    for _ in range(repeats + 1):
        began = time.monotonic()
        with hardware.autocast():
            loss = F.cross_entropy(net(images), labels)
        loss.backward()  # type: ignore[no-untyped-call]
        if hardware.kind == "cuda":
            torch.cuda.synchronize()
        took = time.monotonic() - began
        best = min(best, took)
        net.zero_grad(set_to_none=True)
        if took > SLOW_SECONDS:
            break
    return best
