"""Known answers of the spaces: kernel names, resolutions, sizes."""

from __future__ import annotations

import numpy as np
import pytest

from chronas.errors import UsageError
from chronas.spaces.kernels import Kernel, parse_kernel, superkernel
from chronas.spaces.moves import enumerate_all, mutate, neighbours, sample, size, unrank
from chronas.spaces.resnet import RIVAL, ResNetSettings, ResNetSpace
from chronas.spaces.superkernel import Stage, SuperkernelSettings, SuperkernelSpace
from chronas.task import Task

CIFAR = Task(3, 32, 32, 10)


@pytest.mark.parametrize(
    ("name", "kernel"),
    [
        ("1x1", Kernel("conv", 1, 1)),
        ("3x3", Kernel("conv", 3, 3)),
        ("1x9", Kernel("conv", 1, 9)),
        ("2x5", Kernel("sep", 2, 5)),
        ("9x9", Kernel("sep", 9, 9)),
        ("conv5x5", Kernel("conv", 5, 5)),
        ("sep3x3", Kernel("sep", 3, 3)),
        ("max3x3", Kernel("max", 3, 3)),
        ("avg2x4", Kernel("avg", 2, 4)),
        ("11x11", Kernel("sep", 11, 11)),
    ],
)
def test_kernel_names(name: str, kernel: Kernel) -> None:
    assert parse_kernel(name, 9) == kernel


@pytest.mark.parametrize(
    "name", ["", "3", "3x", "x3", "0x3", "3x0", "03x3", "-1x3", "100x1", "min3x3", "3x3 ", "3x3x3"]
)
def test_kernel_names_refused(name: str) -> None:
    with pytest.raises(UsageError, match="is no kernel"):
        parse_kernel(name, 9)


def test_the_limit_between_full_and_separable() -> None:
    assert parse_kernel("3x3", 8).kind == "sep"
    assert parse_kernel("5x5", 25).kind == "conv"


def test_the_papers_space() -> None:
    space = SuperkernelSpace()
    assert len(space.decisions) == 12
    assert superkernel(9) == space.decisions[0].options
    assert len(superkernel(9)) == 81
    assert size(space) == 81**12
    assert sum(kernel.kind == "conv" for kernel in space.kernels) == 23


def test_cifar_stages() -> None:
    assert list(SuperkernelSpace().stages(CIFAR)) == [
        Stage(3, 32, 32, 32), Stage(3, 64, 16, 16), Stage(3, 128, 8, 8), Stage(3, 256, 4, 4)
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("task", "halvings", "resolutions"),
    [
        (Task(1, 8, 8, 2), 0, [8, 4]),
        (Task(1, 4, 4, 2), 0, [4]),
        (Task(3, 1, 1, 2), 0, [1]),
        (Task(1, 28, 28, 10), 0, [28, 14, 7, 4]),
        (Task(3, 64, 64, 10), 0, [64, 32, 16, 8]),
        (Task(3, 65, 65, 10), 1, [33, 17, 9, 5]),
        (Task(3, 224, 224, 10), 2, [56, 28, 14, 7]),
        (Task(3, 8, 300, 10), 3, [1]),
    ],
)
def test_images_of_other_sizes(task: Task, halvings: int, resolutions: list[int]) -> None:
    space = SuperkernelSpace()
    assert space.stem_halvings(task) == halvings
    stages = list(space.stages(task))
    assert [min(stage.height, stage.width) for stage in stages] == resolutions
    assert sum(stage.layers for stage in stages) == 12
    assert [stage.channels for stage in stages] == [32 * 2**i for i in range(len(stages))]


@pytest.mark.parametrize("layers", range(1, 9))
@pytest.mark.parametrize("reductions", range(5))
def test_each_stage_has_a_layer(layers: int, reductions: int) -> None:
    space = SuperkernelSpace(SuperkernelSettings(layers=layers, reductions=reductions, m=2))
    stages = list(space.stages(Task(3, 128, 128, 10)))
    assert sum(stage.layers for stage in stages) == layers
    assert min(stage.layers for stage in stages) >= 1


def test_the_rivals_layout() -> None:
    space = ResNetSpace()
    plan = space.layout(space.parse(RIVAL), CIFAR)
    assert (plan.halvings, plan.channels, plan.kind) == (0, 32, "basic")
    assert [(s.blocks, s.channels, s.stride, s.height) for s in plan.stages] == [
        (1, 32, 1, 32), (1, 64, 2, 16), (2, 128, 2, 8)
    ]  # fmt: skip


def test_a_stem_at_half_resolution() -> None:
    space = ResNetSpace()
    choices = space.parse(RIVAL.replace("full", "half"))
    assert space.layout(choices, CIFAR).halvings == 1
    assert space.layout(choices, Task(1, 8, 8, 10)).halvings == 0
    assert space.layout(choices, Task(3, 224, 224, 10)).halvings == 2


def test_moves_in_a_tiny_space() -> None:
    space = SuperkernelSpace(SuperkernelSettings(layers=2, m=2))
    assert size(space) == 16
    assert list(enumerate_all(space))[:3] == [(0, 0), (0, 1), (0, 2)]
    assert [unrank(space, i) for i in range(16)] == list(enumerate_all(space))
    assert set(neighbours(space, (1, 2))) == {(0, 2), (2, 2), (3, 2), (1, 0), (1, 1), (1, 3)}


def test_sampling_and_mutation_are_uniform() -> None:
    space = SuperkernelSpace(SuperkernelSettings(layers=2, m=2))
    rng = np.random.Generator(np.random.PCG64(0))
    drawn = [sample(space, rng) for _ in range(1600)]
    counts = [drawn.count(choices) for choices in enumerate_all(space)]
    assert min(counts) > 60
    assert max(counts) < 140
    moved = [mutate(space, (1, 2), rng) for _ in range(600)]
    around = list(neighbours(space, (1, 2)))
    assert all(60 < moved.count(other) < 140 for other in around)


def test_decisions_with_one_option_are_left_alone() -> None:
    space = ResNetSpace(ResNetSettings(widths=(8,), most_blocks=1))
    rng = np.random.Generator(np.random.PCG64(0))
    changed = {i for _ in range(50) for i, c in enumerate(mutate(space, (0,) * 6, rng)) if c}
    assert changed == {0, 5}
