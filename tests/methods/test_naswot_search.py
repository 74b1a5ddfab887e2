"""Search without training."""

from __future__ import annotations

import pytest
from blackbox_runs import check_workers, drive, make, outcome

from chronas.architecture import make_space
from chronas.errors import NothingEvaluatedError, UsageError
from chronas.seeding import stream
from chronas.spaces.moves import sample
from chronas.spaces.superkernel import SuperkernelSpace
from chronas.testing.methods import made_up_accuracy
from chronas.work import Choices, Evaluate, Fidelity


def test_draws_with_replacement_and_scores_each_network_once() -> None:
    space = make_space("superkernel", {"layers": 2, "m": 2})
    method = make("naswot", 5, space, samples=40, proxy="synflow")
    asked = drive(method, 1000)
    drawn = [sample(space, stream(5, "naswot", index)) for index in range(40)]
    assert [work.choices for work in asked] == list(dict.fromkeys(drawn))
    assert len(asked) <= 16
    assert {work.fidelity for work in asked} == {Fidelity("proxy", proxy="synflow")}
    assert method.best() == max(drawn, key=made_up_accuracy)
    assert method.ask(5, 1.0) == []


class Mirrored(SuperkernelSpace):
    """An architecture and its reverse are one network."""

    def canonical(self, choices: Choices) -> Choices:
        return min(choices, choices[::-1])


def test_equal_networks_are_scored_once() -> None:
    space = Mirrored(make_space("superkernel", {"layers": 2, "m": 2}).settings)
    asked = [work.choices for work in drive(make("naswot", 0, space, samples=200), 1000)]
    assert len({space.canonical(choices) for choices in asked}) == len(asked) == 10


def test_a_network_without_a_score_is_left_out() -> None:
    method = make("naswot", samples=3)
    first, second, third = method.ask(3, 0.0)
    method.tell(outcome(first, error="ProxyError: no score"), 0.0)
    with pytest.raises(NothingEvaluatedError):
        method.best()
    method.tell(outcome(second, lambda _: -5.0), 0.0)
    method.tell(outcome(third, lambda _: -7.0), 0.0)
    assert isinstance(second, Evaluate)
    assert method.best() == second.choices
    assert "3 of 3 drawn, 2 judged, best -5.00" in method.inspect().message


def test_several_workers() -> None:
    check_workers("naswot", samples=100)


def test_settings_out_of_range() -> None:
    with pytest.raises(UsageError, match=r"method.samples must be at least 1"):
        make("naswot", samples=0)
