"""The supernet loop, for every one-shot method: resumable, sparse, on budget; and the evaluators."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from tiny import CPU, Clock, data, same, space, through_a_file

from chronas import nets
from chronas.budget import Budget, Ledger
from chronas.data.images import ImageData, Split
from chronas.errors import TrainingError
from chronas.methods import METHODS
from chronas.methods.oneshot import OneShotMethod
from chronas.nets.mix import Mix, SlotMix, one_hot
from chronas.seeding import torch_scope
from chronas.training.evaluators import SharedWeights, ShortTraining
from chronas.training.recipes import Recipe
from chronas.training.supernet import Slice, SupernetSettings, SupernetTrainer
from chronas.work import Evaluate, Fidelity

ONE_SHOT = [(e.name, preset) for e in METHODS if "supernet" in e.needs
            for preset in ("default", *METHODS.load(e.name).presets)]  # fmt: skip
STEPS = 8  # in an epoch: 96 images in batches of 12, an eighth of them


def one_shot(name: str = "rsps", preset: str = "default", **settings: Any) -> OneShotMethod:
    kind = METHODS.load(name)
    made = kind(space(), kind.Settings(**{**kind.presets.get(preset, {}), **settings}), 0)
    assert isinstance(made, OneShotMethod)
    return made


def trainer(method: OneShotMethod, seed: int = 0, images: ImageData | None = None) -> SupernetTrainer:
    images = images or data()
    with torch_scope(seed, "net"):
        net = nets.build_supernet(method.space, images.task)
    return SupernetTrainer(net, method, images, None, SupernetSettings(batch_size=32), CPU, 0)


def epochs(amount: float) -> Ledger:
    return Ledger(Budget(amount, "epochs"), clock=Clock())


def finish(one: SupernetTrainer, ledger: Ledger, steps: int = 5) -> list[dict[str, float]]:
    rows = []
    while not ledger.exhausted:
        row = one.advance(ledger, Slice(steps=steps))
        assert row is not None
        rows.append({k: v for k, v in row.items() if k not in ("images_per_second", "step_seconds")})
    return rows


@pytest.mark.parametrize(("name", "preset"), ONE_SHOT)
def test_it_goes_on_bit_identically(name: str, preset: str) -> None:
    whole = trainer(one_shot(name, preset))
    expected = finish(whole, epochs(4))
    first, ledger = trainer(one_shot(name, preset)), epochs(4)
    for _ in range(3):
        first.advance(ledger, Slice(steps=5))
    saved = through_a_file({"net": first.state(), "method": first.method.state(), "ledger": ledger.state()})
    second, rest = trainer(one_shot(name, preset), seed=9), epochs(4)
    second.load(saved["net"])
    second.method.load(saved["method"])
    rest.restore(saved["ledger"])
    assert finish(second, rest) == expected[3:]
    assert same(second.net, whole.net)
    assert second.method.best() == whole.method.best()


@pytest.mark.parametrize(("name", "preset"), ONE_SHOT)
def test_a_pause_changes_nothing(name: str, preset: str) -> None:
    whole = trainer(one_shot(name, preset))
    expected = finish(whole, epochs(2))
    first, ledger = trainer(one_shot(name, preset)), epochs(2)
    assert first.advance(ledger, Slice(steps=5), pause=lambda: first.index >= 3) is None
    saved = through_a_file({"net": first.state(), "method": first.method.state(), "ledger": ledger.state()})
    second, rest = trainer(one_shot(name, preset), seed=9), epochs(2)
    second.load(saved["net"])
    second.method.load(saved["method"])
    rest.restore(saved["ledger"])
    assert finish(second, rest) == expected
    assert same(second.net, whole.net)


@pytest.mark.parametrize(("amount", "steps"), [(1, 8), (2.5, 20), (0.1, 1)])
def test_an_epoch_budget_ends_exactly(amount: float, steps: int) -> None:
    one, ledger = trainer(one_shot()), epochs(amount)
    finish(one, ledger)
    assert one.steps == ledger.counts["steps"] == steps
    assert one.epoch_steps == STEPS


class Chosen(OneShotMethod):
    """Always the same mix."""

    name = "chosen"

    def __init__(self, mix: Mix) -> None:
        super().__init__(space(), None, 0)
        self.mix = mix

    def ask(self, count: int, progress: float) -> list[Any]:
        return []

    def tell(self, outcome: Any, progress: float) -> None:
        """Nothing to learn."""

    def best(self) -> tuple[int, ...]:
        return tuple(part.options[0] for part in self.mix)

    def weight_mix(self, progress: float) -> Mix:
        return self.mix


def test_options_that_did_not_run_keep_their_weights() -> None:
    one = trainer(Chosen((SlotMix((0, 3)), SlotMix((2,)))))
    before = {name: value.clone() for name, value in one.net.state_dict().items()}
    one.advance(epochs(1), Slice(steps=3))
    after = one.net.state_dict()
    changed = {tuple(name.split(".")[:4]) for name in after if not torch.equal(before[name], after[name])}
    assert {words[1:4:2] for words in changed if words[0] == "slots"} == {("0", "0"), ("0", "3"), ("1", "2")}
    assert {words[0] for words in changed} >= {"stem", "head", "slots"}
    assert set(one.optimiser.state(one.net)) == {
        n for n, _ in one.net.named_parameters() if tuple(n.split(".")[:4]) in changed
    }


def test_a_single_path_learns_and_is_judged() -> None:
    one = trainer(Chosen(one_hot((3, 2))))
    rows = finish(one, epochs(6))
    assert rows[-1]["train_loss"] < rows[0]["train_loss"]
    found = one.evaluate((3, 2))
    assert found["val_accuracy"] > 80
    assert one.evaluate((3, 2)) == found
    assert one.evaluate((0, 0)) != found


def test_judging_does_not_depend_on_the_order_of_the_held_out_images() -> None:
    images = data(val=400)
    by_class = torch.sort(images.val.labels, stable=True).indices
    val = Split(images.val.images[by_class], images.val.labels[by_class])
    one = trainer(Chosen(one_hot((3, 2))), images=dataclasses.replace(images, val=val))
    finish(one, epochs(6))
    assert one.evaluate((3, 2))["val_accuracy"] > 80


def test_judging_is_without_dropout_and_training_seeds_it() -> None:
    drop = space(dropout=0.5)
    rule = METHODS.load("nasib")
    made = []
    for noise in (1, 2):
        method = rule(drop, rule.Settings(**rule.presets["paper"]), 0)
        assert isinstance(method, OneShotMethod)
        one = trainer(method)
        with torch_scope(noise, "what the global stream happens to hold"):
            finish(one, epochs(2))
            made.append(one.evaluate((0, 0)))
        assert made[0] == one.evaluate((0, 0))
    assert made[0] == made[1]


def test_judging_without_time_looks_at_a_part_and_says_so() -> None:
    one = trainer(one_shot(), images=data(val=300))
    assert "val_images" not in one.evaluate((3, 2), lambda: 1e9)
    # The first batch fits, and a second one would not.
    assert one.evaluate((3, 2), lambda: 1e-9)["val_images"] == one.mixed.batch_size == 128
    shared, ledger = SharedWeights(one), Ledger(Budget(1e-9, "seconds"))
    found = shared.evaluate(Evaluate((3, 2), Fidelity("shared")), ledger)
    assert found is not None
    assert found["val_images"] == 128
    (note,) = shared.notes()
    assert "on 128 of 300 validation images" in note
    assert shared.notes() == []


def test_judging_is_charged_as_a_third_of_a_training_pass() -> None:
    one, ledger = trainer(one_shot()), epochs(4)
    SharedWeights(one).evaluate(Evaluate((0, 0), Fidelity("shared")), ledger)
    assert ledger.counts["epochs"] == pytest.approx(40 / 96 / 3)


def test_nan_is_an_error() -> None:
    one = trainer(one_shot())
    with torch.no_grad():
        next(one.net.parameters()).fill_(float("nan"))
    with pytest.raises(TrainingError, match="nan"):
        one.advance(epochs(1), Slice(steps=2))


def test_an_architecture_step_moves_no_weights() -> None:
    method = one_shot("nasib", "paper")
    one = trainer(method)
    ledger = epochs(3)
    while one.turns.turn(one.index) == "weights":
        one.advance(ledger, Slice(steps=1))
    before = {name: value.clone() for name, value in one.net.state_dict().items()}
    alphas = method.inspect().tables["alpha"]
    one.advance(ledger, Slice(steps=10**9), pause=lambda: True)
    assert one.held_out_steps == 1
    assert all(torch.equal(value, before[name]) for name, value in one.net.state_dict().items())
    assert all(p.grad is None for p in one.net.parameters())
    assert method.inspect().tables["alpha"] != alphas


def short() -> ShortTraining:
    return ShortTraining(space(), data(), Recipe(batch_size=32, lr=0.4), CPU, 0)


def test_short_training_takes_its_share() -> None:
    ledger = epochs(8)
    found = short().evaluate(Evaluate((3, 2), Fidelity("train", 0.25)), ledger)
    assert found is not None
    assert found["epochs"] == pytest.approx(2.0)
    assert ledger.counts["epochs"] == pytest.approx(2.0)
    assert {"val_accuracy", "val_loss", "train_loss"} <= set(found)


def test_short_training_knows_what_a_training_needs_at_least() -> None:
    evaluator = short()
    assert evaluator.least == 0.0
    evaluator.evaluate(Evaluate((3, 2), Fidelity("train", 0.25)), epochs(8))
    assert evaluator.least > 0.0
    again = short()
    again.load(evaluator.state())
    assert again.least == evaluator.least


def test_short_trainings_do_not_depend_on_each_other() -> None:
    def judged(evaluator: ShortTraining, choices: tuple[int, ...]) -> float:
        found = evaluator.evaluate(Evaluate(choices, Fidelity("train", 0.1)), epochs(10))
        assert found is not None
        return found["val_loss"]

    alone, after = short(), short()
    judged(after, (0, 0))
    assert judged(alone, (3, 2)) == judged(after, (3, 2))
    assert judged(alone, (3, 2)) != judged(alone, (1, 2))
