"""Leaving a network exactly as it was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn


@contextmanager
def untouched(net: nn.Module) -> Iterator[None]:
    """A block in which a proxy may do with `net` what it wants.

    Inside: train mode with dropout off (its noise would only blur a score), every parameter wants a gradient and
    has none yet. Afterwards weights, buffers, gradients, modes, hooks and attributes are those from before, also
    after an error; each tensor is still the same object in the same memory.
    """
    modules = [_Attributes.of(module) for module in net.modules()]
    tensors = [_Contents.of(tensor) for tensor in _tensors(net)]
    try:
        net.train()
        for module in net.modules():
            if isinstance(module, nn.modules.dropout._DropoutNd):
                module.training = False
        for kept in tensors:
            if kept.parameter and kept.tensor.is_floating_point():
                kept.tensor.requires_grad_(True)
                kept.tensor.grad = None
        yield
    finally:
        for attributes in modules:
            attributes.restore()
        with torch.no_grad():
            for kept in tensors:
                kept.restore()


def _tensors(net: nn.Module) -> Iterator[tuple[Tensor, bool]]:
    return chain(((p, True) for p in net.parameters()), ((b, False) for b in net.buffers()))


@dataclass(frozen=True)
class _Attributes:
    """What hangs on one module: its `__dict__`, and one level below it (parameters, buffers, children, hooks)."""

    module: nn.Module
    values: dict[str, Any]
    inner: dict[str, dict[Any, Any]]

    @classmethod
    def of(cls, module: nn.Module) -> _Attributes:
        values = dict(vars(module))
        return cls(module, values, {key: dict(v) if v else v for key, v in values.items() if isinstance(v, dict)})

    def restore(self) -> None:
        now = vars(self.module)
        if not _same(now, self.values):
            now.clear()
            now.update(self.values)
        for key, before in self.inner.items():
            held = self.values[key]
            # An empty dict is remembered as itself: whatever it holds now was added since.
            if before is held:
                held.clear()
            elif not _same(held, before):
                held.clear()
                held.update(before)


def _same(first: dict[Any, Any], second: dict[Any, Any]) -> bool:
    return first.keys() == second.keys() and all(first[key] is second[key] for key in second)


@dataclass(frozen=True)
class _Contents:
    """One parameter or buffer: where its numbers lie, and a copy of them."""

    tensor: Tensor
    parameter: bool
    place: Tensor
    copy: Tensor
    wants_grad: bool
    grad: Tensor | None

    @classmethod
    def of(cls, which: tuple[Tensor, bool]) -> _Contents:
        tensor, parameter = which
        # `.data` and not `.detach()`: writing through it must not count as a change for a graph held outside.
        place = tensor.data
        return cls(tensor, parameter, place, place.clone(), tensor.requires_grad, tensor.grad if parameter else None)

    def restore(self) -> None:
        if self.parameter:
            self.tensor.grad = None
            self.tensor.requires_grad_(self.wants_grad)
        if self.tensor.data_ptr() != self.place.data_ptr() or self.tensor.dtype != self.place.dtype:
            self.tensor.data = self.place
        self.place.copy_(self.copy)
        if self.parameter:
            self.tensor.grad = self.grad
