"""Training one network: deterministic, resumable, on budget, honest."""

from __future__ import annotations

import dataclasses
from typing import Any

import pytest
import torch
from tiny import CPU, Clock, data, network, same, split, through_a_file
from torch import Tensor, nn

from chronas.budget import Budget, Ledger
from chronas.errors import TrainingError
from chronas.training.judge import judge
from chronas.training.network import Looks, NetworkTrainer, plan, seeded_network
from chronas.training.recipes import Recipe

RECIPE = Recipe(batch_size=32, lr=0.4)
STEPS = 16  # in an epoch: 96 images in batches of 6, a sixteenth of them


def trainer(seed: int = 0, net: nn.Module | None = None, recipe: Recipe = RECIPE, **changes: Any) -> NetworkTrainer:
    return NetworkTrainer(net or network(), data(), recipe, CPU, seed, **changes)


def epochs(amount: float) -> Ledger:
    return Ledger(Budget(amount, "epochs"), clock=Clock())


def finish(one: NetworkTrainer, ledger: Ledger) -> list[dict[str, float]]:
    """Advance until the budget is spent; what was measured by the clock is left out."""
    rows = []
    while not ledger.exhausted:
        row = one.advance(ledger)
        assert row is not None
        rows.append({k: v for k, v in row.items() if k not in ("images_per_second", "step_seconds")})
    return rows


def test_training_is_deterministic_and_seeded() -> None:
    runs = [trainer(seed) for seed in (0, 0, 1)]
    rows = [finish(one, epochs(2)) for one in runs]
    assert rows[0] == rows[1] != rows[2]
    assert same(runs[0].net, runs[1].net)
    assert not same(runs[0].net, runs[2].net)


def test_training_learns() -> None:
    one = trainer()
    before = one.validate()["val_accuracy"]
    rows = finish(one, epochs(6))
    assert rows[-1]["train_loss"] < rows[0]["train_loss"]
    assert one.finish()["val_accuracy"] > max(85.0, before)


def test_dropout_is_seeded_and_global_state_untouched() -> None:
    wet = dataclasses.replace(RECIPE, dropout=0.3)
    before = torch.get_rng_state()
    runs = [trainer(recipe=wet) for _ in range(2)]
    for one in runs:
        finish(one, epochs(1))
        torch.rand(3)
        torch.set_rng_state(before)
    assert same(runs[0].net, runs[1].net)
    dry = trainer()
    finish(dry, epochs(1))
    assert not same(runs[0].net, dry.net)


