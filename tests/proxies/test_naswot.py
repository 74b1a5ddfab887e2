"""NASWOT by hand, and against the literal procedure of the released code."""

from __future__ import annotations

import copy
import math

import numpy as np
import pytest
import torch
from oracle import oracle, oracle_kernel
from small_nets import KINDS, branches, flat, functional, noise_batch, two_layers
from torch import nn

from chronas import nets
from chronas.architecture import Architecture, make_space
from chronas.errors import ProxyError
from chronas.proxies import hamming
from chronas.proxies.base import score
from chronas.proxies.hamming import activity, kernel_of
from chronas.proxies.naswot import hamming_kernel, naswot
from chronas.seeding import stream, torch_scope, torch_stream
from chronas.spaces import SPACES
from chronas.spaces.moves import sample
from chronas.task import Task


def test_by_hand() -> None:
    # Codes of the three images: 100, 110, 011; the zero of the first image is inactive.
    net = two_layers([[1.0, 0.0], [0.0, 1.0], [-1.0, 0.0]], [[1.0, 1.0, 1.0], [1.0, 0.0, 0.0]], nn.ReLU())
    batch = flat([[1.0, 0.0], [2.0, 3.0], [-1.0, 1.0]], [0, 1, 0])
    expected = np.array([[3.0, 2.0, 0.0], [2.0, 3.0, 1.0], [0.0, 1.0, 3.0]])
    assert (hamming_kernel(net.train(), batch.images) == expected).all()
    # det = 3 (9 - 1) - 2 (6 - 0) = 12
    assert score("naswot", net, batch) == pytest.approx(math.log(12.0))


def test_the_same_code_twice_is_an_error() -> None:
    net = two_layers([[1.0, 0.0], [0.0, 1.0]], [[1.0, 1.0], [1.0, 0.0]], nn.ReLU())
    with pytest.raises(ProxyError, match="1 pairs of images have the same code"):
        score("naswot", net, flat([[1.0, 2.0], [2.0, 1.0], [-1.0, 1.0]], [0, 1, 0]))


def test_more_images_than_codes_can_tell_apart() -> None:
    # With one unit more than there are independent codes the kernel has no inverse, though no two codes agree.
    net = two_layers([[1.0, 0.0], [0.0, 1.0]], [[1.0, 1.0], [1.0, 0.0]], nn.ReLU())
    with pytest.raises(ProxyError, match="singular"):
        score("naswot", net, flat([[1.0, 1.0], [1.0, -1.0], [-1.0, 1.0], [-1.0, -1.0]], [0, 1, 0, 1]))


@pytest.mark.parametrize("kind", KINDS)
def test_kernel_is_that_of_the_released_code(kind: str) -> None:
    net, batch = branches(kind), noise_batch()
    ours = hamming_kernel(copy.deepcopy(net).train(), batch.images)
    assert (ours == oracle_kernel(net, batch.images)).all()


def test_a_dead_branch_does_not_count() -> None:
    units = {kind: hamming_kernel(branches(kind).train(), noise_batch().images)[0, 0] for kind in KINDS}
    layer = 4 * 8 * 8
    assert units == {
        "both": 4 * layer, "in place": 4 * layer, "zero": 4 * layer,
        "dead": 3 * layer, "detached": 3 * layer, "auxiliary": 3 * layer,
    }  # fmt: skip


@pytest.mark.parametrize("name", [n for n in ("nasbench201", "natssize", "nds_darts", "resnet") if n in SPACES])
def test_networks_of_spaces(name: str) -> None:
    wanted = {"channels": 4, "cells": 1, "widths": [4]}
    known = SPACES.load(name).Settings.__dataclass_fields__
    space, task, batch = (
        make_space(name, {k: v for k, v in wanted.items() if k in known}),
        Task(3, 8, 8, 4),
        noise_batch(),
    )
    compared = 0
    for index in range(3):
        with torch_scope(0, "test", index):
            net = nets.build(Architecture(space, sample(space, stream(1, "test", name, index))), task)
        functions = _counts_functions(net, batch.images)
        if functions:
            continue
        compared += 1
        ours = hamming_kernel(copy.deepcopy(net).train(), batch.images)
        assert (ours == oracle_kernel(net, batch.images, blocks=False)).all()
        if np.linalg.slogdet(ours)[0] > 0 and not (np.triu(ours, 1) == ours[0, 0]).any():
            expected = float(np.linalg.slogdet(oracle_kernel(net, batch.images, blocks=False))[1])
            assert naswot(net.train(), batch, precision="float32") == expected
    assert compared or name in ("resnet", "nds_darts")


