"""What is given of a training that was cut off: weights of their own, usable, annealed where there is time."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Sequence
from types import SimpleNamespace

import pytest
import torch
from test_supernet_training import one_shot
from test_supernet_training import trainer as supernet
from tiny import CPU, Clock, data, network, same, space, through_a_file
from torch import nn

from chronas.budget import Budget, Ledger
from chronas.nets.mix import one_hot
from chronas.training import unfinished
from chronas.training.evaluators import ShortTraining, SupernetSlices
from chronas.training.network import Looks, NetworkTrainer
from chronas.training.optim import SparseSGD
from chronas.training.recipes import Recipe
from chronas.training.supernet import Slice
from chronas.training.unfinished import LEAST_STEPS, Schedule, better, stopped
from chronas.work import Choices, Evaluate, Fidelity

CHOICES = (3, 1)
RECIPE = Recipe(batch_size=32, lr=0.4)


@pytest.fixture(autouse=True)
def clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every look at the clock takes a hundredth of a second."""
    ticks = itertools.count()
    monkeypatch.setattr(unfinished, "time", SimpleNamespace(monotonic=lambda: next(ticks) / 100))


def epochs(amount: float) -> Ledger:
    return Ledger(Budget(amount, "epochs"), clock=Clock())


def trained(steps: int, ledger: Ledger, looks: int = 0) -> NetworkTrainer:
    made = NetworkTrainer(network(), data(), RECIPE, CPU, 0, looks=Looks(times=looks), slice_steps=steps)
    made.advance(ledger)
    return made


def test_an_annealed_copy_is_another_network_that_is_better() -> None:
    ledger = epochs(4)
    one = trained(16, ledger)  # where the learning rate has its peak
    (found,) = one.unfinished(CHOICES, ledger)
    assert found.net is one.net
    assert found.epochs == 1
    assert found.schedule is not None
    before, speed = copy.deepcopy(one.net), copy.deepcopy(one.optimiser.state(one.net))
    made = found.schedule.annealed(found.net, 0.4)
    assert made is not None
    assert same(before, one.net)
    assert not same(before, made)
    assert all(torch.equal(value, speed[name]) for name, value in one.optimiser.state(one.net).items())
    assert one.judge(made).loss < one.judge(one.net).loss


def test_the_last_steps_of_an_annealing_change_next_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = epochs(4)
    (found,) = trained(16, ledger).unfinished(CHOICES, ledger)
    assert found.schedule is not None
    rates: list[float] = []
    step = SparseSGD.step

    def noting(self: SparseSGD, parameters: Sequence[nn.Parameter], lr: float) -> None:
        rates.append(lr)
        step(self, parameters, lr)

    monkeypatch.setattr(SparseSGD, "step", noting)
    found.schedule.annealed(found.net, 0.4)
    assert rates[0] == pytest.approx(found.schedule.rate)
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] < 0.1 * rates[0]


def test_no_annealing_of_a_few_steps() -> None:
    ledger = epochs(4)
    (found,) = trained(16, ledger).unfinished(CHOICES, ledger)
    assert found.schedule is not None
    assert found.schedule.annealed(found.net, 0.01 * (LEAST_STEPS - 1)) is None


def test_steps_that_take_long_are_not_begun(monkeypatch: pytest.MonkeyPatch) -> None:
    ledger = epochs(4)
    one = trained(16, ledger)
    assert one.step_seconds > 0
    one.step_seconds = 6.0
    (found,) = one.unfinished(CHOICES, ledger)
    monkeypatch.setattr(Schedule, "_step", lambda *_: pytest.fail("a step was done"))
    assert found.schedule is not None
    assert found.schedule.annealed(found.net, 2.0) is None
    assert found.schedule.annealed(found.net, 7.9 * found.schedule.step_seconds) is None, "these are too few"
    before = copy.deepcopy(found.net)
    assert not found.schedule.renew_norms(found.net, 1.9)
    assert same(before, found.net)
    assert found.schedule.renew_norms(found.net, 2.1)
    assert not same(before, found.net)


