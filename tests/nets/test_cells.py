"""Known answers of networks of cells: parameters of published networks, and what they compute."""

from __future__ import annotations

import collections
import json
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from chronas import nets
from chronas.architecture import Architecture, make_space
from chronas.nets.cells import CellNetwork, cells_cost
from chronas.nets.nds import NdsNetwork
from chronas.seeding import torch_stream
from chronas.spaces.cells import plan_cells
from chronas.spaces.genotype import Genotype, read_genotype
from chronas.spaces.nds import DartsSpace, NdsSettings
from chronas.task import Task
from chronas.testing.nets import check_builder

CIFAR = Task(3, 32, 32, 10)
PUBLISHED: dict[str, tuple[dict[str, Any], int]] = {
    "DARTS_V2": (
        {"normal": [("sep_conv_3x3", 0), ("sep_conv_3x3", 1), ("sep_conv_3x3", 0), ("sep_conv_3x3", 1),
                    ("sep_conv_3x3", 1), ("skip_connect", 0), ("skip_connect", 0), ("dil_conv_3x3", 2)],
         "normal_concat": [2, 3, 4, 5],
         "reduce": [("max_pool_3x3", 0), ("max_pool_3x3", 1), ("skip_connect", 2), ("max_pool_3x3", 1),
                    ("max_pool_3x3", 0), ("skip_connect", 2), ("skip_connect", 2), ("max_pool_3x3", 1)],
         "reduce_concat": [2, 3, 4, 5]},
        3_349_342,
    ),
    "AmoebaNet": (
        {"normal": [("avg_pool_3x3", 0), ("max_pool_3x3", 1), ("sep_conv_3x3", 0), ("sep_conv_5x5", 2),
                    ("sep_conv_3x3", 0), ("avg_pool_3x3", 3), ("sep_conv_3x3", 1), ("skip_connect", 1),
                    ("skip_connect", 0), ("avg_pool_3x3", 1)],
         "normal_concat": [4, 5, 6],
         "reduce": [("avg_pool_3x3", 0), ("sep_conv_3x3", 1), ("max_pool_3x3", 0), ("sep_conv_7x7", 2),
                    ("sep_conv_7x7", 0), ("avg_pool_3x3", 1), ("max_pool_3x3", 0), ("max_pool_3x3", 1),
                    ("conv_7x1_1x7", 0), ("sep_conv_3x3", 5)],
         "reduce_concat": [3, 4, 6]},
        3_145_078,
    ),
    "PR_DARTS_DR": (
        {"normal": [("morph_3x3_d1", 0), ("morph_3x3_d1_w3", 1), ("sep_conv_7x7", 1), ("morph_5x5_d1_w2", 2),
                    ("skip_connect", 1), ("skip_connect", 3), ("skip_connect", 0), ("skip_connect", 2)],
         "normal_concat": [2, 3, 4, 5],
         "reduce": [("morph_5x5_d1_w2", 0), ("max_pool_3x3", 1), ("max_pool_3x3", 1), ("sep_conv_3x3", 2),
                    ("max_pool_3x3", 0), ("morph_3x3_d1_w3", 2), ("max_pool_3x3", 0), ("sep_conv_1x1", 3)],
         "reduce_concat": [2, 3, 4, 5]},
        4_248_766,
    ),
}  # fmt: skip


def check_parameters(genotype: Genotype, params: int, params_auxiliary_head: int | None) -> None:
    plan = plan_cells(genotype, 36, 20, CIFAR, auxiliary=True)
    with torch.device("meta"):
        net = CellNetwork(plan, CIFAR)
    assert net.auxiliary_head is not None
    auxiliary = sum(p.numel() for p in net.auxiliary_head.parameters())
    assert sum(p.numel() for p in net.parameters()) - auxiliary == params
    assert params_auxiliary_head in (auxiliary, None)
    assert cells_cost(plan, CIFAR).params == params


@pytest.mark.parametrize("name", PUBLISHED)
def test_parameters_of_published_networks(name: str) -> None:
    data, params = PUBLISHED[name]
    check_parameters(read_genotype(data), params, None)


def test_parameters_of_all_nine(shared_data: Path) -> None:
    entries = json.loads((shared_data / "darts_genotypes" / "genotypes.json").read_text())["genotypes"]
    assert len(entries) == 9
    for entry in entries.values():
        check_parameters(read_genotype(entry), entry["params"], entry["params_auxiliary_head"])


def darts(normal: str, reduce: str = "", *, depth: int = 3, **settings: Any) -> Architecture:
    space = make_space("nds_darts", {"widths": [4], "depths": [depth], **settings})
    return Architecture(space, space.parse(f"width=4/depth={depth}/normal={normal}/reduce={reduce or normal}"))


