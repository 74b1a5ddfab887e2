"""Limits on parameters and multiply-adds, in any space and for every black-box method."""

from __future__ import annotations

from dataclasses import dataclass

import pytest
from blackbox_runs import drive, make

from chronas.architecture import Architecture, make_space
from chronas.errors import ArchitectureError, UsageError
from chronas.methods import METHODS
from chronas.nets import cost as count
from chronas.seeding import stream
from chronas.spaces.limits import Limits, within
from chronas.spaces.moves import crossover, enumerate_all, mutate, sample
from chronas.spaces.superkernel import SuperkernelSpace
from chronas.task import Task
from chronas.work import Choices


@dataclass(frozen=True)
class Made:
    params: int
    madds: int


def made_up(choices: Choices) -> Made:
    return Made(10 * sum(choices), 100 + choices[0])


SPACE = make_space("superkernel", {"layers": 3, "m": 2})


def test_only_what_costs_more_is_illegal() -> None:
    limited = within(SPACE, Limits(max_params=40, max_madds=102), made_up)
    expected = [c for c in enumerate_all(SPACE) if sum(c) <= 4 and c[0] <= 2]
    assert list(enumerate_all(limited)) == expected
    assert 0 < len(expected) < 64
    assert len(list(enumerate_all(SPACE))) == 64, "the space itself is left as it was"
    with pytest.raises(ArchitectureError, match="at most 40 parameters and at most 102 multiply-adds"):
        limited.check((3, 3, 3))


def test_it_is_the_same_space_in_all_else() -> None:
    limited = within(SPACE, Limits(max_params=40), made_up)
    assert isinstance(limited, SuperkernelSpace)
    assert (limited.name, limited.settings, limited.decisions) == (SPACE.name, SPACE.settings, SPACE.decisions)
    there = Architecture(limited, (1, 1, 1))
    assert Architecture.from_json(there.to_json()).choices == there.choices


def test_moves_keep_the_limit() -> None:
    limited = within(SPACE, Limits(max_params=20), made_up)
    here = sample(limited, stream(0, "start"))
    for index in range(200):
        rng = stream(0, "moves", index)
        other = sample(limited, rng)
        here = mutate(limited, crossover(limited, here, other, rng), rng)
        assert limited.legal(here)
        assert limited.legal(other)


@pytest.mark.parametrize("method", [entry.name for entry in METHODS if "supernet" not in entry.needs])
def test_every_black_box_method_keeps_real_limits(method: str) -> None:
    if method == "optuna":
        pytest.importorskip("optuna")
    space, task = make_space("resnet", {"widths": [4, 8, 12, 16]}), Task(3, 16, 16, 5)
    costs = sorted(count(Architecture(space, c), task).params for c in enumerate_all(space))
    most = costs[len(costs) // 3]
    limited = within(space, Limits(max_params=most), lambda choices: count(Architecture(space, choices), task))
    asked = drive(make(method, 0, limited), 30)
    assert len(asked) >= 8
    assert all(count(Architecture(space, work.choices), task).params <= most for work in asked)


def test_costs_are_counted_once() -> None:
    asked: list[Choices] = []

    def counting(choices: Choices) -> Made:
        asked.append(choices)
        return made_up(choices)

    limited = within(SPACE, Limits(max_madds=101), counting)
    for _ in range(3):
        assert len(list(enumerate_all(limited))) == 32
    assert len(asked) == len(set(asked)) == 64


def test_the_plain_network_is_offered_only_where_it_is_legal() -> None:
    space = make_space("resnet")
    plain = space.plain()
    assert plain is not None

    def by_place(choices: Choices) -> Made:
        return Made(10 if choices == plain else 1, 1)

    assert within(space, Limits(max_params=10), by_place).plain() == plain
    assert within(space, Limits(max_params=9), by_place).plain() is None


def test_no_limit_is_no_change() -> None:
    assert within(SPACE, Limits(), made_up) is SPACE


def test_a_limit_that_nothing_keeps() -> None:
    with pytest.raises(
        UsageError, match=r"None of 10,000 random architectures .* the nearest has 0 parameters and 100 "
    ):
        within(SPACE, Limits(max_params=5, max_madds=99), made_up)
    with pytest.raises(UsageError, match="max_madds must be at least 1, but got 0"):
        Limits(max_madds=0)
