"""Accuracy and cost at once."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from blackbox_runs import TARGET, check_workers, drive, make, matches

from chronas.errors import UsageError
from chronas.methods import Method
from chronas.methods.nsga2 import Nsga2
from chronas.pareto import crowding, front, ranks
from chronas.seeding import stream
from chronas.work import Choices, Evaluate, Outcome

POINTS = np.array([[1.0, 5.0], [2.0, 3.0], [4.0, 1.0], [2.0, 4.0], [5.0, 5.0], [1.0, 5.0]])


def test_fronts_by_hand() -> None:
    assert ranks(POINTS).tolist() == [0, 0, 0, 1, 2, 0], "equal points do not push each other out"
    assert front(POINTS) == [0, 1, 2, 5]
    assert ranks(np.zeros((0, 2))).tolist() == []


def test_fronts_against_the_definition() -> None:
    points = stream(0, "points").integers(0, 6, size=(60, 3)).astype(float)
    better = [[all(p <= q) and any(p < q) for p in points] for q in points]  # row: who is better than this one
    assert front(points) == [i for i, row in enumerate(better) if not any(row)]
    found = ranks(points)
    for place, row in enumerate(better):
        assert found[place] == max((found[i] + 1 for i, is_better in enumerate(row) if is_better), default=0)


def test_crowding_by_hand() -> None:
    line = np.array([[0.0, 10.0], [4.0, 2.0], [1.0, 6.0], [10.0, 0.0]])
    assert crowding(line).tolist() == pytest.approx([np.inf, 0.9 + 0.6, 0.4 + 0.8, np.inf])
    assert crowding(np.ones((3, 2))).tolist() == [np.inf, 0.0, np.inf]


def cost(choices: Choices) -> float:
    """What is right costs: each decision that is as in TARGET, one hundred, and option numbers a little."""
    return matches(choices) * 6 + sum(choices)


def run(method: Method, count: int) -> list[Choices]:
    asked = []
    for _ in range(count):
        work = method.ask(1, 0.0)[0]
        assert isinstance(work, Evaluate)
        asked.append(work.choices)
        method.tell(Outcome(work, {"val_accuracy": matches(work.choices), "madds": cost(work.choices)}), 0.0)
    return asked


def test_the_front_of_all_that_was_judged() -> None:
    method = make("nsga2")
    assert isinstance(method, Nsga2)
    assert method.front() == []
    asked = run(method, 100)
    assert len(set(asked)) == 100
    expected = {c for c in asked if not any(_better(other, c) for other in asked)}
    assert {choices for choices, _, _ in method.front()} == expected
    assert all(accuracy == matches(c) and price == cost(c) for c, accuracy, price in method.front())
    assert method.best() == next(c for c in asked if matches(c) == max(map(matches, asked)))
    assert f"front of {len(expected)}" in method.inspect().message


def _better(first: Choices, second: Choices) -> bool:
    a, b = (-matches(first), cost(first)), (-matches(second), cost(second))
    return a != b and a[0] <= b[0] and a[1] <= b[1]


def hypervolume(points: list[Choices]) -> float:
    """The area that points dominate below accuracy 0 and cost 700."""
    total, best = 0.0, 0.0
    for choices in sorted(points, key=cost):
        if matches(choices) > best:
            total += (700 - cost(choices)) * (matches(choices) - best)
            best = matches(choices)
    return total


def test_the_front_is_better_than_that_of_chance() -> None:
    for seed in range(3):
        chance = [work.choices for work in drive(make("random", seed, candidates=0), 250)]
        mine = run(make("nsga2", seed), 250)
        assert hypervolume(mine) > 1.1 * hypervolume(chance)
        assert max(map(matches, mine)) > max(map(matches, chance)) or TARGET in mine


def test_a_cost_that_nobody_knows() -> None:
    method = make("nsga2", cost="params")
    work = method.ask(1, 0.0)[0]
    with pytest.raises(UsageError, match="weighs accuracy against 'params', which is not known here"):
        method.tell(Outcome(work, {"val_accuracy": 1.0, "madds": 3.0}), 0.0)


def test_several_workers() -> None:
    check_workers("nsga2")
    check_workers("nsga2", population=2, cost="params")


@pytest.mark.parametrize("wrong", [{"population": 1}, {"crossover": 1.1}, {"mutation": -1.0}, {"cost": "seconds"}])
def test_settings_out_of_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=f"method.{next(iter(wrong))} must"):
        make("nsga2", **wrong)