def _counts_functions(net: nn.Module, images: torch.Tensor) -> bool:
    """Whether the network calls F.relu, which the released code does not see."""
    from chronas.proxies.relus import watch_relus

    modules = []
    for module in net.modules():
        if "ReLU" in type(module).__name__ and next(module.children(), None) is None:
            module.register_forward_hook(lambda *_: modules.append(1))
    with torch.no_grad(), watch_relus(net, lambda x: None) as seen:
        net(images)
    return len(seen) != len(modules)


def test_a_block_named_after_its_relu_counts_once() -> None:
    class ReLUBlock(nn.Sequential):
        pass

    with torch_scope(0, "test"):
        block = ReLUBlock(nn.ReLU(), nn.Conv2d(4, 4, 1))
        net = nn.Sequential(nn.Conv2d(3, 4, 3), block, nn.Flatten(), nn.Linear(144, 4))
    batch = noise_batch()
    once = hamming_kernel(copy.deepcopy(net).train(), batch.images)
    assert (oracle_kernel(net, batch.images, blocks=False) == once).all()
    assert (oracle_kernel(net, batch.images) == 2 * once).all()


def test_functions_are_seen_like_modules() -> None:
    batch = noise_batch()
    by_call, by_module = functional(False).train(), functional(True).train()
    assert (hamming_kernel(by_call, batch.images) == hamming_kernel(by_module, batch.images)).all()
    assert oracle(by_module, batch.images) == naswot(by_call, batch, precision="float32")


def test_one_tensor_read_by_two_relus_counts_twice() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem, self.relus = nn.Conv2d(3, 4, 3), nn.ModuleList([nn.ReLU(), nn.ReLU()])
            self.head = nn.Linear(4, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.stem(x)
            first = self.relus[0](x)
            x.mul_(-1.0)  # another content in the same tensor: it must not be taken for the first
            out: torch.Tensor = self.head((first + self.relus[1](x)).mean((2, 3)))
            return out

    with torch_scope(0, "test"):
        net = Twice()
    batch = noise_batch()
    ours = hamming_kernel(copy.deepcopy(net).train(), batch.images)
    assert (ours == oracle_kernel(net, batch.images)).all()


@pytest.mark.parametrize("units", [1, 7, 255, 256, 300, 4096])
@pytest.mark.parametrize("images", [2, 3, 17, 64])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_counts_are_exact(images: int, units: int, dtype: torch.dtype) -> None:
    drawn = torch.randn(images, units, generator=torch_stream(0, "test", images, units)).to(dtype)
    drawn[:, ::5] = 0.0
    drawn[0, ::3] = -0.0
    codes = (drawn > 0).numpy().astype(np.int64)
    expected = codes @ codes.T + (1 - codes) @ (1 - codes).T
    assert (kernel_of([activity(drawn)]) == expected).all()
    assert (kernel_of([activity(drawn)] * 2 + [activity(-drawn)])[0, 0]) == 3 * units


def test_counts_are_exact_without_int8_and_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    drawn = torch.randn(9, 1000, generator=torch_stream(0, "test"))
    expected = kernel_of([activity(drawn)])
    monkeypatch.setattr(hamming, "fast_int8", lambda: False)
    assert (kernel_of([activity(drawn)]) == expected).all()
    monkeypatch.setattr(hamming, "MOST_UNITS", 300)
    assert (kernel_of([activity(drawn)]) == expected).all()
    with torch.autocast("cpu", torch.bfloat16):
        assert (kernel_of([activity(drawn)]) == expected).all()


def test_memory_layout_does_not_matter() -> None:
    maps = torch.randn(5, 8, 6, 7, generator=torch_stream(0, "test"))
    last = maps.contiguous(memory_format=torch.channels_last)
    assert (kernel_of([activity(maps)]) == kernel_of([activity(last)])).all()


def test_bfloat16_is_close() -> None:
    net, batch = branches("both").train(), noise_batch(16, side=12)
    exact, rough = naswot(net, batch, precision="float32"), naswot(net, batch, precision="bfloat16")
    assert rough != exact
    assert rough == pytest.approx(exact, rel=0.01)


def test_no_relu_that_counts() -> None:
    net = two_layers([[1.0, 0.0], [0.0, 1.0]], [[1.0, 1.0], [1.0, 0.0]])
    with pytest.raises(ProxyError, match="no ReLU"):
        score("naswot", net, flat([[1.0, 2.0], [2.0, -1.0]], [0, 1]))
