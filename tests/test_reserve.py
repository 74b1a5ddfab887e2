"""What is kept back of a training's time for its closing, as looks at the images tell more."""

from __future__ import annotations

import pytest

from chronas.budget import Budget, Ledger
from chronas.train_stage import MOST_GROWTH, Reserve


class Clock:
    """Moves when told to."""

    now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def reserve(clock: Clock) -> Reserve:
    """Of 100 s 10 s; closing takes ten times what a look takes."""
    return Reserve(Ledger(Budget(100, "seconds"), clock=clock, reserve=10.0), lambda look: 10 * look)


def after(reserve: Reserve, clock: Clock, looks: list[float]) -> list[float]:
    """The reserve after each of `looks`, 10 s apart; two slices to a look."""
    found = []
    for look in looks:
        for _ in range(2):
            clock.now += 5
            reserve.looked(look)
        found.append(reserve.ledger.reserve)
    return found


def test_one_slow_look_changes_nothing(reserve: Reserve, clock: Clock) -> None:
    assert after(reserve, clock, [6.0, 1.1, 1.2]) == [10.0, pytest.approx(11.0), pytest.approx(11.5)]


def test_a_machine_that_stays_slow_is_believed_up_to_a_limit(reserve: Reserve, clock: Clock) -> None:
    assert after(reserve, clock, [2.0, 2.0001]) == [10.0, 20.0]
    assert after(reserve, clock, [8.0, 9.0, 9.5])[-1] == MOST_GROWTH * 10


def test_progress_never_falls(reserve: Reserve, clock: Clock) -> None:
    known, reserves, clock.now = 0.0, [], 50.0
    for look in (3.0, 3.1, 0.1, 0.2, 0.11, 0.3, 0.21, 0.12):
        clock.now += 2
        reserve.looked(look)
        assert reserve.ledger.progress >= known - 1e-8
        known = reserve.ledger.progress
        reserves.append(reserve.ledger.reserve)
    assert reserves[1] == 30
    assert reserves[-1] < 20, "what judging takes less is used in the end"