NONE = "|".join(["none~0+none~0"] * 4)
OLDER = "|".join(["sep_conv_3x3~0+none~1"] * 4)


@pytest.mark.parametrize("task", [Task(1, 8, 8, 2), Task(3, 100, 7, 3)])
@pytest.mark.parametrize(("normal", "reduce"), [(NONE, NONE), (NONE, OLDER), (OLDER, NONE), (OLDER, OLDER)])
def test_networks_with_dead_parts(normal: str, reduce: str, task: Task) -> None:
    architecture = darts(normal, reduce)
    net = nets.build(architecture, task)
    logits = net(torch.zeros(2, task.channels, task.height, task.width))
    assert logits.shape == (2, task.classes)
    logits.sum().backward()
    assert all(p.grad is not None for p in net.parameters())
    assert nets.cost(architecture, task).params == sum(p.numel() for p in net.parameters())


def test_the_published_networks_keep_dead_parts() -> None:
    lean, published = (darts(OLDER, dead_parts=keep) for keep in (False, True))
    counts = [nets.cost(architecture, CIFAR).params for architecture in (lean, published)]
    assert counts[0] < counts[1]
    assert counts[1] == sum(p.numel() for p in nets.build(published, CIFAR).parameters())
    kept = [set(nets.build(architecture, CIFAR).state_dict()) for architecture in (lean, published)]
    assert kept[0] < kept[1]


def test_every_relu_is_called_once_and_none_works_in_place() -> None:
    space = DartsSpace(NdsSettings(widths=(4,), depths=(6,)))
    choices = space.from_genotype(read_genotype(PUBLISHED["DARTS_V2"][0]), 4, 6)
    net = NdsNetwork(space, choices, Task(3, 96, 96, 10))
    calls: collections.Counter[str] = collections.Counter()
    for name, module in net.named_modules():
        if isinstance(module, nn.ReLU):
            assert not module.inplace
            module.register_forward_hook(lambda *_, name=name: calls.update([name]))
    net(torch.zeros(2, 3, 96, 96))
    relus = [name for name, module in net.named_modules() if isinstance(module, nn.ReLU)]
    assert calls == dict.fromkeys(relus, 1)


def test_the_auxiliary_head_reads_the_cell_at_two_thirds() -> None:
    plan = plan_cells(read_genotype(PUBLISHED["DARTS_V2"][0]), 4, 6, CIFAR, auxiliary=True)
    net = CellNetwork(plan, CIFAR)
    seen: list[torch.Tensor] = []
    net.cells[4].register_forward_hook(lambda module, args, out: seen.append(out))
    assert net.auxiliary_head is not None
    net.auxiliary_head.register_forward_pre_hook(lambda module, args: seen.append(args[0]))
    x = torch.randn(2, 3, 32, 32, generator=torch_stream(0, "x"))
    logits, second = net.eval().forward_both(x)
    assert second is not None
    assert second.shape == (2, 10)
    assert len(seen) == 2
    assert seen[0] is seen[1]
    assert torch.equal(logits, net(x))


def test_canonical_edges_compute_the_same() -> None:
    """Swapping the edges of a node moves their weights and changes no logit."""
    space = DartsSpace(NdsSettings(widths=(4,), depths=(2,)))
    text = "width=4/depth=2/normal={0}/reduce={0}"
    nodes = ["sep_conv_3x3~1+sep_conv_5x5~0", "skip_connect~1+dil_conv_3x3~2", "none~2+max_pool_3x3~0",
             "dil_conv_5x5~4+dil_conv_3x3~4"]  # fmt: skip
    choices = space.parse(text.format("|".join(nodes)))
    canonical = space.canonical(choices)
    first, second = (NdsNetwork(space, c, CIFAR).eval() for c in (choices, canonical))
    weights = {}
    for name, value in first.state_dict().items():
        parts = name.split(".")
        if parts[0] == "cells" and parts[2] == "ops":
            parts[3] = {"0": "1", "1": "0", "2": "2", "3": "3", "4": "4", "5": "6", "6": "5"}[parts[3]]
        weights[".".join(parts)] = value
    second.load_state_dict(weights)
    x = torch.randn(2, 3, 32, 32, generator=torch_stream(0, "x"))
    with torch.no_grad():
        torch.testing.assert_close(first(x), second(x))


@pytest.mark.parametrize("name", ["nds_nasnet", "nds_darts"])
def test_cost_with_dead_parts(name: str) -> None:
    space = make_space(name, {"widths": [4], "depths": [3], "dead_parts": True})
    for task in (Task(1, 9, 9, 2), Task(3, 99, 100, 5)):
        check_builder(space, task, count=3, run=False)
