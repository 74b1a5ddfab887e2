"""Every registered builder, cost counter and supernet keeps its contract."""

from __future__ import annotations

import pytest
from registered import small_space, usual_space

from chronas import nets
from chronas.spaces import SPACES
from chronas.task import Task
from chronas.testing.nets import check_builder, check_supernet

TASKS = [
    Task(1, 8, 8, 2), Task(3, 32, 32, 10), Task(3, 33, 47, 10), Task(3, 224, 224, 5), Task(1, 28, 28, 1000),
    Task(3, 1, 1, 2), Task(2, 5, 130, 3),
]  # fmt: skip


def words(task: Task) -> str:
    return f"{task.channels}x{task.height}x{task.width}/{task.classes}"


@pytest.mark.parametrize("task", TASKS, ids=words)
@pytest.mark.parametrize("name", nets.BUILDERS.names())
def test_cost_is_that_of_the_built_network(name: str, task: Task) -> None:
    check_builder(usual_space(name), task, count=4, run=False)


@pytest.mark.parametrize("task", [t for t in TASKS if t.height * t.width <= 2000], ids=words)
@pytest.mark.parametrize("name", nets.BUILDERS.names())
def test_built_networks_run(name: str, task: Task) -> None:
    check_builder(small_space(name), task, count=2, seed=1)


@pytest.mark.parametrize("task", [Task(1, 8, 8, 2), Task(3, 13, 17, 5)], ids=words)
@pytest.mark.parametrize("name", nets.SUPERNETS.names())
def test_supernet(name: str, task: Task) -> None:
    check_supernet(small_space(name), task)


def test_every_builder_has_a_cost_and_a_space() -> None:
    assert nets.BUILDERS.names() == nets.COSTS.names()
    assert set(nets.BUILDERS.names()) | set(nets.SUPERNETS.names()) <= set(SPACES.names())
