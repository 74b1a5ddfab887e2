"""The methods that compare single trainings, and what they share."""

from __future__ import annotations

import math
from typing import Any

import pytest

from chronas.architecture import Architecture, make_space
from chronas.errors import ArchitectureError, NothingEvaluatedError
from chronas.methods import METHODS, Method
from chronas.methods.oneshot import Alternation
from chronas.methods.ranking import ScoreBook
from chronas.methods.single import TrainOne
from chronas.spaces import Space
from chronas.testing.methods import FakeRun, made_up_accuracy
from chronas.work import Advance, Evaluate, Fidelity, Outcome


def space() -> Space:
    return make_space("superkernel", {"layers": 3, "m": 3})


def method(name: str, **settings: Any) -> Method:
    kind = METHODS.load(name)
    return kind(space(), kind.Settings(**settings), 0)


def told(choices: tuple[int, ...], error: str | None = None, **metrics: float) -> Outcome:
    return Outcome(Evaluate(choices, Fidelity("train", 0.1)), metrics, {}, error)


def test_the_book_of_scores() -> None:
    book = ScoreBook()
    with pytest.raises(NothingEvaluatedError):
        book.best()
    book.tell(told((0,), val_accuracy=50.0, val_loss=2.0))
    book.tell(told((1,), val_accuracy=60.0, val_loss=9.0))
    book.tell(told((2,), val_accuracy=60.0, val_loss=1.0))
    book.tell(told((3,), val_accuracy=60.0, val_loss=math.nan))
    book.tell(told((4,), val_accuracy=math.nan, val_loss=0.0))
    book.tell(told((5,), error="out of memory"))
    book.tell(told((6,)))
    book.tell(Outcome(Advance(), {"val_accuracy": 99.0}))
    assert book.ranked() == [(2,), (1,), (3,), (0,)]
    assert book.best() == (2,)
    assert (len(book), (3,) in book, (4,) in book) == (4, True, False)
    other = ScoreBook()
    other.load(book.state())
    assert other.ranked() == book.ranked()


def test_random_search_shares_the_budget_and_keeps_the_best() -> None:
    run = FakeRun(method("random", candidates=5)).until(40)
    work = [entry[0] for entry in run.trace]
    assert [w["fidelity"] for w in work] == 5 * [{"kind": "train", "share": 0.2, "level": 1.0, "proxy": ""}]
    asked = [tuple(w["choices"]) for w in work]
    assert run.method.best() == max(asked, key=made_up_accuracy)


def test_halving_trains_the_better_part_for_longer() -> None:
    run = FakeRun(method("halving", candidates=9, eta=3)).until(40)
    work = [entry[0] for entry in run.trace]
    shares = [w["fidelity"]["share"] for w in work]
    assert shares == pytest.approx([1 / 18] * 9 + [1 / 6] * 3)
    first, second = ([tuple(w["choices"]) for w in part] for part in (work[:9], work[9:]))
    assert len(set(first)) == 9
    assert second == sorted(first, key=made_up_accuracy, reverse=True)[:3]
    assert run.method.best() == second[0]


@pytest.mark.parametrize(("candidates", "eta"), [(2, 2), (6, 3), (10, 3), (16, 2), (30, 4)])
def test_halving_spends_its_budget_and_no_more(candidates: int, eta: int) -> None:
    run = FakeRun(method("halving", candidates=candidates, eta=eta), rounds=200).until(200)
    assert sum(entry[0]["fidelity"]["share"] for entry in run.trace) == pytest.approx(1.0)


def test_halving_of_one_network_has_nothing_to_decide() -> None:
    run = FakeRun(method("halving", candidates=1), rounds=200).until(200)
    assert run.trace == []
    run.method.space.check(run.method.best())


def test_halving_starts_with_the_given_ones() -> None:
    halving = method("halving", candidates=3, first=("3x3-3x3-3x3", "1x1-1x1-1x1"))
    work = halving.ask(3, 0.0)
    named = [halving.space.notation(w.choices) for w in work if isinstance(w, Evaluate)]
    assert named[:2] == ["3x3-3x3-3x3", "1x1-1x1-1x1"]
    assert len(set(named)) == 3
    with pytest.raises(ArchitectureError):
        method("halving", first=("3x3",))


def test_halving_waits_for_all_of_a_rung() -> None:
    halving = method("halving", candidates=4, eta=2)
    first = halving.ask(10, 0.0)
    assert len(first) == 4
    assert halving.ask(10, 0.0) == []
    for place, piece in enumerate(first[:3]):
        halving.tell(Outcome(piece, {"val_accuracy": 10.0 * place}), 0.1)
    assert halving.ask(10, 0.1) == []
    halving.tell(Outcome(first[3], {"val_accuracy": 15.0}), 0.1)
    best = [piece.choices for piece in (first[2], first[3]) if isinstance(piece, Evaluate)]
    assert halving.ask(10, 0.1) == [Evaluate(choices, Fidelity("train", 0.25)) for choices in best]


def test_halving_where_everything_failed_ends() -> None:
    run = FakeRun(method("halving"), faults="all").until(40)
    assert run.done == 9
    with pytest.raises(NothingEvaluatedError):
        run.method.best()


def test_rsps_trains_then_ranks() -> None:
    run = FakeRun(method("rsps", train_share=0.5, candidates=7)).until(40)
    work = [entry[0] for entry in run.trace if isinstance(entry[0], dict)]
    assert [w["work"] for w in work] == ["advance"] * 20 + ["evaluate"] * 7
    assert all(w["fidelity"]["kind"] == "shared" for w in work[20:])
    ranked = [tuple(w["choices"]) for w in work[20:]]
    assert run.method.best() == max(ranked, key=made_up_accuracy)
    paths = [entry[1] for entry in run.trace if entry[0] == "weights"]
    assert all(len(options) == 1 for path in paths for options in path)


def test_training_one_network_is_a_method_too() -> None:
    architecture = Architecture(space(), (0, 1, 2))
    one = TrainOne(architecture)
    assert one.ask(3, 0.7) == [Advance()]
    one.tell(Outcome(Advance()), 0.8)
    assert one.best() == (0, 1, 2)
    one.load(one.state())


@pytest.mark.parametrize(("weights", "held_out"), [(5, 3), (7, 1), (1, 4), (3, 0)])
def test_alternation_keeps_the_proportion(weights: int, held_out: int) -> None:
    for interleave in ("epoch", "step"):
        turns = Alternation(interleave, weights, held_out)
        seen = [turns.turn(i) for i in range(3 * (weights + held_out))]
        assert seen.count("architecture") == 3 * held_out
        assert seen[: len(seen) // 3] == seen[len(seen) // 3 : 2 * len(seen) // 3]
