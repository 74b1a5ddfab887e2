"""SparseSGD and clipping against torch's own."""

from __future__ import annotations

import pytest
import torch
from tiny import through_a_file
from torch import nn

from chronas.seeding import torch_scope, torch_stream
from chronas.training.optim import SparseSGD, clip_gradients


def model() -> nn.Sequential:
    with torch_scope(0, "model"):
        return nn.Sequential(nn.Conv2d(1, 3, 3), nn.BatchNorm2d(3), nn.Flatten(), nn.Linear(12, 2))


def gradients(net: nn.Module, step: int, only: set[str] | None = None) -> None:
    """The same made-up gradients for equal networks."""
    generator = torch_stream(step, "gradients")
    for name, parameter in net.named_parameters():
        drawn = torch.randn(parameter.shape, generator=generator)
        parameter.grad = drawn if only is None or name in only else None


@pytest.mark.parametrize(("momentum", "nesterov"), [(0.0, False), (0.9, False), (0.9, True)])
@pytest.mark.parametrize("decay", [0.0, 0.05])
@pytest.mark.parametrize("decay_norm", [False, True])
def test_it_is_sgd(momentum: float, nesterov: bool, decay: float, decay_norm: bool) -> None:
    ours, theirs = model(), model()
    wide = [p for p in theirs.parameters() if p.dim() > 1 or decay_norm]
    rest = [p for p in theirs.parameters() if not (p.dim() > 1 or decay_norm)]
    groups = [{"params": wide, "weight_decay": decay}, {"params": rest, "weight_decay": 0.0}]
    reference = torch.optim.SGD([g for g in groups if g["params"]], lr=0.1, momentum=momentum, nesterov=nesterov)
    sparse = SparseSGD(momentum=momentum, nesterov=nesterov, weight_decay=decay, decay_norm=decay_norm)
    for step in range(5):
        for net in (ours, theirs):
            gradients(net, step)
        rate = 0.1 / (1 + step)
        for group in reference.param_groups:
            group["lr"] = rate
        reference.step()
        sparse.step(list(ours.parameters()), rate)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert torch.allclose(a, b, rtol=1e-6, atol=1e-7)
        assert a.grad is None


def test_only_used_parameters_change() -> None:
    net, before = model(), model()
    sparse = SparseSGD(momentum=0.9, weight_decay=0.1)
    gradients(net, 0, {"0.weight", "3.bias"})
    sparse.step(list(net.parameters()), 0.1)
    changed = {
        name for (name, a), b in zip(net.named_parameters(), before.parameters(), strict=True) if not torch.equal(a, b)
    }
    assert changed == {"0.weight", "3.bias"}
    assert set(sparse.state(net)) == {"0.weight", "3.bias"}


def test_a_parameter_that_was_not_used_keeps_its_momentum() -> None:
    net = model()
    sparse = SparseSGD(momentum=0.9)
    gradients(net, 0)
    sparse.step(list(net.parameters()), 0.1)
    kept = sparse.state(net)["0.weight"].clone()
    gradients(net, 1, {"3.weight"})
    sparse.step(list(net.parameters()), 0.1)
    assert torch.equal(sparse.state(net)["0.weight"], kept)


def test_nothing_and_only_vectors() -> None:
    net, before = model(), model()
    sparse = SparseSGD(weight_decay=0.1)
    sparse.step(list(net.parameters()), 0.1)
    assert all(torch.equal(a, b) for a, b in zip(net.parameters(), before.parameters(), strict=True))
    gradients(net, 0, {"1.weight", "3.bias"})
    sparse.step(list(net.parameters()), 0.1)
    assert not torch.equal(net[1].weight, before[1].weight)  # type: ignore[arg-type]


def test_it_goes_on_from_its_state() -> None:
    first, second = model(), model()
    one, two = SparseSGD(nesterov=True), SparseSGD(nesterov=True)
    for step in range(4):
        gradients(first, step)
        one.step(list(first.parameters()), 0.1)
        if step == 1:
            second.load_state_dict(through_a_file(first.state_dict()))
            two.load(second, through_a_file(one.state(first)))
        if step > 1:
            gradients(second, step)
            two.step(list(second.parameters()), 0.1)
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


@pytest.mark.parametrize("limit", [0.01, 1.0, 1e9])
def test_clipping_is_torchs(limit: float) -> None:
    ours, theirs = model(), model()
    for net in (ours, theirs):
        gradients(net, 0, {"0.weight", "3.weight", "3.bias"})
    norm = clip_gradients(list(ours.parameters()), limit)
    expected = nn.utils.clip_grad_norm_(theirs.parameters(), limit)
    assert norm is not None
    assert float(norm) == pytest.approx(float(expected), rel=1e-6)
    for a, b in zip(ours.parameters(), theirs.parameters(), strict=True):
        assert (a.grad is None) == (b.grad is None)
        if a.grad is not None and b.grad is not None:
            assert torch.allclose(a.grad, b.grad, rtol=1e-6)


def test_no_limit_and_no_gradients() -> None:
    net = model()
    assert clip_gradients(list(net.parameters()), 1.0) is None
    gradients(net, 0)
    before = [p.grad.clone() for p in net.parameters() if p.grad is not None]
    assert clip_gradients(list(net.parameters()), 0.0) is None
    assert all(torch.equal(a, p.grad) for a, p in zip(before, net.parameters(), strict=True) if p.grad is not None)
