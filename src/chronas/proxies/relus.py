"""Seeing every rectified linear unit of a forward pass, and telling which of them the output depends on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

T = TypeVar("T")

FUNCTIONS = frozenset(
    {F.relu, F.relu_, F.relu6, F.leaky_relu, F.leaky_relu_, F.prelu, F.rrelu, F.rrelu_, torch.relu, torch.relu_,
     torch.prelu, torch.rrelu, torch.rrelu_, Tensor.relu, Tensor.relu_, Tensor.prelu}
)  # fmt: skip


@dataclass(frozen=True)
class Seen(Generic[T]):
    """One call of a ReLU: what `look` made of its input, and the node of its output in the autograd graph."""

    value: T
    node: Any


@contextmanager
def watch_relus(net: nn.Module, look: Callable[[Tensor], T]) -> Iterator[list[Seen[T]]]:
    """A block in which `look(pre_activation)` is called before each ReLU runs; yields the list of them, in order.

    A ReLU is a module without children whose class name contains "ReLU" (ReLU6, LeakyReLU, PReLU too), or a call
    of torch's functions of that kind outside of such a module.
    """
    watch = _Watch(look)
    handles = []
    for module in net.modules():
        if "ReLU" in type(module).__name__ and next(module.children(), None) is None:
            handles += [module.register_forward_pre_hook(watch.before), module.register_forward_hook(watch.after)]
    try:
        with watch:
            yield watch.seen
    finally:
        for handle in handles:
            handle.remove()


class _Watch(TorchFunctionMode, Generic[T]):
    def __init__(self, look: Callable[[Tensor], T]) -> None:
        super().__init__()
        self.look = look
        self.seen: list[Seen[T]] = []
        self._inside: list[T] = []

    def before(self, module: nn.Module, inputs: tuple[Any, ...]) -> None:
        self._inside.append(self._looked(inputs[0]))

    def after(self, module: nn.Module, inputs: tuple[Any, ...], output: Tensor) -> None:
        self.seen.append(Seen(self._inside.pop(), output.grad_fn))

    def _looked(self, pre_activation: Tensor) -> T:
        # What `look` calls is none of the network's business, and each call would come by __torch_function__.
        with torch.no_grad(), torch._C.DisableTorchFunction():
            return self.look(pre_activation)

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: Sequence[Any] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        kwargs = kwargs or {}
        if func not in FUNCTIONS or self._inside:
            return func(*args, **kwargs)
        value = self._looked(args[0] if args else kwargs["input"])
        output = func(*args, **kwargs)
        self.seen.append(Seen(value, output.grad_fn))
        return output


@contextmanager
def bare_graph() -> Iterator[None]:
    """A block whose autograd graph has nodes but no tensors: who depends on whom, at no cost in memory."""
    with torch.autograd.graph.saved_tensors_hooks(_drop, _drop):
        yield


def _drop(tensor: Any) -> Any:
    return None


def reached(output: Tensor, seen: Sequence[Seen[T]]) -> list[T]:
    """The values of those ReLUs that `output` depends on, by its graph; a dead branch has no path to it."""
    waiting: list[Any] = [output.grad_fn]
    # Holding the nodes keeps their identities apart.
    known: set[Any] = {None}
    while waiting:
        node = waiting.pop()
        if node not in known:
            known.add(node)
            waiting += [following for following, _ in node.next_functions]
    return [one.value for one in seen if one.node is not None and one.node in known]
