"""Schedules, micro-batches, hardware, recipes."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch
import torch.nn.functional as F
from tiny import CPU
from torch import Tensor, nn

from chronas.errors import EnvironmentFault, TrainingError, UnknownNameError, UsageError
from chronas.seeding import torch_scope, torch_stream
from chronas.training.hardware import Hardware
from chronas.training.recipes import RECIPES, recipe
from chronas.training.schedules import cosine, geometric, one_cycle
from chronas.training.steps import MicroBatches, Sums, forward_backward, out_of_memory


def test_cosine() -> None:
    assert [cosine(p, 2.0, 1.0) for p in (0.0, 0.5, 1.0, 1.5)] == pytest.approx([2.0, 1.5, 1.0, 1.0])
    assert cosine(0.25, 1.0) == pytest.approx(0.5 * (1 + math.sqrt(0.5)))


def test_one_cycle() -> None:
    assert [one_cycle(p, 2.0) for p in (0.0, 0.125, 0.25, 0.5)] == pytest.approx([0.04, 1.02, 2.0, 4 / 3])
    assert [one_cycle(p, 2.0) for p in (1.0, 1.1)] == pytest.approx([0.002, 0.002])
    assert min(one_cycle(i / 100, 1.0) for i in range(101)) > 0


def test_geometric() -> None:
    assert [geometric(p, 0.1) for p in (0.0, 0.5, 1.0)] == pytest.approx([1.0, math.sqrt(0.1), 0.1])
    assert geometric(2.0, 0.1) == pytest.approx(0.1)
    assert geometric(-1.0, 0.1) == 1.0


def model() -> nn.Sequential:
    with torch_scope(0, "model"):
        return nn.Sequential(nn.Flatten(), nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, 3))


def batch(size: int = 10) -> tuple[Tensor, Tensor]:
    images = torch.randn(size, 1, 4, 4, generator=torch_stream(0, "images"))
    return images, torch.arange(size) % 3


def run(net: nn.Module, micro: MicroBatches, fails_above: int = 10**9, size: int = 10) -> tuple[Tensor, Sums, int]:
    """Loss, sums, number of forward passes; one over more than `fails_above` images is out of memory."""
    images, labels = batch(size)
    sums, passes = Sums(), 0

    def forward(x: Tensor) -> Tensor:
        nonlocal passes
        passes += 1
        if len(x) > fails_above:
            raise torch.cuda.OutOfMemoryError("out of memory")
        out: Tensor = net(x)
        return out

    loss = forward_backward(
        forward, images, labels, criterion=F.cross_entropy, parameters=list(net.parameters()), hardware=CPU,
        micro=micro, sums=sums,
    )  # fmt: skip
    return loss, sums, passes


def expected(net: nn.Module, size: int = 10) -> tuple[Tensor, list[Tensor]]:
    images, labels = batch(size)
    loss = F.cross_entropy(net(images), labels)
    return loss.detach(), list(torch.autograd.grad(loss, list(net.parameters())))


@pytest.mark.parametrize("parts", [1, 2, 3, 4, 10])
def test_the_gradient_is_that_of_the_whole_batch(parts: int) -> None:
    net = model()
    whole, grads = expected(net)
    loss, sums, _ = run(net, MicroBatches(parts))
    assert float(loss) == pytest.approx(float(whole), rel=1e-5)
    for parameter, grad in zip(net.parameters(), grads, strict=True):
        assert parameter.grad is not None
        assert torch.allclose(parameter.grad, grad, atol=1e-6)
    images, labels = batch()
    hits = int((net(images).argmax(1) == labels).sum())
    assert sums.images == 10
    assert sums.read("train") == pytest.approx({"train_loss": float(whole), "train_accuracy": 10.0 * hits}, rel=1e-5)


@pytest.mark.parametrize(("fails_above", "parts"), [(5, 2), (4, 4), (3, 4), (2, 8), (1, 10)])
def test_out_of_memory_halves_the_batch(fails_above: int, parts: int) -> None:
    net, micro = model(), MicroBatches()
    _, grads = expected(net)
    _, sums, _ = run(net, micro, fails_above)
    assert micro.parts == parts
    for parameter, grad in zip(net.parameters(), grads, strict=True):
        assert parameter.grad is not None
        assert torch.allclose(parameter.grad, grad, atol=1e-6)
    assert sums.images == 10
    assert all("Out of memory: batches of 10" in note for note in micro.notes)
    assert f"in {parts} parts" in micro.notes[-1]


def test_out_of_memory_in_a_later_part_counts_nothing_twice() -> None:
    net, micro, sums = model(), MicroBatches(2), Sums()
    images, labels = batch()
    _, grads = expected(net)
    passes = 0

    def forward(x: Tensor) -> Tensor:
        nonlocal passes
        passes += 1
        if passes == 2:
            raise MemoryError
        out: Tensor = net(x)
        return out

    forward_backward(
        forward, images, labels, criterion=F.cross_entropy, parameters=list(net.parameters()), hardware=CPU,
        micro=micro, sums=sums,
    )  # fmt: skip
    assert (micro.parts, sums.images) == (4, 10)
    for parameter, grad in zip(net.parameters(), grads, strict=True):
        assert parameter.grad is not None
        assert torch.allclose(parameter.grad, grad, atol=1e-6)


def test_one_image_that_does_not_fit_is_the_end() -> None:
    with pytest.raises(TrainingError, match="Not enough memory for a single image"):
        run(model(), MicroBatches(), fails_above=0)


def test_other_errors_pass_through() -> None:
    net = model()
    with pytest.raises(RuntimeError, match="shapes"):
        run(nn.Sequential(nn.Flatten(), nn.Linear(5, 3)), MicroBatches())
    assert all(p.grad is None for p in net.parameters())


def test_what_out_of_memory_looks_like() -> None:
    assert out_of_memory(torch.cuda.OutOfMemoryError("x"))
    assert out_of_memory(MemoryError())
    assert out_of_memory(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"))
    assert not out_of_memory(RuntimeError("shapes cannot be multiplied"))
    assert not out_of_memory(ValueError("out of memory"))


def test_sums_of_nothing() -> None:
    assert Sums().read("train") == {}


@pytest.mark.parametrize(
    ("device", "precision", "words"),
    [
        ("tpu", "auto", "device must be auto, cpu"),
        ("", "auto", "device must be"),
        ("cuda:x", "auto", "device must be"),
        ("cpu", "float16", "precision must be"),
    ],
)
def test_hardware_words(device: str, precision: str, words: str) -> None:
    with pytest.raises(UsageError, match=words):
        Hardware.find(device, precision)  # type: ignore[arg-type]


def test_a_gpu_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    with pytest.raises(EnvironmentFault, match="'cuda:1' was asked for, but torch sees no CUDA GPU"):
        Hardware.find("cuda:1")
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    with pytest.raises(EnvironmentFault, match="'cuda:1' was asked for, but torch sees 1 CUDA GPUs"):
        Hardware.find("cuda:1", "float32")
    assert Hardware.find("cuda:0", "float32") == Hardware("cuda:0", False)
    monkeypatch.undo()
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert Hardware.find("auto", "float32") == Hardware("cpu", False)
    assert Hardware.find("cpu", "bfloat16") == Hardware("cpu", True)


def test_precision_inside_autocast() -> None:
    net = nn.Linear(4, 4)
    for bfloat16, dtype in ((True, torch.bfloat16), (False, torch.float32)):
        with Hardware("cpu", bfloat16).autocast():
            assert net(torch.ones(1, 4)).dtype == dtype


def test_networks_are_placed_channels_last() -> None:
    net = CPU.place(nn.Conv2d(3, 4, 3))
    assert net.weight.is_contiguous(memory_format=torch.channels_last)


def test_recipes() -> None:
    assert recipe("fast") == RECIPES["fast"]
    assert recipe("nasib", {"lr": 0.5}) == dataclasses.replace(RECIPES["nasib"], lr=0.5)
    with pytest.raises(UnknownNameError, match=r"no recipe named 'fats'\. Did you mean 'fast'"):
        recipe("fats")
    with pytest.raises(UsageError, match="share of the image's side, from 0 to 1, but got 16"):
        recipe("fast", {"cutout": 16.0})
    for wrong in ({"lr": 0.0}, {"batch_size": 1}, {"label_smoothing": 1.0}, {"dropout": -0.1}, {"clip": -1.0},
                  {"weight_decay": -1.0}, {"momentum": 1.0}):  # fmt: skip
        with pytest.raises(UsageError, match="out of range"):
            recipe("fast", dict(wrong))
    for name, entry in RECIPES.items():
        assert entry.name == name
        assert entry.rate(1.0) < entry.rate(0.25)
        assert max(entry.rate(i / 20) for i in range(21)) == pytest.approx(entry.lr)
