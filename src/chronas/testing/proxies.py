"""The contract of a proxy: a finite number or a typed error, the same each time, and no trace of it."""

from __future__ import annotations

import math
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from chronas import nets
from chronas.architecture import Architecture
from chronas.errors import ProxyError
from chronas.proxies import PROXIES
from chronas.proxies.base import ProxyBatch, score
from chronas.seeding import stream, torch_scope, torch_stream
from chronas.spaces import Space
from chronas.spaces.moves import sample
from chronas.task import Task
from chronas.testing.asserts import require, require_error

TASKS = (Task(3, 12, 12, 10), Task(1, 8, 8, 2), Task(3, 9, 14, 100))


class SmallNet(nn.Module):
    """Residual, with batch norm, ReLU modules, dropout and, where asked for, a second output."""

    def __init__(self, task: Task, *, relu: bool = True, auxiliary: bool = False) -> None:
        super().__init__()
        active = nn.ReLU if relu else nn.Identity
        self.stem = nn.Sequential(nn.Conv2d(task.channels, 6, 3, padding=1, bias=False), nn.BatchNorm2d(6), active())
        self.body = nn.Sequential(nn.Conv2d(6, 6, 3, padding=1), nn.BatchNorm2d(6), active())
        self.down = nn.Sequential(nn.Conv2d(6, 8, 2, stride=2, bias=False), nn.BatchNorm2d(8), active())
        self.drop = nn.Dropout(0.5)
        self.head = nn.Linear(8, task.classes)
        self.auxiliary = nn.Linear(6, task.classes) if auxiliary else None

    def forward(self, x: Tensor) -> Any:
        first = self.stem(x)
        middle = first + self.body(first)
        logits = self.head(self.drop(self.down(middle).mean((2, 3))))
        return logits if self.auxiliary is None else (logits, self.auxiliary(middle.mean((2, 3))))


def make_batch(task: Task, size: int = 8, *, seed: int = 0) -> ProxyBatch:
    """`size` images of noise with labels that go through the classes."""
    shape = (size, task.channels, task.height, task.width)
    images = torch.randn(shape, generator=torch_stream(seed, "testing", "proxy"))
    return ProxyBatch(images, torch.arange(size) % task.classes, task.classes)


def check_proxy(name: str) -> None:
    """Raise AssertionError where the proxy registered as `name` breaks a rule.

    A finite score for grey and RGB images, 2 to 100 classes, batches of 2 and more; the same one each time, whatever
    mode the network is in; the network and all global random state as before; an auxiliary head changes nothing
    but sizes; a network of NaN, and one without ReLUs, give ProxyError where the registration says so.
    """
    for task in TASKS:
        for size in (2, 5, 8):
            net, batch = _small(task), make_batch(task, size)
            value = score(name, net, batch)
            require(type(value) is float and math.isfinite(value), f"{name} gives {value!r} on {task}.")
            require(value == score(name, _small(task), batch), f"{name} gives two scores to one network on {task}.")
    _check_trace(name)
    _check_modes(name)
    _check_labels(name)
    _check_auxiliary(name)
    _check_odd(name)


def check_proxy_on(name: str, space: Space, task: Task = TASKS[0], *, tries: int = 4, seed: int = 0) -> None:
    """Raise AssertionError where the proxy has no finite score for any of `tries` networks of `space`, or changes one.

    ProxyError is allowed for some of them: a space may hold networks that do not look at their input.
    """
    batch = make_batch(task, 4)
    for index in range(tries):
        choices = sample(space, stream(seed, "testing", "proxy", space.name, index))
        with torch_scope(seed, "testing", "proxy", index):
            net = nets.build(Architecture(space, choices), task)
        before = _trace(net)
        try:
            value = score(name, net, batch)
        except ProxyError:
            continue
        finally:
            require(_same(before, _trace(net)), f"{name} changed a network of {space.name!r}, {choices}.")
        require(math.isfinite(value), f"{name} gives {value!r} to {choices} of {space.name!r}.")
        return
    raise AssertionError(f"{name} has no score for any of {tries} networks of {space.name!r}.")


def _small(task: Task, *, relu: bool = True, auxiliary: bool = False) -> SmallNet:
    with torch_scope(0, "testing", "proxy"):
        return SmallNet(task, relu=relu, auxiliary=auxiliary)


def _used(task: Task) -> SmallNet:
    """A network in the middle of something: mixed modes, gradients, a frozen weight, hooks."""
    net = _small(task).eval()
    net.body.train()
    net.stem[0].weight.requires_grad_(False)
    net.head.weight.grad = torch.ones_like(net.head.weight)
    net.down.register_forward_hook(lambda module, inputs, output: None)
    return net


