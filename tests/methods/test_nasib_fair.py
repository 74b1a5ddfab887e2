"""NASIB's default rule: equal training, a field that narrows with k^progress, a shortlist at the end."""

from __future__ import annotations

import copy
from collections import Counter
from typing import Any

import pytest
import torch

from chronas.methods import METHODS
from chronas.methods.oneshot import OneShotMethod
from chronas.settings import resolve
from chronas.spaces.superkernel import SuperkernelSettings, SuperkernelSpace
from chronas.testing.methods import FakeRun, check_mix, made_up_accuracy
from chronas.work import Advance, Evaluate, Outcome

LAYERS, OPTIONS = 3, 9
WANTED = (4, 0, 8)


def fair(**settings: Any) -> OneShotMethod:
    kind = METHODS.load("nasib")
    space = SuperkernelSpace(SuperkernelSettings(layers=LAYERS, m=3))
    made = kind(space, resolve(kind.Settings, {"rule": "fair", **settings}, prefix="method"), 0)
    assert isinstance(made, OneShotMethod)
    return made


def train(method: OneShotMethod, steps: int) -> list[int]:
    """The supernet's part of a budget: a loss that falls with the weight of the wanted option of each layer.

    Returns how many different options the weight steps of the last tenth ran in the first layer, and in all.
    """
    runs: list[Counter[int]] = [Counter(), Counter()]
    turns = method.alternation(10, 2)
    for index in range(steps):
        progress = method.train_until * index / steps
        if turns.turn(index) == "weights":
            mix = method.weight_mix(progress)
            check_mix(mix, method.space)
            runs[0].update(mix[0].options)
            if index >= 0.9 * steps:
                runs[1].update(mix[0].options)
            continue
        mix = method.architecture_mix(progress)
        check_mix(mix, method.space)
        loss = torch.zeros((), requires_grad=True)
        for part, option in zip(mix, WANTED, strict=True):
            assert part.weights is not None
            hits = torch.tensor([float(o == option) for o in part.options])
            loss = loss - (hits * part.weights).sum()
        method.architecture_update(loss, mix, progress)
    return [len(runs[1]), len(runs[0])]


def test_weights_learn_on_single_paths() -> None:
    method = fair()
    assert all(len(part.options) == 1 and part.weights is None for part in method.weight_mix(0.0))
    assert all(len(part.options) == 2 for part in fair(paths=2).weight_mix(0.0))


def test_a_comparison_is_at_equal_weights() -> None:
    for part in fair().architecture_mix(0.3):
        assert len(set(part.options)) == 2
        assert part.weights is not None
        assert part.weights.tolist() == [0.5, 0.5]
        assert part.weights.requires_grad


def test_every_option_in_play_is_trained_equally_often() -> None:
    method = fair()
    counts: list[Counter[int]] = [Counter() for _ in range(LAYERS)]
    for _ in range(100):
        for counter, part in zip(counts, method.weight_mix(0.0), strict=True):
            counter.update(part.options)
    for counter in counts:
        assert len(counter) == OPTIONS
        assert max(counter.values()) - min(counter.values()) <= 1


def test_it_finds_the_options_that_help() -> None:
    method = fair(visits=5)
    train(method, 2000)
    assert method.best() == WANTED


def test_the_field_narrows_to_k() -> None:
    method = fair(visits=5, k=0.5)
    last, ever = train(method, 2000)
    assert ever == OPTIONS
    assert 4 <= last <= 5
    assert method.scalars()["exploration"] == pytest.approx(0.5, abs=0.06)


def test_a_short_budget_brings_fewer_options_into_play() -> None:
    few, many = fair(visits=60, k=1.0), fair(visits=60, k=1.0)
    train(few, 700)
    train(many, 7000)
    assert few.scalars()["in_play"] < many.scalars()["in_play"] == OPTIONS


def test_the_shortlist_is_trained_with_the_rest_of_the_budget() -> None:
    run = FakeRun(fair(shortlist=6, train_share=0.5)).until(40)
    work = [entry[0] for entry in run.trace if isinstance(entry[0], dict)]
    advances, finals = work[:20], work[20:]
    assert {w["work"] for w in advances} == {"advance"}
    assert {w["work"] for w in finals} == {"evaluate"}
    # Six short trainings, then the best of them three times as long; here each piece of work takes a fortieth.
    assert [round(w["fidelity"]["level"], 3) for w in finals] == [0.333] * 6 + [1.0]
    assert finals[0]["fidelity"]["share"] == pytest.approx(0.5 / 9)
    assert finals[-1]["fidelity"]["share"] == pytest.approx(0.5 - 6 / 40)
    listed = {tuple(w["choices"]) for w in finals}
    assert 2 <= len(listed) <= 6
    assert run.method.best() == max(listed, key=made_up_accuracy)


@pytest.mark.parametrize(("passes", "has_round"), [(0.4, False), (2.0, True)])
def test_a_budget_of_few_passes_has_no_final_round(passes: float, has_round: bool) -> None:
    """`passes` over the images for each of six trainings; half of the budget would be theirs, in nine parts."""
    method = fair(shortlist=6, train_share=0.5)
    for step in range(1, 100):
        progress = step / 100
        work = method.ask(1, progress - 0.01)
        if not isinstance(work[0], Advance):
            break
        for part in range(10):
            method.weight_mix(progress - 0.01 + part / 1000)
        method.tell(Outcome(work[0], {}, {"epochs": passes * 18 / 100}), progress)
        if step == 10:
            again = fair(shortlist=6, train_share=0.5)
            again.load(copy.deepcopy(method.state()))
            method = again
    # Anew after 3 %: 960 steps are to come, 288 of them in the warm-up, for options of 60 visits each.
    assert method.scalars()["in_play"] <= (9 if has_round else 6)
    assert has_round or method.rule.field in (5, 6)  # type: ignore[attr-defined]
    assert (step == 51) is has_round
    assert (method.train_until == 0.5) is has_round
    assert (step == 99) is not has_round


def test_the_shortlist_holds_the_best_alphas() -> None:
    method = fair(visits=5)
    train(method, 2000)
    argmax = method.best()
    listed = [w.choices for w in method.ask(10, 0.5) if isinstance(w, Evaluate)]
    assert listed[0] == argmax
    assert len(set(listed)) == len(listed)


def test_without_a_shortlist_there_are_no_evaluations() -> None:
    method = fair(shortlist=0)
    assert method.train_until == 1.0
    assert method.ask(1, 0.99) == [Advance()]


def test_a_shortlist_that_fails_leaves_the_argmax() -> None:
    run = FakeRun(fair(), faults="all").until(20)
    argmax = run.method.best()
    run.until(40)
    assert run.method.best() == argmax
