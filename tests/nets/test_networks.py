"""Known answers of the built networks and of the supernet."""

from __future__ import annotations

import pytest
import torch

from chronas import nets
from chronas.architecture import Architecture, make_space
from chronas.errors import UnknownNameError
from chronas.nets.mix import one_hot
from chronas.nets.superkernel import SuperkernelSupernet
from chronas.seeding import torch_scope, torch_stream
from chronas.spaces.resnet import RIVAL, ResNetSpace
from chronas.spaces.superkernel import SuperkernelSettings, SuperkernelSpace
from chronas.task import Task
from chronas.testing.nets import check_builder, check_supernet

CIFAR = Task(3, 32, 32, 10)


def test_the_rival_has_604074_parameters() -> None:
    space = ResNetSpace()
    rival = Architecture(space, space.parse(RIVAL))
    assert nets.cost(rival, CIFAR).params == 604_074
    with torch.device("meta"):
        assert sum(p.numel() for p in nets.build(rival, CIFAR).parameters()) == 604_074


def test_the_enas_operations() -> None:
    options = ("conv3x3", "sep3x3", "conv5x5", "sep5x5", "avg3x3", "max3x3")
    space = SuperkernelSpace(SuperkernelSettings(layers=2, width=4, options=options))
    check_builder(space, Task(1, 9, 9, 3), count=3)
    check_supernet(space, Task(1, 9, 9, 3))


def test_a_space_without_a_supernet_is_named() -> None:
    with pytest.raises(UnknownNameError, match="no supernet named 'resnet'"):
        nets.build_supernet(make_space("resnet"), CIFAR)


def test_impossible_tasks() -> None:
    for shape in ((0, 8, 8, 2), (3, 0, 8, 2), (3, 8, 8, 1)):
        with pytest.raises(ValueError, match="A task needs"):
            Task(*shape)


def test_the_supernet_keeps_no_running_statistics() -> None:
    """Those of mixed paths judge no single one: batch statistics are used, in eval mode too."""
    space = SuperkernelSpace(SuperkernelSettings(layers=2, width=4, m=2))
    with torch_scope(0, "net"):
        net = SuperkernelSupernet(space, Task(1, 8, 8, 2))
    assert not list(net.buffers())
    x = torch.randn(4, 1, 8, 8, generator=torch_stream(0, "x"))
    with torch.no_grad():
        assert torch.equal(net.train()(x, one_hot((0, 3))), net.eval()(x, one_hot((0, 3))))


def test_the_built_network_does_keep_them() -> None:
    space = SuperkernelSpace(SuperkernelSettings(layers=2, width=4, m=2))
    net = nets.build(Architecture(space, (0, 3)), Task(1, 8, 8, 2))
    x = torch.randn(4, 1, 8, 8, generator=torch_stream(0, "x"))
    before = [buffer.clone() for buffer in net.buffers()]
    net.train()(x)
    assert any(not torch.equal(a, b) for a, b in zip(before, net.buffers(), strict=True))


def test_equal_options_in_two_layers_have_weights_of_their_own() -> None:
    space = SuperkernelSpace(SuperkernelSettings(layers=2, width=4, m=2, reductions=0))
    net = SuperkernelSupernet(space, Task(1, 8, 8, 2))
    first, second = ({id(p) for p in net.option_modules(slot, 1).parameters()} for slot in (0, 1))
    assert not first & second


def test_dropout_is_off_in_eval_mode() -> None:
    space = SuperkernelSpace(SuperkernelSettings(layers=1, width=8, m=1, dropout=0.5))
    net = nets.build(Architecture(space, (0,)), Task(1, 8, 8, 2))
    x = torch.randn(4, 1, 8, 8, generator=torch_stream(0, "x"))
    with torch.no_grad():
        assert torch.equal(net.eval()(x), net(x))
        with torch_scope(0, "dropout"):
            assert not torch.equal(net.train()(x), net(x))
