"""Evolution that starts from scores."""

from __future__ import annotations

import pytest
from blackbox_runs import check_workers, drive, make, outcome

from chronas.errors import UsageError
from chronas.testing.methods import made_up_accuracy
from chronas.work import Evaluate, Fidelity


def test_twenty_are_scored_and_the_ten_best_start() -> None:
    method = make("area")
    asked = drive(method, 50)
    scored, first, children = asked[:20], asked[20:30], asked[30:]
    assert {work.fidelity for work in scored} == {Fidelity("proxy", proxy="naswot")}
    assert {work.fidelity for work in [*first, *children]} == {Fidelity("train", share=1 / 24)}
    drawn = [work.choices for work in scored]
    assert len(set(drawn)) == 20
    assert [work.choices for work in first] == sorted(drawn, key=made_up_accuracy, reverse=True)[:10]
    known = [work.choices for work in first]
    for work in children:
        assert min(sum(a != b for a, b in zip(work.choices, c, strict=True)) for c in known) == 1
        known.append(work.choices)


def test_the_best_is_by_score_until_something_is_trained() -> None:
    method = make("area", drawn=5, population=2)
    scored = drive(method, 5)
    assert method.best() == max((work.choices for work in scored), key=made_up_accuracy)
    work = method.ask(2, 0.5)
    method.tell(outcome(work[1], lambda _: 1.0), 0.5)
    assert isinstance(work[1], Evaluate)
    assert method.best() == work[1].choices


def test_where_no_network_has_a_score_the_first_population_is_random() -> None:
    method = make("area")
    for piece in method.ask(30, 0.0):
        method.tell(outcome(piece, error="ProxyError: no score"), 0.0)
    asked = drive(method, 15)
    assert len(asked) == 15
    assert {work.fidelity.kind for work in asked} == {"train"}


def test_waits_for_all_scores() -> None:
    method = make("area")
    work = method.ask(30, 0.0)
    assert len(work) == 20
    for piece in work[1:]:
        method.tell(outcome(piece), 0.0)
    assert method.ask(1, 0.0) == []
    method.tell(outcome(work[0]), 0.0)
    assert len(method.ask(30, 0.0)) == 10


def test_several_workers() -> None:
    check_workers("area")
    check_workers("area", again=True)


def test_settings_out_of_range() -> None:
    with pytest.raises(UsageError, match=r"method.drawn must be at least method.population = 10, but got 9"):
        make("area", drawn=9)