def test_a_resumed_training_knows_what_a_step_takes() -> None:
    one, ledger = supernet(one_shot()), epochs(3)
    one.advance(ledger, Slice(steps=9))
    again, network_again = supernet(one_shot()), trained(1, epochs(4))
    again.load(through_a_file(one.state()))
    assert again.step_seconds == one.step_seconds == SupernetSlices(one, Slice()).least > 0
    state = through_a_file(network_again.state())
    state["step_seconds"] = 7.5
    network_again.load(state)
    assert network_again.step_seconds == network_again.least == 7.5


def test_norms_are_renewed_where_memory_is_short() -> None:
    """In the parts that the training has found, and smaller ones where that does not suffice either."""
    ledger = epochs(4)
    one = trained(16, ledger)
    one.micro.parts = 2
    (found,) = one.unfinished(CHOICES, ledger)
    assert found.schedule is not None
    sizes: list[int] = []

    def forward(x: torch.Tensor) -> torch.Tensor:
        sizes.append(len(x))
        if len(x) > 2:
            raise torch.cuda.OutOfMemoryError("CUDA out of memory")
        return torch.zeros(len(x), 2)

    found.net.forward = forward
    assert found.schedule.renew_norms(found.net)
    assert (sizes[0], set(sizes[1:])) == (3, {2})


def test_what_a_stopped_ledger_says_is_as_of_then() -> None:
    clock = Clock()
    ledger = Ledger(Budget(10, "seconds"), clock=clock)
    clock.now = 4
    ended = stopped(ledger)
    clock.now = 9
    assert (ended.seconds, ledger.seconds) == (4, 9)
    assert ended.progress == pytest.approx(0.4)


def test_nothing_is_given_before_the_first_step() -> None:
    one = NetworkTrainer(network(), data(), RECIPE, CPU, 0)
    assert one.unfinished(CHOICES, epochs(1)) == []
    assert supernet(one_shot()).unfinished(CHOICES, epochs(1)) == []


def test_the_best_that_was_looked_at_is_given_too() -> None:
    ledger = epochs(2)
    one = trained(24, ledger, 2)
    found = one.unfinished(CHOICES, ledger)
    assert len(found) == 2
    assert one.best is not None
    assert found[1].metrics["val_accuracy"] == one.best["val_accuracy"]
    assert one.judge(found[1].net).accuracy == one.best["val_accuracy"]
    assert found[1].schedule is None


@pytest.mark.parametrize("kind", ["network", "supernet"])
def test_how_long_it_was_trained_is_known(kind: str) -> None:
    """Without loading the data; and of the best that was looked at, up to the look."""
    clock = Clock()
    ledger = Ledger(Budget(1000, "seconds"), clock=clock, started=0.0, opening=100.0)
    clock.now = 560
    if kind == "network":
        one = NetworkTrainer(network(), data(), RECIPE, CPU, 0, looks=Looks(times=2, share=1.0), slice_steps=4)
        one.advance(ledger)
        clock.now = 700
        one.advance(ledger)
        found = one.unfinished(CHOICES, ledger)
        assert [(each.seconds, each.epochs) for each in found] == [(600, 8 / 16), (460, 4 / 16)]
    else:
        shared = supernet(one_shot())
        shared.advance(ledger, Slice(steps=4))
        clock.now = 700
        assert [each.seconds for each in shared.unfinished(CHOICES, ledger)] == [600]


def test_what_is_cut_out_of_a_supernet_computes_the_same() -> None:
    one, ledger = supernet(one_shot()), epochs(3)
    one.advance(ledger, Slice(steps=9))
    (found,) = one.unfinished(CHOICES, ledger)
    images, _ = one.train.batch(0)
    with torch.no_grad():
        expected = one.net.train()(images, one_hot(CHOICES))
        assert torch.allclose(found.net.train()(images), expected, atol=1e-5)
    assert found.schedule is not None
    velocity = found.schedule.optimiser.state(found.net)
    assert velocity
    assert set(velocity) <= {name for name, _ in found.net.named_parameters()}