def _check_trace(name: str) -> None:
    task = TASKS[0]
    net, batch = _used(task), make_batch(task)
    copies = ProxyBatch(batch.images.clone(), batch.labels.clone(), batch.classes)
    held = net(batch.images).sum()
    before, random_before = _trace(net), _global_random()
    score(name, net, batch)
    require(_same(before, _trace(net)), f"{name} changed the network.")
    require(_global_random() == random_before, f"{name} used global random state.")
    require(torch.equal(batch.images, copies.images), f"{name} changed the images.")
    require(torch.equal(batch.labels, copies.labels), f"{name} changed the labels.")
    require(not batch.images.requires_grad and batch.images.grad is None, f"{name} left a gradient at the images.")
    # A graph built before must still be usable: no weight in it counts as changed.
    held.backward()


def _check_modes(name: str) -> None:
    task = TASKS[0]
    batch = make_batch(task)
    expected = score(name, _small(task), batch)
    require(score(name, _used(task), batch) == expected, f"{name} depends on the mode the network is in.")
    with torch.no_grad():
        require(score(name, _small(task), batch) == expected, f"{name} differs under no_grad.")
    with torch.inference_mode():
        inside = make_batch(task)
    require(score(name, _small(task), inside) == expected, f"{name} differs for images of inference mode.")


def _check_labels(name: str) -> None:
    task = TASKS[0]
    # So many images that not every pattern of a unit can occur.
    batch, net = make_batch(task, 24), _small(task)
    other = ProxyBatch(batch.images, batch.labels.flip(0).roll(1), batch.classes)
    noise = make_batch(task, 24, seed=1)
    needs = PROXIES.entry(name).needs
    for what, changed in (("labels", other), ("images", noise)):
        same = score(name, net, changed) == score(name, net, batch)
        verb = "does not depend" if same else "depends"
        require(same != (what in needs), f"{name} {verb} on {what}, but its registration needs {sorted(needs)}.")


def _check_auxiliary(name: str) -> None:
    task = TASKS[0]
    batch = make_batch(task)
    both, plain = _small(task, auxiliary=True), _small(task)
    plain.load_state_dict(both.state_dict(), strict=False)
    value = score(name, both, batch)
    require(math.isfinite(value), f"{name} gives {value!r} to a network with an auxiliary head.")
    if "weights" in PROXIES.entry(name).needs:
        require(
            math.isclose(value, score(name, plain, batch), rel_tol=1e-6),
            f"An auxiliary head changes the score of {name}.",
        )


def _check_odd(name: str) -> None:
    task = TASKS[0]
    needs, batch = PROXIES.entry(name).needs, make_batch(task)
    linear = _small(task, relu=False)
    if "relu" in needs:
        require_error(ProxyError, lambda: score(name, linear, batch), f"{name} on a network without ReLU")
    else:
        require(math.isfinite(score(name, linear, batch)), f"{name} is not finite without ReLU.")
    broken = _small(task)
    with torch.no_grad():
        for parameter in broken.parameters():
            parameter.fill_(math.nan)
    before = _trace(broken)
    if "weights" in needs:
        require_error(ProxyError, lambda: score(name, broken, batch), f"{name} on weights of NaN")
    require(_same(before, _trace(broken)), f"{name} changed a network that it could not score.")


def _trace(net: nn.Module) -> list[tuple[str, Any]]:
    """All that one can see of a network, with copies of the numbers."""
    return list(_traces(net))


def _traces(net: nn.Module) -> Iterator[tuple[str, Any]]:
    for name, module in net.named_modules():
        yield f"{name} mode", module.training
        for key, value in vars(module).items():
            yield f"{name}.{key}", (id(value), tuple(map(id, value.values())) if isinstance(value, dict) else None)
    for name, tensor in [*net.named_parameters(), *net.named_buffers()]:
        grad = tensor.grad if tensor.is_leaf else None
        yield (
            f"{name} place",
            (tensor.data_ptr(), tensor.stride(), tensor.requires_grad, id(grad) if grad is not None else 0),
        )
        yield f"{name} numbers", tensor.detach().clone()
        yield f"{name} gradient", None if grad is None else grad.clone()


def _same(first: list[tuple[str, Any]], second: list[tuple[str, Any]]) -> bool:
    return len(first) == len(second) and all(
        a[0] == b[0] and (_equal(a[1], b[1]) if isinstance(a[1], Tensor) else a[1] == b[1])
        for a, b in zip(first, second, strict=True)
    )


def _equal(first: Any, second: Any) -> bool:
    return isinstance(second, Tensor) and torch.allclose(first, second, rtol=0, atol=0, equal_nan=True)


def _global_random() -> tuple[Any, ...]:
    numpy_state = np.random.get_state(legacy=False)  # noqa: NPY002 - looked at, to see that no proxy draws from it
    return random.getstate(), repr(numpy_state), torch.get_rng_state().tolist()
