"""Losses that are not finite, memory that does not suffice, evaluations that fail."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from fault_runs import SETTINGS, SPACE, data, notes, read, result
from torch import Tensor, nn

from chronas import api, driver
from chronas.architecture import Architecture
from chronas.driver import Driver
from chronas.errors import ChronasError, RunError, TrainingError
from chronas.runs.journal import Journal
from chronas.training.hardware import Hardware
from chronas.training.steps import MicroBatches, Sums, forward_backward, require_finite

Act = Callable[[Tensor], Tensor]


@pytest.fixture(autouse=True)
def frequent_snapshots(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        Driver, "_due", lambda self: self.place.ticket > 10 * (self.place.saved - self.place.recoveries)
    )


def fit(out: Path, name: str = "rsps", **settings: Any) -> api.RunResult:
    groups = {"space": SPACE, "method": SETTINGS.get(name, {}), **settings}
    options = api.Options(space="superkernel", method=name, precision="float32", device="cpu", settings=groups)
    return api.fit(data(), budget="5 epochs", out=out, options=options)


def inject(monkeypatch: pytest.MonkeyPatch, at: dict[int, Act]) -> None:
    """Pass the `n`-th loss of a training step, from 1, through `at[n]`; losses of judging are left alone."""
    true, calls = F.cross_entropy, 0

    def loss(logits: Tensor, labels: Tensor, **words: Any) -> Tensor:
        nonlocal calls
        value = true(logits, labels, **words)
        if not torch.is_grad_enabled():
            return value
        calls += 1
        return at.get(calls, at.get(0, lambda x: x))(value)

    monkeypatch.setattr(F, "cross_entropy", loss)


def nan(loss: Tensor) -> Tensor:
    return loss * float("nan")


def no_memory(loss: Tensor) -> Tensor:
    raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")


def rates(out: Path, stage: str) -> list[float]:
    kinds = ("outcome", "epoch")
    records = [
        r for r in Journal(out / "journal.jsonl", write=False).records() if r["stage"] == stage and r["kind"] in kinds
    ]
    return [r["metrics"]["lr"] for r in records if "lr" in r["metrics"]]


def test_a_loss_that_is_not_finite_is_met_with_half_the_rate(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calm, out = tmp_path / "calm", tmp_path / "run"
    fit(calm)
    inject(monkeypatch, {6: nan})
    assert fit(out).result["status"] == "finished"
    (note,) = notes(out)
    for words in ("train loss of the supernet is nan", "learning rate of 0.0", "Went back to search-", "halved"):
        assert words in note
    # Time spent stays spent, so the rates are compared at the end of the schedule, where both are lr_end.
    assert rates(out, "search")[-1] == pytest.approx(rates(calm, "search")[-1] / 2, rel=0.2)


def test_each_recovery_halves_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calm, out = tmp_path / "calm", tmp_path / "run"
    fit(calm)
    inject(monkeypatch, {3: nan, 6: nan, 9: nan})
    assert fit(out).result["status"] == "finished"
    assert len(notes(out)) == 3
    assert rates(out, "search")[-1] == pytest.approx(rates(calm, "search")[-1] / 8, rel=0.2)


def test_after_three_recoveries_it_stops(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "run"
    inject(monkeypatch, {n: nan for n in range(6, 10_000)})
    with pytest.raises(TrainingError, match="train loss of the supernet is nan") as caught:
        fit(out)
    assert caught.value.exit_code == 1
    said = notes(out)
    assert len(said) == driver.MOST_RECOVERIES + 1
    assert "for good after 3 recoveries" in said[-1]
    assert result(out)["status"] == "failed"
    last = Journal(out / "journal.jsonl", write=False).records()[-1]
    assert (last["kind"], last["reason"]) == ("end", "failed")
    assert "supernet is nan" in last["message"]
    assert Architecture.from_json(read(out, "best.json")["architecture"]).notation
    assert (out / "report.html").exists()
    with pytest.raises(TrainingError):
        api.resume(out)
    monkeypatch.undo()
    assert api.resume(out).result["status"] == "finished"


def test_a_rate_far_too_high_ends_in_words(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="learning rate"):
        fit(tmp_path / "run", supernet={"lr": 1e30, "clip": 0.0})


def test_the_final_training_recovers_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "run"
    options = api.Options(space="superkernel", method="random", precision="float32", settings={
        "space": SPACE, "method": {"candidates": 2}})  # fmt: skip
    api.search(data(), budget="2 epochs", out=out, options=options)
    inject(monkeypatch, {20: nan})
    trained = api.train(out, data(), budget="3 epochs", options=api.Options(precision="float32"))
    (note,) = notes(trained.path)
    assert "train loss of the network is nan" in note
    assert "Went back to found-" in note
    assert trained.network() is not None


def test_broken_weights_are_never_kept_in_a_snapshot() -> None:
    net = nn.Linear(2, 2)
    require_finite(net, {"train_loss": 1.0}, "network", 3, 0.1)
    with torch.no_grad():
        net.weight[0, 0] = float("inf")
    with pytest.raises(
        TrainingError, match=r"weights of the network are no longer finite .*was 1\).* 3 weight steps .*0\.1"
    ):
        require_finite(net, {"train_loss": 1.0}, "network", 3, 0.1)


def test_a_supernet_out_of_which_nothing_can_be_cut_finishes_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Nothing is cut out of it before somebody asks for a model."""
    monkeypatch.setattr("chronas.training.supernet.SupernetTrainer._cut_out", lambda *_: pytest.fail("it was cut"))
    assert fit(tmp_path / "run").result["status"] == "finished"
    assert not notes(tmp_path / "run")


