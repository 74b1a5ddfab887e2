"""Progressive resizing: how large training images are at which progress."""

from __future__ import annotations

import pytest
import torch

from chronas import nets
from chronas.architecture import Architecture, make_space
from chronas.budget import Budget, Ledger
from chronas.data.load import load
from chronas.errors import UsageError
from chronas.task import Task
from chronas.training.hardware import Hardware
from chronas.training.network import NetworkTrainer, seeded_network
from chronas.training.recipes import RECIPES, SMALLEST_SHRUNK, Recipe, recipe


def test_images_grow_from_half_to_full_size_and_stay_there() -> None:
    sides = [RECIPES["progressive"].side(progress, 32) for progress in (0, 0.1, 0.3, 0.5, 0.69, 0.7, 1)]
    assert sides == [16, 20, 24, 28, 32, 32, 32]
    assert all(RECIPES["fast"].side(progress, 32) == 32 for progress in (0, 0.5, 1))


@pytest.mark.parametrize("full", [8, 11, 12, 13, 31, 64, 225])
def test_sides_are_multiples_of_four_between_the_smallest_and_full_size(full: int) -> None:
    for step in range(101):
        side = Recipe(shrink=0.25).side(step / 100, full)
        assert side == full or (side % 4 == 0 and SMALLEST_SHRUNK <= side < full)


@pytest.mark.parametrize("wrong", [{"shrink": 0.2}, {"shrink": 1.1}, {"full_size_at": 0.0}, {"full_size_at": 1.5}])
def test_settings_out_of_range_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="shrink"):
        recipe("fast", wrong)


@pytest.mark.parametrize("space", ["resnet", "superkernel"])
@pytest.mark.parametrize("side", [12, 16, 20, 28])
def test_a_network_built_for_full_size_takes_shrunk_images(space: str, side: int) -> None:
    made = make_space(space)
    plain = made.plain()
    assert plain is not None
    net = nets.build(Architecture(made, plain), Task(3, 32, 32, 5))
    assert net(torch.zeros(2, 3, side, side)).shape == (2, 5)


def test_the_trainer_shrinks_what_the_network_sees_and_nothing_else(cifar_like: object) -> None:
    data = load(cifar_like, val_share=0.2)
    space = make_space("resnet")
    net = seeded_network(lambda: nets.build(Architecture(space, space.parse("full-16-1-1-1-single")), data.task), 0)
    seen: list[tuple[bool | int, ...]] = []
    net.register_forward_pre_hook(lambda module, given: seen.append((module.training, *given[0].shape[2:])))
    trainer = NetworkTrainer(net, data, RECIPES["progressive"], Hardware.find("cpu"), 0)
    ledger = Ledger(Budget(4.0, "epochs"))
    while not ledger.exhausted:
        trainer.advance(ledger)
    trained = [size for training, *size in seen if training]
    assert trained[0] == [16, 20]
    assert trained[-1] == [32, 40]
    assert sorted(trained) == trained
    looked = [size for training, *size in seen if not training]
    assert looked
    assert all(size == [32, 40] for size in looked)


@pytest.fixture
def cifar_like() -> tuple[object, object]:
    """Sixty random colour images of 32 x 40 pixels in two classes."""
    generator = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (60, 32, 40, 3), generator=generator, dtype=torch.uint8)
    return images.numpy(), (torch.arange(60) % 2).numpy()