@pytest.mark.parametrize(("amount", "steps"), [(1, 16), (3, 48), (0.5, 8), (1.25, 20), (0.01, 1)])
def test_it_stops_exactly_at_an_epoch_budget(amount: float, steps: int) -> None:
    one, ledger = trainer(slice_steps=7), epochs(amount)
    rows = finish(one, ledger)
    assert one.steps == ledger.counts["steps"] == steps
    assert rows[-1]["epoch"] == pytest.approx(steps / STEPS)
    assert len(rows) == -(-steps // 7)


def test_the_schedule_follows_progress_whatever_the_slices() -> None:
    runs = [trainer(slice_steps=n) for n in (1, 5, 16)]
    for one in runs:
        finish(one, epochs(1))
    assert same(runs[0].net, runs[1].net)
    assert same(runs[0].net, runs[2].net)
    one = trainer(slice_steps=4)
    rates = [row["lr"] for row in finish(one, epochs(1))]
    assert rates == pytest.approx([0.4 * 6 / 128 * x for x in (1.0, 2 / 3, 1 / 3, 0.001)], rel=1e-3)


@pytest.mark.parametrize("cut", [1, 2, 4])
def test_it_goes_on_bit_identically(cut: int) -> None:
    whole = trainer(slice_steps=6, looks=Looks(times=4))
    expected = finish(whole, epochs(2))
    first, ledger = trainer(slice_steps=6, looks=Looks(times=4)), epochs(2)
    for _ in range(cut):
        first.advance(ledger)
    state, spent = through_a_file(first.state()), through_a_file(ledger.state())
    second, rest = trainer(net=network(seed=9), slice_steps=6, looks=Looks(times=4)), epochs(2)
    second.load(state)
    rest.restore(spent)
    assert finish(second, rest) == expected[cut:]
    assert same(second.net, whole.net)
    assert second.finish() == whole.finish()


def test_a_pause_in_the_middle_of_a_slice_changes_nothing() -> None:
    whole = trainer()
    expected = finish(whole, epochs(2))
    first, ledger = trainer(), epochs(2)
    assert first.advance(ledger, pause=lambda: first.steps >= 5) is None
    assert first.steps == 5
    second, rest = trainer(net=network(seed=9)), epochs(2)
    second.load(through_a_file(first.state()))
    rest.restore(through_a_file(ledger.state()))
    assert finish(second, rest) == expected
    assert same(second.net, whole.net)


def test_a_time_budget_is_looked_at_after_every_step() -> None:
    clock = Clock()
    ledger = Ledger(Budget(10.0, "seconds"), clock=clock, reserve=1.0)
    one = trainer(slice_steps=100)
    inner = one.net.forward

    def forward(x: Tensor) -> Tensor:
        clock.now += 2.0
        out: Tensor = inner(x)
        return out

    one.net.forward = forward
    one.advance(ledger)
    assert one.steps == 5
    assert ledger.exhausted


def test_nan_is_an_error_with_words() -> None:
    one = trainer()
    with torch.no_grad():
        next(one.net.parameters()).fill_(float("nan"))
    with pytest.raises(TrainingError, match=r"loss.* is nan after 16 .*steps at a learning rate of"):
        one.advance(epochs(2))
    assert "halved" in one.calm()
    assert one.lr_scale == 0.5


def test_the_best_weights_seen_are_kept() -> None:
    one = trainer(slice_steps=4, looks=Looks(times=4, share=1.0))
    ledger = epochs(1)
    one.advance(ledger)
    assert one.best is not None
    good = {name: value.clone() for name, value in one.best["weights"].items()}
    one.best["val_accuracy"] = 101.0
    finish(one, ledger)
    one.finish()
    assert all(torch.equal(value, good[name]) for name, value in one.net.state_dict().items())


def test_a_validation_without_time_says_of_how_many_images_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("chronas.training.judge.CHUNK", 16)
    assert trainer().validate(lambda: -1.0)["val_images"] == 16
    assert "val_images" not in trainer().validate(lambda: 1e9)


def test_looks_are_spread_over_progress() -> None:
    rows = finish(trainer(slice_steps=2, looks=Looks(times=4)), epochs(1))
    assert [i for i, row in enumerate(rows) if "val_accuracy" in row] == [1, 3, 5]
    assert not any("val_accuracy" in row for row in finish(trainer(looks=Looks(times=0)), epochs(2)))


def test_weight_init_is_seeded() -> None:
    assert same(network(seed=1), network(seed=1))
    assert not same(network(seed=1), network(seed=2))
    before = torch.get_rng_state()
    seeded_network(lambda: nn.Linear(3, 3), 0, "x")
    assert torch.equal(before, torch.get_rng_state())


def test_the_recipe_decides_the_cutout() -> None:
    assert plan(data(), RECIPE).cutout == 0
    assert plan(data(), dataclasses.replace(RECIPE, cutout=0.5)).cutout == 4


class Fixed(nn.Module):
    """Says class 1 for bright images, whatever the training mode; remembers the modes it was called in."""

    def __init__(self) -> None:
        super().__init__()
        self.modes: list[bool] = []

    def forward(self, x: Tensor) -> Tensor:
        self.modes.append(self.training)
        bright = x[:, 0, :, :4].mean((1, 2)) > x[:, 0, :, 4:].mean((1, 2)) + 0.5
        return torch.stack([torch.zeros(len(x)), torch.where(bright, 1.0, -1.0)], 1)


def test_judging() -> None:
    part, net = split(31, 5), Fixed()
    wrong = dataclasses.replace(part, labels=torch.where(torch.arange(31) < 4, 1 - part.labels, part.labels))
    seen = judge(net, wrong, mean=(0.4,), std=(0.2,), classes=2, hardware=CPU, batch_size=7)
    assert net.modes == [False] * 5
    assert net.training
    assert [sum(row) for row in seen.confusion] == [int((wrong.labels == c).sum()) for c in (0, 1)]
    assert sum(map(sum, seen.confusion)) == 31
    hits = seen.confusion[0][0] + seen.confusion[1][1]
    assert seen.accuracy == pytest.approx(100 * hits / 31)
    assert seen.confusion[0][1] + seen.confusion[1][0] == 4
    assert seen.per_class(("dark", "bright"))["dark"] == pytest.approx(
        100 * seen.confusion[0][0] / sum(seen.confusion[0])
    )
    whole = judge(net, wrong, mean=(0.4,), std=(0.2,), classes=2, hardware=CPU)
    assert whole.confusion == seen.confusion
    assert whole.loss == pytest.approx(seen.loss)


def test_judging_where_memory_is_short() -> None:
    class Hungry(Fixed):
        def forward(self, x: Tensor) -> Tensor:
            if len(x) > 3:
                raise torch.cuda.OutOfMemoryError("CUDA out of memory")
            return super().forward(x)

    part = split(31, 5)
    common: dict[str, Any] = {"mean": (0.4,), "std": (0.2,), "classes": 2, "hardware": CPU}
    assert judge(Hungry(), part, **common) == judge(Fixed(), part, **common)


def test_a_class_without_images_has_no_accuracy() -> None:
    part = split(6, 0)
    dark = dataclasses.replace(part, labels=torch.zeros(6, dtype=torch.int64))
    seen = judge(Fixed(), dark, mean=(0.4,), std=(0.2,), classes=2, hardware=CPU)
    assert set(seen.per_class(("dark", "bright"))) == {"dark"}
