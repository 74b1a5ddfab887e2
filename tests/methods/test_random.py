"""Random search without an end; with one, see test_blackbox."""

from __future__ import annotations

import pytest
from blackbox_runs import check_workers, drive, make

from chronas.errors import UsageError
from chronas.work import Fidelity


def test_without_candidates_it_goes_on_until_stopped() -> None:
    asked = drive(make("random", candidates=0, evaluations=50), 300)
    assert len(asked) == 300
    assert {work.fidelity for work in asked} == {Fidelity("train", share=1 / 50)}
    ended = drive(make("random", candidates=7), 300)
    assert [work.choices for work in ended] == [work.choices for work in asked[:7]]
    assert {work.fidelity for work in ended} == {Fidelity("train", share=1 / 7)}


def test_several_workers() -> None:
    check_workers("random", candidates=0)


def test_settings_out_of_range() -> None:
    with pytest.raises(UsageError, match=r"method.candidates must be at least 0"):
        make("random", candidates=-1)
