"""Regularised evolution."""

from __future__ import annotations

import statistics
from typing import Any

import pytest
from blackbox_runs import TARGET, check_workers, drive, evaluations_to_optimum, make, matches, outcome

from chronas.errors import UsageError
from chronas.methods.evolution import Population
from chronas.methods.rea import RegularisedEvolution
from chronas.seeding import stream
from chronas.work import Evaluate, Fidelity


def rea(**settings: Any) -> RegularisedEvolution:
    method = make("rea", **settings)
    assert isinstance(method, RegularisedEvolution)
    return method


def test_the_oldest_is_removed_not_the_worst() -> None:
    alive = Population(3)
    for index, accuracy in enumerate((99.0, 1.0, 50.0, 2.0)):
        alive.add((index,), (accuracy, 0.0))
    assert alive.members == [(1,), (2,), (3,)]


def test_a_tournament_is_won_by_the_best_of_those_drawn() -> None:
    alive = Population(4)
    for index, accuracy in enumerate((10.0, 40.0, 30.0, 20.0)):
        alive.add((index,), (accuracy, 0.0))
    rng, again = stream(0, "t"), stream(0, "t")
    for _ in range(50):
        drawn = again.integers(4, size=2)
        expected = max(drawn, key=lambda i: (10.0, 40.0, 30.0, 20.0)[i])
        assert alive.parent(rng, 2) == (expected,)
    wins = [alive.parent(rng, 3) for _ in range(4000)]
    # With replacement: the best of four wins unless all three draws miss it.
    assert wins.count((1,)) / len(wins) == pytest.approx(1 - 0.75**3, abs=0.03)
    assert wins.count((0,)) / len(wins) == pytest.approx(0.25**3, abs=0.01)


def test_first_a_population_then_children_that_differ_in_one_decision() -> None:
    method = rea(population=5, tournament=2)
    alive: list[tuple[int, ...]] = []
    for number in range(40):
        work = method.ask(1, 0.0)[0]
        assert isinstance(work, Evaluate)
        assert work.fidelity == Fidelity("train", share=1 / 24)
        if number >= 5:
            assert min(sum(a != b for a, b in zip(work.choices, c, strict=True)) for c in alive) == 1
        method.tell(outcome(work), 0.0)
        alive = [*alive, work.choices][-5:]
        assert method.members == alive


def test_the_best_of_the_whole_history_is_kept() -> None:
    method = rea(population=3)
    first = method.ask(1, 0.0)[0]
    method.tell(outcome(first, lambda _: 99.0), 0.0)
    drive(method, 30, lambda _: 10.0)
    assert isinstance(first, Evaluate)
    assert method.best() == first.choices
    assert first.choices not in method.members


def test_a_failed_child_is_dropped_and_nobody_dies_for_it() -> None:
    method = rea(population=4)
    drive(method, 4)
    before = method.members
    method.tell(outcome(method.ask(1, 0.0)[0], error="out of memory"), 0.0)
    assert method.members == before


def test_known_networks_are_judged_again_only_where_asked() -> None:
    asked = [work.choices for work in drive(rea(), 300, matches)]
    assert len(set(asked)) == 300
    again = [work.choices for work in drive(rea(again=True), 300, matches)]
    assert len(set(again)) < 250


def test_finds_the_optimum_far_sooner_than_chance() -> None:
    needed = [evaluations_to_optimum("rea", seed, 400) for seed in range(5)]
    assert statistics.median(needed) < 200, "4,096 architectures: chance needs 2,000"
    method = rea()
    drive(method, 400, matches)
    assert method.best() == TARGET


def test_several_workers() -> None:
    check_workers("rea", population=5)
    check_workers("rea", population=2, tournament=3, again=True)


@pytest.mark.parametrize("wrong", [{"population": 0}, {"tournament": 0}, {"evaluations": 0}])
def test_settings_out_of_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=f"method.{next(iter(wrong))} must be at least 1"):
        make("rea", **wrong)
