"""The policy gradient."""

from __future__ import annotations

import statistics
from typing import Any

import numpy as np
import pytest
import torch
from blackbox_runs import check_workers, drive, evaluations_to_optimum, make, outcome

from chronas.errors import UsageError
from chronas.methods.reinforce import Policy
from chronas.seeding import stream
from chronas.spaces.superkernel import SuperkernelSpace
from chronas.testing.methods import made_up_accuracy
from chronas.work import Choices, Evaluate, Outcome

OPTIONS = (5, 2, 3)


def policy() -> Policy:
    made = Policy(OPTIONS, stream(0, "policy"))
    made.logits = made.logits + stream(1, "policy").normal(size=made.logits.shape)
    return made


def test_the_gradient_is_that_of_autograd() -> None:
    made = policy()
    leaves = [torch.tensor(row, dtype=torch.float64, requires_grad=True) for row in made.rows(made.logits)]
    choices, advantage = (4, 0, 2), 3.7
    logs = [torch.log_softmax(z, 0)[c] for z, c in zip(leaves, choices, strict=True)]
    (-advantage * torch.stack(logs).sum()).backward()  # type: ignore[no-untyped-call]
    for mine, leaf in zip(made.rows(made.gradient(choices, advantage)), leaves, strict=True):
        assert leaf.grad is not None
        assert mine == pytest.approx(leaf.grad.tolist(), abs=1e-12)


def test_the_steps_are_those_of_torch() -> None:
    made = policy()
    leaves = [torch.tensor(row, dtype=torch.float64, requires_grad=True) for row in made.rows(made.logits)]
    adam = torch.optim.Adam(leaves, lr=0.05)
    for step in range(20):
        gradient = made.gradient((step % 5, step % 2, step % 3), float(step - 7))
        for leaf, row in zip(leaves, made.rows(gradient), strict=True):
            leaf.grad = torch.tensor(row, dtype=torch.float64)
        adam.step()
        made.step(gradient, 0.05)
    for mine, leaf in zip(made.rows(made.logits), leaves, strict=True):
        assert mine == pytest.approx(leaf.tolist(), abs=1e-12)


def test_draws_follow_the_probabilities() -> None:
    made = policy()
    drawn = np.array([made.draw(stream(0, "draw", index)) for index in range(4000)])
    for place, row in enumerate(made.rows(made.probabilities())):
        assert sum(row) == pytest.approx(1.0)
        found = np.bincount(drawn[:, place], minlength=len(row)) / len(drawn)
        assert found.tolist() == pytest.approx(row, abs=0.03)


def test_the_baseline_is_a_corrected_moving_average() -> None:
    method: Any = make("reinforce")
    rewards = (50.0, 70.0, 20.0)
    seen = []

    def record(choices: Choices, advantage: float) -> Any:
        seen.append(advantage)
        return np.zeros((6, 4))

    method._policy.gradient = record
    for reward in rewards:
        method.tell(Outcome(method.ask(1, 0.0)[0], {"val_accuracy": reward}), 0.0)
    averages = [50.0, (0.1 * 70 + 0.09 * 50) / 0.19, (0.1 * 20 + 0.09 * 70 + 0.081 * 50) / 0.271]
    assert seen == pytest.approx([reward - average for reward, average in zip(rewards, averages, strict=True)])


def test_the_result_is_the_best_seen() -> None:
    method = make("reinforce")
    asked = [work.choices for work in drive(method, 60)]
    assert method.best() == max(asked, key=made_up_accuracy)


def test_failures_teach_nothing() -> None:
    method = make("reinforce")
    before = method.inspect().tables
    method.tell(outcome(method.ask(1, 0.0)[0], error="out of memory"), 0.0)
    assert method.inspect().tables == before


def test_finds_the_optimum_far_sooner_than_chance() -> None:
    needed = [evaluations_to_optimum("reinforce", seed, 600, lr=0.1) for seed in range(5)]
    assert statistics.median(needed) < 300, "4,096 architectures: chance needs 2,000"


class Even(SuperkernelSpace):
    """Only an even sum of options is legal."""

    def legal(self, choices: Choices) -> bool:
        return sum(choices) % 2 == 0


@pytest.mark.parametrize("name", ["reinforce", "bohb", "optuna", "nsga2", "rea", "area", "naswot"])
def test_illegal_combinations_are_never_asked_for(name: str) -> None:
    if name == "optuna":
        pytest.importorskip("optuna")
    space = Even(SuperkernelSpace().settings)
    asked = drive(make(name, 0, space), 40)
    assert len(asked) == 40
    assert all(isinstance(work, Evaluate) and space.legal(work.choices) for work in asked)


def test_several_workers() -> None:
    check_workers("reinforce")


@pytest.mark.parametrize(("wrong", "words"), [({"lr": 0.0}, "lr must be above 0"), ({"decay": 1.0}, "decay must lie")])
def test_settings_out_of_range(wrong: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        make("reinforce", **wrong)
