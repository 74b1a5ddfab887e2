"""Leaving a network exactly as it was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
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
    # Networks have hundreds of modules and tensors: only what differs is set, and copies go back in one call.
    modules = list(net.modules())
    attributes = [_Attributes.of(module) for module in modules]
    tensors = [_Contents.of(tensor, parameter) for tensor, parameter in _tensors(modules)]
    copies = [kept.place.clone() for kept in tensors]
    try:
        _make_ready(modules)
        yield
    finally:
        for held in attributes:
            held.restore()
        with torch.no_grad():
            for kept in tensors:
                kept.reclaim()
            if tensors:
                torch._foreach_copy_([kept.place for kept in tensors], copies)
        for kept in tensors:
            if kept.parameter and kept.tensor.grad is not kept.grad:
                kept.tensor.grad = kept.grad


@contextmanager
def spent(net: nn.Module) -> Iterator[None]:
    """The same block for a network that nobody needs afterwards: nothing is copied and nothing put back."""
    _make_ready(list(net.modules()))
    yield


def _make_ready(modules: Sequence[nn.Module]) -> None:
    """Train mode with dropout off, and every parameter wants a gradient and has none yet."""
    if not all(module.training for module in modules):
        modules[0].train()
    for module in modules:
        if isinstance(module, nn.modules.dropout._DropoutNd):
            module.training = False
        for parameter in module._parameters.values():
            if parameter is not None and parameter.is_floating_point():
                if not parameter.requires_grad:
                    parameter.requires_grad_(True)
                if parameter.grad is not None:
                    parameter.grad = None


def _tensors(modules: Sequence[nn.Module]) -> Iterator[tuple[Tensor, bool]]:
    """Each parameter and buffer once, and whether it is a parameter."""
    found: dict[int, tuple[Tensor, bool]] = {}
    for module in modules:
        for parameter, held in ((True, module._parameters), (False, module._buffers)):
            for tensor in held.values():
                if tensor is not None:
                    found.setdefault(id(tensor), (tensor, parameter))
    return iter(found.values())


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
    """One parameter or buffer: where its numbers lie, and what it has to do with gradients."""

    tensor: Tensor
    parameter: bool
    place: Tensor
    wants_grad: bool
    grad: Tensor | None

    @classmethod
    def of(cls, tensor: Tensor, parameter: bool) -> _Contents:
        # `.data` and not `.detach()`: writing through it must not count as a change for a graph held outside.
        return cls(tensor, parameter, tensor.data, tensor.requires_grad, tensor.grad if parameter else None)

    def reclaim(self) -> None:
        """The tensor lies where it lay."""
        if self.parameter:
            if self.tensor.grad is not None:
                self.tensor.grad = None
            if self.tensor.requires_grad != self.wants_grad:
                self.tensor.requires_grad_(self.wants_grad)
        if self.tensor.data_ptr() != self.place.data_ptr() or self.tensor.dtype != self.place.dtype:
            self.tensor.data = self.place
