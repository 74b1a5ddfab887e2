"""The adapter for Optuna's samplers."""

from __future__ import annotations

import statistics
import sys
from typing import Any

import pytest
from blackbox_runs import check_workers, drive, evaluations_to_optimum, make, outcome

from chronas.errors import EnvironmentFault, UsageError
from chronas.testing.methods import made_up_accuracy


def test_without_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(EnvironmentFault, match=r"pip install -e '\.\[optuna\]'"):
        make("optuna")


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "random"])
def test_several_workers(sampler: str) -> None:
    pytest.importorskip("optuna")
    check_workers("optuna", count=40, sampler=sampler)


def test_gp_resumes_too() -> None:
    pytest.importorskip("optuna")
    check_workers("optuna", count=14, workers=2, sampler="gp")


@pytest.mark.parametrize("sampler", ["tpe", "nsga2", "random"])
def test_keeps_the_best(sampler: str) -> None:
    pytest.importorskip("optuna")
    method = make("optuna", sampler=sampler)
    asked = [work.choices for work in drive(method, 25)]
    assert len(asked) == 25
    assert method.best() == max(asked, key=made_up_accuracy)


def test_failed_trials_are_told_as_failed() -> None:
    optuna = pytest.importorskip("optuna")
    method = make("optuna")
    work = method.ask(2, 0.0)
    method.tell(outcome(work[1], error="out of memory"), 0.0)
    method.tell(outcome(work[0]), 0.0)
    states = [trial.state for trial in method._study.trials]  # type: ignore[attr-defined]
    assert states == [optuna.trial.TrialState.COMPLETE, optuna.trial.TrialState.FAIL]


def test_tpe_finds_the_optimum_far_sooner_than_chance() -> None:
    pytest.importorskip("optuna")
    needed = [evaluations_to_optimum("optuna", seed, 250) for seed in range(3)]
    assert statistics.median(needed) < 200, "4,096 architectures: chance needs 2,000"


def test_its_words_to_the_terminal_are_as_loud_as_before() -> None:
    optuna = pytest.importorskip("optuna")
    before = optuna.logging.get_verbosity()
    make("optuna")
    assert optuna.logging.get_verbosity() == before


@pytest.mark.parametrize("wrong", [{"sampler": "cmaes"}, {"evaluations": 0}])
def test_settings_out_of_range(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match=f"method.{next(iter(wrong))} must"):
        make("optuna", **wrong)