def test_failing_evaluations_are_outcomes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    out = tmp_path / "run"
    inject(monkeypatch, {2: nan})
    assert fit(out, "random").result["status"] == "finished"
    errors = [r["error"] for r in Journal(out / "journal.jsonl", write=False).records() if r["kind"] == "outcome"]
    assert len(errors) == 4
    assert errors[0].startswith("TrainingError: The train loss")
    assert errors[1:] == [None] * 3


def test_many_failing_evaluations_stop_the_search(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inject(monkeypatch, {0: nan})
    with pytest.raises(RunError, match="5 evaluations in a row failed; the last one: TrainingError: The train loss"):
        fit(tmp_path / "run", "random", method={"candidates": 8})
    assert result(tmp_path / "run")["status"] == "failed"


def test_after_many_failures_a_resume_tries_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inject(monkeypatch, {0: nan})
    with pytest.raises(RunError, match="5 evaluations in a row failed"):
        fit(tmp_path / "run", "random", method={"candidates": 8})
    monkeypatch.undo()
    done = api.resume(tmp_path / "run")
    assert done.result["status"] == "finished"
    assert done.result["search"]["metrics"]["val_accuracy"] > 0


def test_each_of_a_budget_in_evaluations_is_worth_the_same_epochs(tmp_path: Path) -> None:
    options = api.Options(space="superkernel", method="random", settings={"space": SPACE})
    api.search(data(), budget="10 evaluations", out=tmp_path / "run", options=options)
    records = Journal(tmp_path / "run" / "journal.jsonl", write=False).records()
    epochs = [r["metrics"]["epochs"] for r in records if r["kind"] == "outcome"]
    assert epochs == pytest.approx([8.0] * 10)


def test_a_budget_in_evaluations_ends(tmp_path: Path) -> None:
    options = api.Options(space="superkernel", method="random", settings={"space": SPACE, "method": {"candidates": 3}})
    done = api.search(data(), budget="3 evaluations", out=tmp_path / "run", options=options)
    assert (done.result["budget"]["spent"], done.result["budget"]["evaluations"]) == (3, 3)
    with pytest.raises(ChronasError, match="evaluations"):
        api.fit(data(), budget="3 evaluations", out=tmp_path / "other", options=options)


@pytest.mark.parametrize("method", ["rsps", "nasib", "random"])
def test_memory_that_does_not_suffice_halves_the_batch(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, method: str
) -> None:
    out = tmp_path / "run"
    inject(monkeypatch, {5: no_memory, 7: no_memory})
    assert fit(out, method).result["status"] == "finished"
    said = notes(out)
    assert len(said) == 2
    assert all("Out of memory: batches of " in note for note in said)
    assert all(
        r["error"] is None for r in Journal(out / "journal.jsonl", write=False).records() if r["kind"] == "outcome"
    )


def test_memory_that_does_not_suffice_for_held_out_images(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from chronas.training.supernet import SupernetTrainer

    true, fails = SupernetTrainer._learn_architecture, iter([True])

    def learn(self: SupernetTrainer, images: Tensor, labels: Tensor, progress: float) -> tuple[Tensor, Tensor]:
        if next(fails, False):
            raise torch.OutOfMemoryError("CUDA out of memory.")
        return true(self, images, labels, progress)

    monkeypatch.setattr(SupernetTrainer, "_learn_architecture", learn)
    # An architecture step after every weight step: the search is short.
    done = fit(tmp_path / "run", "nasib", method={"architecture_steps": 1.0, "least_passes": 0})
    assert done.result["status"] == "finished"
    assert [note.split(":")[0] for note in notes(tmp_path / "run")] == ["Out of memory"]


def test_memory_in_the_final_training(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from chronas.training.network import NetworkTrainer

    true, fails = NetworkTrainer._criterion, iter([False] * 20 + [True])

    def criterion(self: NetworkTrainer, logits: Tensor, labels: Tensor) -> Tensor:
        return no_memory(logits) if next(fails, False) else true(self, logits, labels)

    monkeypatch.setattr(NetworkTrainer, "_criterion", criterion)
    assert fit(tmp_path / "run").result["status"] == "finished"
    records = Journal(tmp_path / "run" / "journal.jsonl").records()
    (note,) = [r for r in records if r["kind"] == "note" and r["stage"] != "run"]
    assert note["stage"] == "found"


def test_not_even_one_image_fits(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inject(monkeypatch, {0: no_memory})
    with pytest.raises(TrainingError, match="Not enough memory for a single image"):
        fit(tmp_path / "run")


def test_parts_that_were_done_again_count_once() -> None:
    torch.manual_seed(0)
    net, images, labels = nn.Linear(3, 2), torch.randn(8, 3), torch.tensor([0, 1] * 4)
    hardware, calls = Hardware("cpu", False), 0

    def criterion(logits: Tensor, true: Tensor) -> Tensor:
        nonlocal calls
        calls += 1
        return no_memory(logits) if calls in (1, 3) else F.cross_entropy(logits, true)

    def step(micro: MicroBatches, criterion: Callable[[Tensor, Tensor], Tensor]) -> tuple[Sums, Tensor]:
        net.zero_grad()
        sums = Sums()
        forward_backward(net, images, labels, criterion=criterion, parameters=list(net.parameters()), hardware=hardware,
                         micro=micro, sums=sums)  # fmt: skip
        assert net.weight.grad is not None
        return sums, net.weight.grad.clone()

    micro = MicroBatches()
    whole, gradient = step(MicroBatches(), F.cross_entropy)
    parts, accumulated = step(micro, criterion)
    assert micro.parts == 4
    assert len(micro.drain()) == 2
    assert micro.drain() == []
    assert (parts.images, float(parts.hits)) == (whole.images, float(whole.hits))
    assert parts.read("train")["train_loss"] == pytest.approx(whole.read("train")["train_loss"], rel=1e-5)
    assert torch.allclose(gradient, accumulated, atol=1e-6)
