"""The contract of builders, cost counters and supernets."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from chronas import nets
from chronas.architecture import Architecture
from chronas.nets.mix import Mix, SlotMix, one_hot
from chronas.seeding import stream, torch_scope, torch_stream
from chronas.spaces import Space
from chronas.spaces.moves import sample
from chronas.task import Task
from chronas.testing.asserts import require
from chronas.work import Choices

TOLERANCE = 1e-6


def check_builder(space: Space, task: Task, *, count: int = 3, run: bool = True, seed: int = 0) -> None:
    """Raise AssertionError where networks of `space` break a rule.

    `count` random architectures go through `check_network`.
    """
    for index in range(count):
        check_network(space, sample(space, stream(seed, "testing", "builder", index)), task, run=run)


def check_network(space: Space, choices: Choices, task: Task, *, run: bool = True) -> None:
    """Raise AssertionError where the network of one architecture breaks a rule.

    Counted and built cost agree, logits have shape (b, classes), each parameter gets a gradient, one image is
    enough in eval mode. `run` False leaves out all computing (large images).

    A network may hold parts that its logits do not depend on, because a published count includes them. It then names
    them by `idle_parameters()`, which get no gradient, and runs them where its attribute `as_published` is True,
    with the same logits; the count of multiply-adds is that of this form.
    """
    _check_cost(space, choices, task)
    if run:
        _check_run(space, choices, task)


def _check_cost(space: Space, choices: Choices, task: Task) -> None:
    architecture = Architecture(space, choices)
    with torch.device("meta"):
        net = _as_published(nets.build(architecture, task).eval(), True)
        image = torch.empty(1, task.channels, task.height, task.width)
    with FlopCounterMode(display=False) as counter:
        logits = net(image)
    what = f"{architecture.notation} on {task}"
    require(tuple(logits.shape) == (1, task.classes), f"{what} gives logits of shape {tuple(logits.shape)}.")
    counted = nets.cost(architecture, task)
    params = sum(p.numel() for p in net.parameters())
    require(counted.params == params, f"{what} has {params} parameters, but {counted.params} were counted.")
    madds = counter.get_total_flops() // 2
    require(counted.madds == madds, f"{what} takes {madds} multiply-adds, but {counted.madds} were counted.")


def _as_published(net: nn.Module, whole: bool) -> nn.Module:
    if hasattr(net, "as_published"):
        net.as_published = whole  # type: ignore[assignment]
    return net


def _check_run(space: Space, choices: Choices, task: Task) -> None:
    architecture = Architecture(space, choices)
    what = f"{architecture.notation} on {task}"
    with torch_scope(0, "testing", "builder"):
        net = nets.build(architecture, task)
        images, labels = _batch(task, 4)
        logits = net.train()(images)
        F.cross_entropy(logits, labels).backward()  # type: ignore[no-untyped-call]
        alone = net.eval()(images[:1])
        whole = _as_published(net, True)(images[:1])
    _require_close(whole.detach(), alone.detach(), f"{what} and the form in which it was published")
    require(tuple(logits.shape) == (4, task.classes), f"{what} gives logits of shape {tuple(logits.shape)}.")
    require(tuple(alone.shape) == (1, task.classes), f"{what} gives {tuple(alone.shape)} for one image.")
    require(bool(alone.isfinite().all()), f"{what} gives logits that are not finite.")
    idle = {id(p) for p in net.idle_parameters()} if hasattr(net, "idle_parameters") else set()  # type: ignore[operator]
    for name, parameter in net.named_parameters():
        grad = parameter.grad
        if id(parameter) in idle:
            require(grad is None, f"{what}: the parameter {name} is called idle, but gets a gradient.")
            continue
        require(grad is not None, f"{what}: the parameter {name} gets no gradient.")
        require(grad is not None and bool(grad.isfinite().all()), f"{what}: the gradient of {name} is not finite.")


def _batch(task: Task, size: int) -> tuple[Tensor, Tensor]:
    images = torch.randn(size, task.channels, task.height, task.width, generator=torch_stream(0, "testing", "images"))
    return images, torch.arange(size) % task.classes


def check_supernet(space: Space, task: Task, *, seed: int = 0) -> None:
    """Raise AssertionError where the supernet of `space` breaks a rule.

    `option_modules` covers the slots; a one-hot mix is the built network; weights None are ones; options
    outside the mix have no gradient. The supernet should be small: the check computes with all of it.
    """
    with torch_scope(seed, "testing", "supernet"):
        net = nets.build_supernet(space, task).train()
    _check_options(space, net)
    choices = sample(space, stream(seed, "testing", "supernet"))
    for one in (choices, tuple(0 for _ in choices), tuple(len(d.options) - 1 for d in space.decisions)):
        _check_one_hot(space, task, net, one)
    pairs = two_options(space, seed)
    _check_ones(task, net, pairs)
    _check_gradients(task, net, pairs)
    _check_gradients(task, net, [(choice,) for choice in choices])


def two_options(space: Space, seed: int) -> list[tuple[int, ...]]:
    """Two different options per decision (one where there is only one)."""
    rng = stream(seed, "testing", "pairs")
    sizes = [len(decision.options) for decision in space.decisions]
    return [tuple(int(i) for i in rng.choice(size, min(2, size), replace=False)) for size in sizes]


def _option(net: nn.Module, slot: int, option: int) -> nn.Module:
    module: nn.Module = net.option_modules(slot, option)  # type: ignore[operator]
    return module


def _option_parameters(net: nn.Module, mix: Mix) -> set[int]:
    named = [(slot, option) for slot, part in enumerate(mix) for option in part.options]
    return {id(p) for slot, option in named for p in _option(net, slot, option).parameters()}


def _everything(space: Space) -> Mix:
    return tuple(SlotMix(tuple(range(len(decision.options)))) for decision in space.decisions)


def _check_options(space: Space, net: nn.Module) -> None:
    slots: list[nn.Module] = list(net.slots)  # type: ignore[arg-type]
    count = len(space.decisions)
    require(len(slots) == count, f"The supernet has {len(slots)} slots for {count} decisions.")
    for slot, decision in enumerate(space.decisions):
        options = [{id(p) for p in _option(net, slot, o).parameters()} for o in range(len(decision.options))]
        owned = {id(p) for p in slots[slot].parameters()}
        covered = set().union(*options)
        require(
            covered == owned,
            f"The options of {decision.name!r} do not cover its slot.",
        )
        require(sum(map(len, options)) == len(owned), f"Two options of {decision.name!r} share a parameter.")


def _check_one_hot(space: Space, task: Task, net: nn.Module, choices: Choices) -> None:
    """The built network's parameters come in the same order as the supernet's that take part."""
    architecture = Architecture(space, choices)
    built = nets.build(architecture, task).train()
    everything, chosen = (
        _option_parameters(net, _everything(space)),
        _option_parameters(net, one_hot(choices)),
    )
    active = [p for p in net.parameters() if id(p) not in everything or id(p) in chosen]
    shapes = [[tuple(p.shape) for p in parameters] for parameters in (active, built.parameters())]
    what = f"The supernet with a one-hot mix of {architecture.notation}"
    require(shapes[0] == shapes[1], f"{what} and the built network differ in their parameters.")
    with torch.no_grad():
        for target, source in zip(built.parameters(), active, strict=True):
            target.copy_(source)
        images, _ = _batch(task, 4)
        with torch_scope(0, "testing", "dropout"):
            expected = built(images)
        with torch_scope(0, "testing", "dropout"):
            found = net(images, one_hot(choices))
    _require_close(found, expected, f"{what} and the built network with the same weights")


def _require_close(found: Tensor, expected: Tensor, what: str) -> None:
    gap = float((found - expected).abs().max() / expected.abs().max().clamp(min=1.0))
    require(gap <= TOLERANCE, f"{what} differ by {gap:.2g}.")


def _check_ones(task: Task, net: nn.Module, pairs: list[tuple[int, ...]]) -> None:
    images, _ = _batch(task, 4)
    with torch.no_grad():
        plain: Tensor = net(images, tuple(SlotMix(pair) for pair in pairs))
        ones: Tensor = net(images, tuple(SlotMix(pair, torch.ones(len(pair))) for pair in pairs))
        halves: Tensor = net(images, tuple(SlotMix(pair, torch.full((len(pair),), 0.5)) for pair in pairs))
    _require_close(ones, plain, "A mix with weights 1 and one without weights")
    require(float((halves - plain).abs().max()) > TOLERANCE, "The weights of a mix change nothing.")


def _check_gradients(task: Task, net: nn.Module, options: list[tuple[int, ...]]) -> None:
    images, labels = _batch(task, 4)
    weights = [torch.full((len(part),), 0.5, requires_grad=True) for part in options]
    mix = tuple(SlotMix(part, weight) for part, weight in zip(options, weights, strict=True))
    net.zero_grad(set_to_none=True)
    F.cross_entropy(net(images, mix), labels).backward()  # type: ignore[no-untyped-call]
    chosen = _option_parameters(net, mix)
    slots = {id(p) for slot in net.slots for p in slot.parameters()}  # type: ignore[union-attr]
    for name, parameter in net.named_parameters():
        used = id(parameter) in chosen or id(parameter) not in slots
        if used:
            require(parameter.grad is not None, f"{name} took part in the step, but has no gradient.")
        else:
            require(parameter.grad is None, f"{name} took no part in the step, but has a gradient.")
    for slot, weight in enumerate(weights):
        require(weight.grad is not None, f"The weights of slot {slot} get no gradient.")
    net.zero_grad(set_to_none=True)
