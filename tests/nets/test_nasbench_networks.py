"""Networks of the published tables: parameters and multiply-adds of every row, and what dead edges do."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from chronas import nets
from chronas.architecture import Architecture, make_space
from chronas.nets.edgecell import EdgeCell, ReLUConvBN
from chronas.nets.nasbench101 import GraphCell, NasBench101Network
from chronas.nets.nasbench101 import cost as cost_101
from chronas.nets.nasbench201 import NasBench201Network
from chronas.nets.nasbench201 import cost as cost_201
from chronas.nets.natssize import cost as cost_size
from chronas.nets.skeleton import SkeletonNetwork, published_flops
from chronas.seeding import stream, torch_scope
from chronas.spaces.cellgraph import CellGraph
from chronas.spaces.edgecell import live_edges
from chronas.spaces.moves import sample
from chronas.spaces.nasbench101 import NasBench101Settings, NasBench101Space
from chronas.spaces.nasbench201 import OPERATIONS, NasBench201Settings, NasBench201Space
from chronas.spaces.natssize import NatsSizeSpace
from chronas.task import Task
from chronas.testing.nets import check_network

CIFAR = Task(3, 32, 32, 10)
TASKS = {"cifar10-valid": CIFAR, "cifar10": CIFAR, "cifar100": Task(3, 32, 32, 100),
         "ImageNet16-120": Task(3, 16, 16, 120)}  # fmt: skip
DEAD = [
    "|nor_conv_3x3~0|+|nor_conv_1x1~0|nor_conv_3x3~1|+|skip_connect~0|none~1|none~2|",  # edges that lead nowhere
    "|nor_conv_3x3~0|+|nor_conv_3x3~0|none~1|+|none~0|none~1|none~2|",  # an output of zeros
    "|none~0|+|none~0|nor_conv_3x3~1|+|none~0|nor_conv_1x1~1|none~2|",  # a convolution of zeros
    "|none~0|+|none~0|none~1|+|avg_pool_3x3~0|nor_conv_3x3~1|skip_connect~2|",  # the same beside something
    "|none~0|+|none~0|none~1|+|none~0|none~1|none~2|",
]


def columns(path: Path, *names: str) -> dict[str, list[Any]]:
    parquet = pytest.importorskip("pyarrow.parquet")
    found: dict[str, list[Any]] = parquet.read_table(path, columns=list(names)).to_pydict()
    return found


def test_every_row_of_nasbench201(shared_data: Path) -> None:
    table = columns(shared_data / "nasbench201" / "nasbench201.parquet", "arch", "params_m", "flops_m")
    space = NasBench201Space()
    counted = [cost_201(space, space.parse(arch), CIFAR) for arch in table["arch"]]
    assert len(counted) == 15_625
    assert [cost.params / 1e6 for cost in counted] == table["params_m"]
    assert [published_flops(cost, CIFAR) / 1e6 for cost in counted] == table["flops_m"]


def test_full_records_on_all_data_sets(shared_data: Path) -> None:
    facts = json.loads((shared_data / "nasbench201" / "training_time_samples.json").read_text())
    topology, size = NasBench201Space(), NatsSizeSpace()
    seen = 0
    for key in ("topology_records", "size_records"):
        for record in facts[key]:
            for name, stored in record["datasets"].items():
                if key == "topology_records":
                    cost = cost_201(topology, topology.parse(record["arch"]), TASKS[name])
                else:
                    cost = cost_size(size, size.parse(record["arch"]), TASKS[name])
                assert cost.params / 1e6 == stored["params_m"]
                assert round(published_flops(cost, TASKS[name]) / 1e6, 5) == stored["flops_m"]
                seen += 1
    assert seen == 24


@pytest.mark.parametrize(("name", "rows"), [("nasbench101_500", 500), ("ecnas_4v", 1092), ("ecnas_5v_4epochs", 2532)])
def test_every_row_of_nasbench101(shared_data: Path, name: str, rows: int) -> None:
    table = columns(shared_data / "nasbench101" / f"{name}.parquet", "adjacency", "operations", "params")
    space = NasBench101Space()
    cells = [f"{a}:{o}" for a, o in zip(table["adjacency"], table["operations"], strict=True)]
    assert len(cells) == rows
    assert [cost_101(space, space.parse(text), CIFAR).params for text in cells] == table["params"]


def test_known_counts_without_any_table() -> None:
    space = NasBench201Space()
    busy = cost_201(space, (OPERATIONS.index("nor_conv_3x3"),) * 6, CIFAR)
    assert (busy.params, published_flops(busy, CIFAR)) == (1_531_546, 220_119_690)
    cells = NasBench101Space()
    assert (
        cost_101(cells, cells.parse("0110001000010000:input,maxpool3x3,maxpool3x3,output"), CIFAR).params == 1_756_298
    )


@pytest.mark.parametrize("text", DEAD)
@pytest.mark.parametrize("task", [Task(1, 8, 8, 2), Task(3, 33, 17, 5)], ids=str)
def test_dead_edges_keep_the_contract(text: str, task: Task) -> None:
    space = NasBench201Space(NasBench201Settings(channels=4, cells=2))
    check_network(space, space.parse(text), task)


def test_dead_parts_are_held_but_not_run() -> None:
    space = NasBench201Space(NasBench201Settings(channels=4, cells=2))
    for text in DEAD:
        net = build(space, text, CIFAR)
        relus = [module for module in net.modules() if isinstance(module, nn.ReLU)]
        calls: list[nn.Module] = []
        for relu in relus:
            relu.register_forward_hook(lambda module, *_, calls=calls: calls.append(module))
        with torch.no_grad():
            net(torch.zeros(2, 3, 32, 32))
            net.as_published = True
            net(torch.zeros(2, 3, 32, 32))
        idle = {id(p) for p in net.idle_parameters()}
        held = [module for module in net.modules() if isinstance(module, ReLUConvBN)]
        unused = sum(id(module[1].weight) in idle for module in held)
        assert len(calls) == 2 * len(relus) - unused
        assert (unused > 0) == (text != DEAD[3])


def build(space: NasBench201Space, text: str, task: Task) -> NasBench201Network:
    with torch_scope(0, "test", "init"):
        return NasBench201Network(space, space.parse(text), task)


def test_each_relu_is_called_once() -> None:
    for name, task in (("nasbench201", Task(3, 130, 20, 3)), ("natssize", CIFAR), ("nasbench101", Task(1, 28, 28, 3))):
        space = make_space(name)
        with torch.device("meta"):
            net = nets.build(Architecture(space, sample(space, stream(3, "test"))), task).eval()
        if isinstance(net, SkeletonNetwork):
            net.as_published = True
        calls: list[nn.Module] = []
        relus = [module for module in net.modules() if isinstance(module, nn.ReLU)]
        for relu in relus:
            relu.register_forward_hook(lambda module, *_, calls=calls: calls.append(module))
        net(torch.empty(1, task.channels, task.height, task.width, device="meta"))
        assert len(calls) == len(relus) > 5
        assert set(calls) == set(relus)


def same_weights(operations: Sequence[str]) -> EdgeCell:
    """A cell in which all operations of one kind have the same weights."""
    cell = EdgeCell(operations, 2, 2).double().eval()
    for name, tensor in cell.state_dict().items():
        if tensor.is_floating_point():
            _, edge, place = name.split(".", 2)
            values = stream(0, "test", operations[int(edge)], place).uniform(0.1, 1.0, tuple(tensor.shape))
            tensor.copy_(torch.from_numpy(values))
    return cell


def test_exact_forms_compute_the_same() -> None:
    space = NasBench201Space()
    x: Tensor = torch.from_numpy(stream(0, "test", "image").normal(size=(1, 2, 6, 6)))
    changed = 0
    for index in range(200):
        choices = sample(space, stream(0, "test", "exact", index))
        forms = [space.operations(choices), space.operations(space.exact(choices))]
        with torch.no_grad():
            first, second = (same_weights(form)(x) for form in forms)
        assert torch.allclose(first, second, atol=1e-9)
        kinds = [[op for op, live in zip(f, live_edges(f), strict=True) if live and "conv" in op] for f in forms]
        assert sorted(kinds[0]) == sorted(kinds[1])
        changed += forms[0] != forms[1]
    assert changed > 50


def test_a_channel_too_many_is_cut() -> None:
    """Node 1 has 3 channels as node 2 reads them, but node 4 takes 2."""
    space = NasBench101Space(NasBench101Settings(channels=8, stacks=1, modules=1))
    graph = CellGraph(("conv1x1-bn-relu",) * 4, frozenset({(0, 1), (1, 2), (1, 3), (1, 4), (2, 5), (3, 5), (4, 5)}))
    cell = GraphCell(graph, 8, 8)
    assert cell.channels == (8, 3, 3, 3, 2, 8)
    check_network(space, space.choices(graph), Task(1, 8, 8, 2))


def test_101_starts_as_the_released_code_does() -> None:
    space = NasBench101Space(NasBench101Settings(channels=64, stacks=1, modules=1))
    with torch_scope(0, "test", "init"):
        net = NasBench101Network(space, space.parse("010001000:input,conv3x3-bn-relu,output"), CIFAR)
    deviations = {
        m.kernel_size: float(m.weight.detach().std()) for m in net.layers.modules() if isinstance(m, nn.Conv2d)
    }
    assert deviations[(3, 3)] == pytest.approx((2 / (9 * 64)) ** 0.5, rel=0.05)
    assert deviations[(1, 1)] == pytest.approx((2 / 64) ** 0.5, rel=0.05)
    assert not net.head.linear.bias.detach().any()