def test_renewed_batch_norms_judge_like_those_of_a_batch() -> None:
    one, ledger = supernet(one_shot()), epochs(6)
    one.advance(ledger, Slice(steps=40))
    (found,) = one.unfinished(CHOICES, ledger)
    assert found.schedule is not None
    assert found.schedule.stale_norms
    before = copy.deepcopy(found.net)
    found.schedule.renew_norms(found.net)
    norms = [m for m in found.net.modules() if isinstance(m, nn.BatchNorm2d)]
    assert all(norm.momentum == 0.1 for norm in norms)
    assert [bool((n.running_mean != 0).any()) for n in norms] == [True] * len(norms)  # type: ignore[union-attr]
    assert same_parameters(before, found.net)
    images, _ = one.train.batch(0)
    with torch.no_grad():
        by_batch = found.net.train()(images)
        gap, stale = ((net.eval()(images) - by_batch).abs().mean() for net in (found.net, before))
    assert gap < 0.5 * stale


def same_parameters(first: nn.Module, second: nn.Module) -> bool:
    return all(torch.equal(a, b) for a, b in zip(first.parameters(), second.parameters(), strict=True))


def test_short_trainings_give_the_best_and_the_one_in_training() -> None:
    def evaluator() -> ShortTraining:
        return ShortTraining(space(), data(), RECIPE, CPU, 0)

    one, ledger = evaluator(), epochs(8)
    assert one.unfinished() == []
    judged: dict[Choices, dict[str, float]] = {}
    for choices in (CHOICES, (0, 2)):
        metrics = one.evaluate(Evaluate(choices, Fidelity("train", 0.25)), ledger)
        assert metrics is not None
        judged[choices] = metrics
    best = max(judged, key=lambda choices: (judged[choices]["val_accuracy"], -judged[choices]["val_loss"]))
    (found,) = one.unfinished()
    assert found.choices == best
    assert found.metrics["val_accuracy"] == judged[best]["val_accuracy"]
    asked = iter([False, False, True])
    work = Evaluate((1, 1), Fidelity("train", 0.5))
    assert one.evaluate(work, ledger, lambda: next(asked)) is None
    assert [len(one.unfinished()), one.unfinished()[0].choices, one.unfinished()[1].choices] == [2, (1, 1), best]
    again = evaluator()
    again.load(through_a_file(one.state()))
    (kept,) = again.unfinished()
    assert kept.choices == best
    assert same(kept.net, found.net)


def test_the_best_is_made_without_the_global_stream() -> None:
    one = ShortTraining(space(), data(), RECIPE, CPU, 0)
    one.evaluate(Evaluate(CHOICES, Fidelity("train", 0.25)), epochs(8))
    before = torch.get_rng_state()
    assert one.unfinished()
    assert torch.equal(before, torch.get_rng_state())


def test_judged_on_a_part_of_the_images_is_said_and_displaces_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    one, ledger = ShortTraining(space(), data(), RECIPE, CPU, 0), epochs(8)
    answers = iter([{"val_images": 20.0, "val_accuracy": 70.0}, {"val_accuracy": 60.0}, {"val_accuracy": 75.0},
                    {"val_accuracy": 99.0, "val_images": 20.0}])  # fmt: skip
    monkeypatch.setattr(NetworkTrainer, "validate", lambda self, left: {"val_loss": 0.5, **next(answers)})
    kept, said = [], []
    for choices in ((0, 1), (0, 2), (0, 3), (1, 1)):
        assert one.evaluate(Evaluate(choices, Fidelity("train", 0.1)), ledger) is not None
        kept.append(one.unfinished()[0].choices)
        said.append(len(one.notes()))
    assert kept == [(0, 1), (0, 2), (0, 3), (0, 3)]
    assert said == [1, 0, 0, 1]


def test_which_of_two_is_better() -> None:
    first = {"val_accuracy": 90.0, "val_loss": 0.4}
    assert better(first, {"val_accuracy": 89.0, "val_loss": 0.1})
    assert better(first, {"val_accuracy": 90.0, "val_loss": 0.5})
    assert better(first, {})
    assert better(first, {"val_accuracy": float("nan")})
    assert not better({}, {})
    assert not better(first, first)
    assert not better({"val_accuracy": 95.0, "val_images": 64.0}, first), "the standard error is up to 6 points"
    assert better({"val_accuracy": 95.0, "val_images": 400.0}, first)
